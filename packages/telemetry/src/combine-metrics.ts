import { AggregatorRegistry } from 'prom-client';

/** One sample as it travels between processes. */
interface SampleData {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

/** All metrics of one process as plain data: what `Telemetry.prometheusFamilies()` gives. */
export type MetricFamilies = readonly {
  readonly name: string;
  readonly help: string;
  readonly type: string;
  readonly aggregator: string;
  readonly values: readonly SampleData[];
}[];

/** The metrics of several processes as one text in Prometheus' format: counters, histograms and amounts add up, shares are averaged, of states the largest counts. */
export async function combineMetrics(processes: readonly MetricFamilies[]): Promise<string> {
  return AggregatorRegistry.aggregate(processes as object[]).metrics();
}

/**
 * What stays of a process that has ended: its counters and histograms, joined with those of `earlier` ones. Without it a sum over
 * processes would fall when one ends, which reads as a restart of all of them.
 */
export function retireMetrics(earlier: MetricFamilies, ended: MetricFamilies): MetricFamilies {
  const lasting = ended.filter(({ type }) => type !== 'gauge');
  const names = new Set(lasting.map(({ name }) => name));
  const joined = lasting.map((family) => {
    const before = earlier.find(({ name }) => name === family.name);
    return before === undefined ? family : { ...family, values: addSamples(before.values, family.values) };
  });
  return [...joined, ...earlier.filter(({ name }) => !names.has(name))];
}

function addSamples(left: readonly SampleData[], right: readonly SampleData[]): readonly SampleData[] {
  const sums = new Map<string, SampleData>();
  for (const sample of [...left, ...right]) {
    const key = JSON.stringify([sample.metricName ?? '', Object.entries(sample.labels).sort()]);
    const before = sums.get(key);
    sums.set(key, before === undefined ? sample : { ...sample, value: before.value + sample.value });
  }
  return [...sums.values()];
}
