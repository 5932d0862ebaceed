import type { MetricPortion } from '@inferflow/telemetry';

/** What a worker tells the process that started it. */
export type WorkerMessage =
  /** It listens on the port. */
  | { readonly inferflow: 'listening'; readonly port: number }
  /** It could not start; the problems are what a single process would have said. */
  | { readonly inferflow: 'start-failed'; readonly code: string; readonly problems: readonly string[] }
  /** The answer to `are-you-there`. */
  | { readonly inferflow: 'here' }
  /** Some of its own metrics, as asked; null after the last. */
  | { readonly inferflow: 'metrics'; readonly ask: number; readonly portion: MetricPortion | null }
  /** Somebody scrapes it and wants the metrics of all. */
  | { readonly inferflow: 'scrape'; readonly ask: number }
  /** The scraper has a part of the text: another may come. */
  | { readonly inferflow: 'text-taken'; readonly ask: number }
  /** The scraper has all, or has gone. */
  | { readonly inferflow: 'scrape-ended'; readonly ask: number };

/** What a worker is told. */
export type PrimaryMessage =
  | { readonly inferflow: 'are-you-there' }
  | { readonly inferflow: 'give-metrics'; readonly ask: number }
  /** A portion has been added up: another may come. */
  | { readonly inferflow: 'metrics-taken'; readonly ask: number }
  /** Some of the metrics of all workers as text; null after the last. */
  | { readonly inferflow: 'scraped'; readonly ask: number; readonly text: string | null }
  /** They could not be put together. */
  | { readonly inferflow: 'scrape-failed'; readonly ask: number };

/** Other libraries may use the channel too: their messages are not ours. */
export function isOurs(message: unknown): message is WorkerMessage | PrimaryMessage {
  return typeof message === 'object' && message !== null && 'inferflow' in message;
}
