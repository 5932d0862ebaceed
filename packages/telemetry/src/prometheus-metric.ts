import type { CounterChild, GaugeChild, HistogramChild, Labels } from './metric-child.js';
import type { MetricFamily } from './metric-family.js';

/** One line of a scrape. */
interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/**
 * A family as prom-client's registry reads it. prom-client's own classes hash label objects on every observation; this one is
 * asked for its samples only when somebody scrapes.
 */
export class PrometheusMetric {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  /** How the values of several processes become one. */
  readonly aggregator: 'sum' | 'max' | 'average';
  readonly #samples: () => Iterable<Sample>;

  constructor(
    definition: { readonly prometheusName: string; readonly help: string; readonly kind: string },
    samples: () => Iterable<Sample>,
  ) {
    this.name = definition.prometheusName;
    this.help = definition.help;
    this.type = definition.kind;
    this.aggregator = definition.kind === 'gauge' ? gaugeAggregator(definition.prometheusName) : 'sum';
    this.#samples = samples;
  }

  /** Its samples in portions, each a metric of its own to the registry; one at least. Samples are made as they are asked for. */
  *portions(most: number): IterableIterator<{ get(): Promise<object> }> {
    let values: Sample[] = [];
    let isAsked = false;
    for (const sample of this.#samples()) {
      values.push(sample);
      if (values.length < most) continue;
      yield this.#portion(values);
      isAsked = true;
      values = [];
    }
    if (values.length > 0 || !isAsked) yield this.#portion(values);
  }

  #portion(values: Sample[]) {
    return { get: async () => ({ name: this.name, help: this.help, type: this.type, aggregator: this.aggregator, values }) };
  }
}

/** Amounts of several processes add up, shares are averaged; of states, times and limits the largest counts. */
function gaugeAggregator(name: string): 'sum' | 'max' | 'average' {
  if (/_(?:rate|ratio)$/.test(name)) return 'average';
  return /_(?:bytes|items|rows|in_flight|waiting|connections|resources|evacuations|expirations)$/.test(name) ? 'sum' : 'max';
}

/** The samples of a family of counters. */
export function* counterSamples(family: MetricFamily<CounterChild>): IterableIterator<Sample> {
  for (const { labels, total } of family.children()) yield { labels, value: total };
}

/** The samples of a family of gauges. */
export function* gaugeSamples(family: MetricFamily<GaugeChild>): IterableIterator<Sample> {
  for (const { labels, value } of family.children()) yield { labels, value };
}

/** The samples of a family of histograms: cumulative buckets in seconds, sum, count. */
export function* histogramSamples(family: MetricFamily<HistogramChild>): IterableIterator<Sample> {
  const { prometheusName, bucketsMs } = family.definition;
  for (const child of family.children()) yield* histogramChildSamples(prometheusName, bucketsMs, child, child.labels);
}

function histogramChildSamples(name: string, bucketsMs: readonly number[], child: HistogramChild, labels: Labels): Sample[] {
  const samples: Sample[] = [];
  let count = 0;
  for (const [index, boundMs] of bucketsMs.entries()) {
    count += child.bucket(index);
    samples.push({ metricName: `${name}_bucket`, labels: { le: boundMs / 1000, ...labels }, value: count });
  }
  count += child.bucket(bucketsMs.length);
  samples.push({ metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: count });
  samples.push({ metricName: `${name}_sum`, labels, value: child.sumMs / 1000 });
  samples.push({ metricName: `${name}_count`, labels, value: count });
  return samples;
}
