import { type Metric as PromClientMetric, Registry } from 'prom-client';
import { TelemetryError, TelemetryErrorCode } from './errors.js';
import {
  type Counter,
  CounterChild,
  type Gauge,
  GaugeChild,
  type Histogram,
  HistogramChild,
  type Labels,
  type TimingOptions,
} from './metric-child.js';
import type { MetricKind } from './metric-definition.js';
import { MetricFamily } from './metric-family.js';
import { type MetricPortion, ScrapeText } from './metric-portion.js';
import { type MetricDefinition, type MetricName, metricTable } from './metric-table.js';
import { createPace } from './pace.js';
import { counterSamples, gaugeSamples, histogramSamples, PrometheusMetric } from './prometheus-metric.js';
import { countLine, gaugeLine, globalTag, tagText } from './statsd-line.js';
import { StatsdSocket } from './statsd-socket.js';
import type { Telemetry } from './telemetry.js';
import { TimingLine } from './timing-line.js';

/** Where and how to send DogStatsD. */
export interface StatsdOptions {
  readonly host: string;
  readonly port: number;
  /** The global tag `env:`. */
  readonly env: string;
  /** The global tag `service:`. */
  readonly service: string;
  /** Share of timings that are sent, 0 … 1; counts and gauges are always exact. */
  readonly samplingRate: number;
  /** Send this product's own metrics too, not only those of the original. @default false */
  readonly ownMetrics?: boolean;
}

/** Where metrics go. */
export interface TelemetryOptions {
  /** Offer a Prometheus text. @default true */
  readonly prometheus?: boolean;
  /** @default null: nothing is sent */
  readonly statsd?: StatsdOptions | null;
  /** Most children per metric before the child `other` takes the rest; metrics that tell the state of every model have no limit. @default 1000 */
  readonly maxChildrenPerMetric?: number;
  /** Decides which timings are sampled: a number from 0 up to 1. @default Math.random */
  readonly random?: () => number;
}

const FLUSH_EVERY_MS = 2000;
const definitions = new Map<MetricName, MetricDefinition>(metricTable.map((definition) => [definition.name, definition]));

/**
 * Telemetry for Prometheus, DogStatsD, both or neither.
 * @throws TelemetryError `INFERFLOW_TELEMETRY_OPTION_INVALID`
 */
export function createTelemetry(options: TelemetryOptions = {}): Telemetry {
  const { statsd = null, maxChildrenPerMetric = 1000 } = options;
  if (!(Number.isInteger(maxChildrenPerMetric) && maxChildrenPerMetric > 0))
    throw optionInvalid('maxChildrenPerMetric', maxChildrenPerMetric, 'a whole number above 0');
  if (statsd !== null && !(statsd.samplingRate >= 0 && statsd.samplingRate <= 1))
    throw optionInvalid('statsd.samplingRate', statsd.samplingRate, 'a number from 0 to 1');
  if (statsd !== null && !(Number.isInteger(statsd.port) && statsd.port > 0 && statsd.port < 65_536))
    throw optionInvalid('statsd.port', statsd.port, 'a port number');
  return new BoundTelemetry(options.prometheus ?? true, statsd, maxChildrenPerMetric, options.random ?? Math.random);
}

/** What prom-client's types leave out, and what was registered. */
interface TextRegistry {
  getMetricsAsArray(): readonly PrometheusMetric[];
  getMetricsAsString(metric: { get(): unknown }): Promise<string>;
}

const PORTION_SAMPLES = 200;

class BoundTelemetry implements Telemetry {
  readonly contentType: string;
  readonly #registry = new Registry();
  readonly #isPrometheus: boolean;
  readonly #statsd: StatsdOptions | null;
  readonly #globalTags: readonly string[];
  readonly #socket: StatsdSocket | null;
  readonly #timer: NodeJS.Timeout | undefined;
  readonly #maxChildren: number;
  readonly #random: () => number;
  readonly #counters = new Map<MetricName, MetricFamily<CounterChild>>();
  readonly #gauges = new Map<MetricName, MetricFamily<GaugeChild>>();
  readonly #histograms = new Map<MetricName, MetricFamily<HistogramChild>>();
  readonly #hooks = new Set<() => void>();

  constructor(isPrometheus: boolean, statsd: StatsdOptions | null, maxChildren: number, random: () => number) {
    this.contentType = this.#registry.contentType;
    this.#isPrometheus = isPrometheus;
    this.#statsd = statsd;
    this.#maxChildren = maxChildren;
    this.#random = random;
    this.#globalTags = statsd === null ? [] : [globalTag('env', statsd.env), globalTag('service', statsd.service)];
    const onFailure = (reason: string) => this.#failed(reason);
    this.#socket = statsd === null ? null : new StatsdSocket({ host: statsd.host, port: statsd.port, onFailure });
    this.#timer = statsd === null ? undefined : setInterval(() => this.flush(), FLUSH_EVERY_MS).unref();
  }

  counter(metric: MetricName, labels: Labels = {}): Counter {
    let family = this.#counters.get(metric);
    if (family === undefined) {
      const definition = definitionOf(metric, 'counter');
      family = this.#familyOf(definition, (kept) => new CounterChild(kept, this.#tags(definition, kept)));
      this.#counters.set(metric, family);
      this.#register(definition, counterSamples, family);
    }
    return family.bind(labels);
  }

  gauge(metric: MetricName, labels: Labels = {}): Gauge {
    let family = this.#gauges.get(metric);
    if (family === undefined) {
      const definition = definitionOf(metric, 'gauge');
      family = this.#familyOf(definition, (kept) => new GaugeChild(kept, this.#tags(definition, kept)));
      this.#gauges.set(metric, family);
      this.#register(definition, gaugeSamples, family);
    }
    return family.bind(labels);
  }

  histogram(metric: MetricName, labels: Labels = {}): Histogram {
    let family = this.#histograms.get(metric);
    if (family === undefined) {
      const definition = definitionOf(metric, 'histogram');
      const bounds = Float64Array.from(definition.bucketsMs);
      family = this.#familyOf(definition, (kept) => new HistogramChild(kept, bounds, this.#timingOf(definition, kept)));
      this.#histograms.set(metric, family);
      this.#register(definition, histogramSamples, family);
    }
    return family.bind(labels);
  }

  forget(label: string, values: ReadonlySet<string>): void {
    for (const families of [this.#counters, this.#gauges, this.#histograms])
      for (const family of families.values()) {
        if (!family.definition.labels.includes(label)) continue;
        // What has gathered since the last flush would go with the children.
        if (this.#socket !== null) this.#writeFamily(family);
        family.forget(label, values);
      }
  }

  onCollect(hook: () => void): () => void {
    this.#hooks.add(hook);
    return () => this.#hooks.delete(hook);
  }

  async prometheusText(): Promise<string> {
    const parts: string[] = [];
    for await (const part of this.prometheusParts()) parts.push(part);
    return parts.join('');
  }

  async *prometheusParts(): AsyncGenerator<string> {
    if (!this.#isPrometheus) return;
    const text = new ScrapeText();
    for await (const portion of this.prometheusPortions()) yield text.next(portion);
    yield '\n';
  }

  async *prometheusPortions(): AsyncGenerator<MetricPortion> {
    if (!this.#isPrometheus) return;
    this.#collect();
    const pace = createPace();
    const registry = this.#registry as unknown as TextRegistry;
    for (const metric of registry.getMetricsAsArray()) {
      const { name, aggregator, type } = metric;
      for (const portion of metric.portions(PORTION_SAMPLES)) {
        const text = await registry.getMetricsAsString(portion);
        // The head has two lines.
        const end = text.indexOf('\n', text.indexOf('\n') + 1);
        const [head, lines] = end === -1 ? [text, ''] : [text.slice(0, end), text.slice(end + 1)];
        yield { name, head, lines, aggregator, isLasting: type !== 'gauge' };
        await pace();
      }
    }
  }

  flush(): void {
    if (this.#socket === null) return;
    this.#collect();
    for (const families of [this.#counters, this.#gauges, this.#histograms])
      for (const family of families.values()) this.#writeFamily(family);
    this.#socket.flush();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.flush();
    this.#hooks.clear();
    await this.#socket?.close();
  }

  #familyOf<Child>(definition: MetricDefinition, create: (labels: Labels) => Child): MetricFamily<Child> {
    const isOwnCounter = definition.name === 'telemetryFailures';
    const maxChildren = definition.isBounded ? Number.POSITIVE_INFINITY : this.#maxChildren;
    return new MetricFamily(definition, maxChildren, create, () => {
      if (!isOwnCounter) this.#failed('overflow');
    });
  }

  #register<Child>(
    definition: MetricDefinition,
    samples: (family: MetricFamily<Child>) => ReturnType<typeof counterSamples>,
    family: MetricFamily<Child>,
  ): void {
    const metric = new PrometheusMetric(definition, () => samples(family));
    // Of what is registered the registry itself wants the name alone: samples are asked for in portions. Its type names its own four classes.
    this.#registry.registerMetric(metric as unknown as PromClientMetric);
  }

  #isSent({ statsd }: MetricDefinition): boolean {
    return this.#statsd !== null && statsd !== null && (statsd.client !== 'own' || this.#statsd.ownMetrics === true);
  }

  #tags(definition: MetricDefinition, labels: Labels): string {
    return this.#isSent(definition) ? tagText(definition.statsd!, labels, this.#globalTags) : '';
  }

  #timingOf(definition: MetricDefinition, labels: Labels): TimingOptions | null {
    if (this.#socket === null || !this.#isSent(definition)) return null;
    const { samplingRate } = this.#statsd!;
    const line = new TimingLine(definition.statsd!.name, samplingRate, this.#tags(definition, labels));
    return { sink: this.#socket, line, samplingRate, random: this.#random };
  }

  #writeFamily(family: MetricFamily<CounterChild | GaugeChild | HistogramChild>): void {
    const { definition } = family;
    if (!this.#isSent(definition)) return;
    const { name } = definition.statsd!;
    for (const child of family.children()) {
      if (child instanceof HistogramChild) {
        child.flushTimings();
      } else if (child instanceof CounterChild) {
        const increase = child.takeIncrease();
        if (increase !== undefined) this.#socket!.write(countLine(name, increase, child.statsdTags));
      } else {
        const value = child.takeValue();
        if (value !== undefined) this.#socket!.write(gaugeLine(name, value, child.statsdTags));
      }
    }
  }

  /** A hook that throws is counted and spoils neither the scrape nor the other hooks. */
  #collect(): void {
    for (const hook of this.#hooks) {
      try {
        hook();
      } catch {
        this.#failed('hook');
      }
    }
  }

  #failed(reason: string): void {
    this.counter('telemetryFailures', { reason }).add(1);
  }
}

function definitionOf(metric: MetricName, kind: MetricKind): MetricDefinition {
  const definition = definitions.get(metric);
  if (definition === undefined) {
    const message = `metric "${metric}" is not in the metric table; the names are the keys of Metric`;
    throw new TelemetryError(TelemetryErrorCode.unknownMetric, message);
  }
  if (definition.kind === kind) return definition;
  throw new TelemetryError(TelemetryErrorCode.wrongKind, `metric "${metric}" is a ${definition.kind}, not a ${kind}`);
}

function optionInvalid(name: string, value: unknown, expected: string): TelemetryError {
  return new TelemetryError(TelemetryErrorCode.optionInvalid, `${name} is ${String(value)}; expected ${expected}`);
}
