import type { Counter, Gauge, Histogram, Labels } from './metric-child.js';
import type { MetricPortion } from './metric-portion.js';
import type { MetricName } from './metric-table.js';

/**
 * Metrics for Prometheus and DogStatsD behind one face. Bind a child once, when a plan compiles; observing it costs nanoseconds
 * and allocates nothing.
 */
export interface Telemetry {
  /**
   * The counter with these labels; the same labels give the same child. When a metric has too many children, the one labelled `other`.
   * @throws TelemetryError for a metric of another kind, or labels that the metric does not have
   */
  counter(metric: MetricName, labels?: Labels): Counter;
  /** As `counter`. */
  histogram(metric: MetricName, labels?: Labels): Histogram;
  /** As `counter`. */
  gauge(metric: MetricName, labels?: Labels): Gauge;
  /** Drops all children whose label has one of these values, e.g. those of models that are gone. Held children may still be observed; nobody sees it. */
  forget(label: string, values: ReadonlySet<string>): void;
  /** Calls `hook` before every scrape and every flush: the place to set gauges that would be wasteful to keep current. Returns the way to stop it. */
  onCollect(hook: () => void): () => void;
  /** All metrics in Prometheus' text format; empty when Prometheus is off. */
  prometheusText(): Promise<string>;
  /** The same text in parts, made in short slices between which other work is done: with thousands of models it is many megabytes. */
  prometheusParts(): AsyncIterable<string>;
  /** The same as data, to be added to that of other processes (`MetricSums`); nothing when Prometheus is off. */
  prometheusPortions(): AsyncIterable<MetricPortion>;
  /** The content type of `prometheusText()`. */
  readonly contentType: string;
  /** Sends what has gathered for DogStatsD now, instead of at the next two-second flush. */
  flush(): void;
  /** Flushes, and frees timers, observers and the socket. */
  close(): Promise<void>;
}
