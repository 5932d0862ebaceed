import type { MetricFamilies } from '@inferflow/telemetry';

/** What a worker tells the process that started it. */
export type WorkerMessage =
  /** It listens on the port. */
  | { readonly inferflow: 'listening'; readonly port: number }
  /** It could not start; the problems are what a single process would have said. */
  | { readonly inferflow: 'start-failed'; readonly code: string; readonly problems: readonly string[] }
  /** Its own metrics, as asked. */
  | { readonly inferflow: 'metrics'; readonly ask: number; readonly families: MetricFamilies }
  /** Somebody scrapes it and wants the metrics of all. */
  | { readonly inferflow: 'scrape'; readonly ask: number };

/** What a worker is told. */
export type PrimaryMessage =
  | { readonly inferflow: 'give-metrics'; readonly ask: number }
  /** The metrics of all workers; null when they could not be put together. */
  | { readonly inferflow: 'scraped'; readonly ask: number; readonly text: string | null };

/** Other libraries may use the channel too: their messages are not ours. */
export function isOurs(message: unknown): message is WorkerMessage | PrimaryMessage {
  return typeof message === 'object' && message !== null && 'inferflow' in message;
}
