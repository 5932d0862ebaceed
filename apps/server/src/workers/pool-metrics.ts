import { createTelemetry, Metric, MetricSums } from '@inferflow/telemetry';
import { SendWindow } from './send-window.js';
import type { PrimaryMessage, WorkerMessage } from './worker-messages.js';

/** A worker that can be asked for its metrics. */
export interface MetricsSource {
  /** 1 … count. */
  readonly number: number;
  send(message: PrimaryMessage): void;
}

interface Look {
  readonly ask: number;
  readonly timer: NodeJS.Timeout;
  readonly end: (isComplete: boolean) => void;
}

/** Workers that hand in at the same time: all of them would leave no core for requests, and send more than this process takes between two turns. */
const LOOKS_AT_ONCE = 3;
/** The place of this process's own metrics among those of the workers. */
const OWN = 0;

/** Puts the metrics of the workers together and hands the text to the one that was scraped. Nothing here takes long at once: this process deals out the connections. */
export class PoolMetrics {
  readonly #quietMs: number;
  readonly #sums: MetricSums;
  readonly #looks = new Map<number, Look>();
  /** Texts on their way, by worker and its number for the scrape. */
  readonly #texts = new Map<number, Map<number, SendWindow>>();
  /** What only this process knows. */
  readonly #telemetry = createTelemetry({ statsd: null });
  readonly #answering = this.#telemetry.gauge(Metric.workers);
  readonly #restarts = this.#telemetry.counter(Metric.workerRestarts);
  readonly #refused = this.#telemetry.counter(Metric.requestsRefused, { reason: 'connections' });
  #gathering: Promise<void> | null = null;

  /** @param quietMs how long a worker may say nothing before it is left out */
  constructor(count: number, quietMs: number) {
    this.#quietMs = quietMs;
    this.#sums = new MetricSums(count + 1);
  }

  restarted(): void {
    this.#restarts.add(1);
  }

  connectionRefused(): void {
    this.#refused.add(1);
  }

  /** Takes what a worker says of its metrics. */
  receive(source: MetricsSource, message: Extract<WorkerMessage, { readonly inferflow: 'metrics' }>): void {
    const look = this.#looks.get(source.number);
    if (look?.ask !== message.ask) return;
    if (message.portion === null) return look.end(true);
    look.timer.refresh();
    this.#sums.add(source.number, look.ask, message.portion);
    source.send({ inferflow: 'metrics-taken', ask: look.ask });
  }

  /** A worker has ended: its counters stay. */
  ended(number: number): void {
    this.#looks.get(number)?.end(false);
    for (const window of this.#texts.get(number)?.values() ?? []) window.close();
    this.#texts.delete(number);
    this.#sums.retire(number);
  }

  textTaken(number: number, ask: number): void {
    this.#texts.get(number)?.get(ask)?.taken();
  }

  scrapeEnded(number: number, ask: number): void {
    this.#texts.get(number)?.get(ask)?.close();
    this.#texts.get(number)?.delete(ask);
  }

  /** Looks at all `sources` and sends the sum to the one that was scraped. Rejects when it cannot be made. */
  async answer(scraped: MetricsSource, ask: number, sources: () => readonly MetricsSource[]): Promise<void> {
    const window = new SendWindow();
    const texts = this.#texts.get(scraped.number) ?? new Map<number, SendWindow>();
    this.#texts.set(scraped.number, texts.set(ask, window));
    // Who asks while a look goes on is content with that.
    this.#gathering ??= this.#gather(sources()).finally(() => {
      this.#gathering = null;
    });
    await this.#gathering;
    for await (const text of this.#sums.parts()) {
      if (!(await window.room())) return;
      scraped.send({ inferflow: 'scraped', ask, text });
    }
    scraped.send({ inferflow: 'scraped', ask, text: null });
  }

  async #gather(sources: readonly MetricsSource[]): Promise<void> {
    const waiting = [...sources];
    let answered = 0;
    const lookAtRest = async (): Promise<void> => {
      for (let source = waiting.shift(); source !== undefined; source = waiting.shift()) if (await this.#look(source)) answered++;
    };
    await Promise.all(Array.from({ length: LOOKS_AT_ONCE }, lookAtRest));
    this.#answering.set(answered);
    const own = this.#sums.begin(OWN);
    for await (const portion of this.#telemetry.prometheusPortions()) this.#sums.add(OWN, own, portion);
    this.#sums.complete(OWN, own);
  }

  #look(source: MetricsSource): Promise<boolean> {
    const { number } = source;
    const ask = this.#sums.begin(number);
    return new Promise((resolve) => {
      const end = (isComplete: boolean): void => {
        clearTimeout(timer);
        this.#looks.delete(number);
        if (isComplete) this.#sums.complete(number, ask);
        resolve(isComplete);
      };
      // A worker that is busy or stuck counts with what it handed in before.
      const timer = setTimeout(() => end(false), this.#quietMs);
      this.#looks.set(number, { ask, timer, end });
      source.send({ inferflow: 'give-metrics', ask });
    });
  }
}
