/** What kind of thing a metric measures. */
export type MetricKind = 'counter' | 'gauge' | 'histogram';

/**
 * One tag on the DogStatsD wire. The original passes names and values as separate, bare tags for most metrics
 * (`model-id,m1`), proper pairs for some (`status:0`), and a few constants.
 */
export type StatsdTag =
  | { readonly form: 'bare' | 'pair'; readonly key: string; readonly label: string }
  | { readonly form: 'constant'; readonly text: string };

/** A metric on the DogStatsD wire. */
export interface StatsdDefinition {
  readonly name: string;
  /** In the order of the wire, after the global tags. A tag whose label is absent is left out. */
  readonly tags: readonly StatsdTag[];
  /**
   * `main`: the original's names and tags, global tags in front. `second`: the original's second client – no global tags, odd characters
   * in values replaced. `own`: this product's additions, sent only on request.
   */
  readonly client: 'main' | 'second' | 'own';
}

/** One row of the metric table without its name. */
export interface MetricShape {
  readonly kind: MetricKind;
  /** The name that Prometheus sees. */
  readonly prometheusName: string;
  readonly help: string;
  /** Label names, each required unless it is among `optionalLabels`. */
  readonly labels: readonly string[];
  readonly optionalLabels: readonly string[];
  /** Upper bounds of a histogram in milliseconds, ascending; empty for other kinds. Prometheus gets them in seconds. */
  readonly bucketsMs: readonly number[];
  /** Its label values come from configurations alone: it has as many children as there are models. */
  readonly isBounded: boolean;
  /** `null`: not on the DogStatsD wire. */
  readonly statsd: StatsdDefinition | null;
}

/** A name and its value as two bare tags. */
export function bare(key: string, label: string): StatsdTag {
  return { form: 'bare', key, label };
}

/** A proper `key:value` tag. */
export function pair(key: string, label: string): StatsdTag {
  return { form: 'pair', key, label };
}

/** A tag that is always the same. */
export function constant(text: string): StatsdTag {
  return { form: 'constant', text };
}

interface ShapeOptions {
  readonly labels?: readonly string[];
  readonly optional?: readonly string[];
  readonly statsd?: StatsdDefinition | null;
  readonly bucketsMs?: readonly number[];
  readonly isBounded?: boolean;
}

/** From a socket's answer to the longest budget anyone configures. */
const LATENCY_MS = [0.5, 1, 2, 3, 5, 8, 12, 20, 30, 50, 80, 120, 200, 350, 600, 1000, 5000];

/** A counter; its Prometheus name ends in `_total`. */
export function counter(prometheusName: string, help: string, options: ShapeOptions = {}): MetricShape {
  return shape('counter', prometheusName, help, options);
}

/** A value that goes up and down. */
export function gauge(prometheusName: string, help: string, options: ShapeOptions = {}): MetricShape {
  return shape('gauge', prometheusName, help, options);
}

/** A distribution of durations; its Prometheus name ends in `_seconds`. */
export function histogram(prometheusName: string, help: string, options: ShapeOptions = {}): MetricShape {
  return shape('histogram', prometheusName, help, { bucketsMs: LATENCY_MS, ...options });
}

function shape(kind: MetricKind, prometheusName: string, help: string, options: ShapeOptions): MetricShape {
  const { labels = [], optional = [], bucketsMs = [], isBounded = false } = options;
  const allLabels = [...labels, ...optional];
  const own: StatsdDefinition = { name: ownStatsdName(prometheusName), tags: allLabels.map((label) => pair(label, label)), client: 'own' };
  return Object.freeze({
    kind,
    prometheusName,
    help,
    labels: Object.freeze(allLabels),
    optionalLabels: optional,
    bucketsMs,
    isBounded,
    statsd: options.statsd === undefined ? own : options.statsd,
  });
}

/** Dots, and no suffix for what DogStatsD says by type: `inferflow_cells_total` is `inferflow.cells`. */
function ownStatsdName(prometheusName: string): string {
  const name = prometheusName.replace(/_total$|_seconds$/, '');
  return `inferflow.${name.replace(/^inferflow_/, '')}`;
}
