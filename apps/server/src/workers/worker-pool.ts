import { combineMetrics, createTelemetry, Metric, type MetricFamilies, retireMetrics } from '@inferflow/telemetry';
import type { ServerLogger } from '../logger.js';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './worker-messages.js';

/** One worker process as the pool sees it. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  send(message: PrimaryMessage): void;
  kill(signal: NodeJS.Signals): void;
  onMessage(listener: (message: unknown) => void): void;
  onExit(listener: (code: number | null, signal: string | null) => void): void;
}

/** Options of {@link WorkerPool}. */
export interface WorkerPoolOptions {
  readonly count: number;
  /** Starts the worker with this number, 1 … count. */
  readonly fork: (number: number) => WorkerProcess;
  readonly logger: ServerLogger;
  /** Called once: all have ended after `stop`, or none can start. */
  readonly onEnd: (exitCode: number) => void;
  /** First and longest wait before a worker that ended is replaced, ms; the wait doubles while it keeps ending soon. @default 100, 30 000 */
  readonly backOffMs?: readonly [number, number];
  /** A worker that lived this long starts again with the first wait, ms. @default 60 000 */
  readonly steadyMs?: number;
  /** Longest time a worker may take to stop before it is killed, ms. */
  readonly stopLimitMs: number;
  /** How long workers may take to hand in their metrics, ms. @default 2000 */
  readonly metricsLimitMs?: number;
}

interface Place {
  readonly number: number;
  process: WorkerProcess | null;
  startedAt: number;
  hasListened: boolean;
  waitMs: number;
  timer: NodeJS.Timeout | null;
  /** What it last handed in. */
  families: MetricFamilies;
}

interface Gathering {
  readonly missing: Set<Place>;
  readonly done: () => void;
}

/** Keeps a number of worker processes alive, and puts their metrics together. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #firstWaitMs: number;
  readonly #longestWaitMs: number;
  readonly #places: Place[] = [];
  readonly #gatherings = new Map<number, Gathering>();
  /** What only this process knows. */
  readonly #telemetry = createTelemetry({ statsd: null });
  readonly #alive = this.#telemetry.gauge(Metric.workers);
  readonly #restarts = this.#telemetry.counter(Metric.workerRestarts);
  #retired: MetricFamilies = [];
  #asked = 0;
  #hasServed = false;
  #isStopping = false;
  #exitCode = 0;
  #hasEnded = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    [this.#firstWaitMs, this.#longestWaitMs] = options.backOffMs ?? [100, 30_000];
    for (let number = 1; number <= options.count; number++) {
      const waitMs = this.#firstWaitMs;
      this.#places.push({ number, process: null, startedAt: 0, hasListened: false, waitMs, timer: null, families: [] });
    }
  }

  start(): void {
    for (const place of this.#places) this.#fork(place);
  }

  /** Asks every worker to shut down as it would on this signal, and ends when the last is gone. Safe to call twice. */
  stop(signal: NodeJS.Signals): void {
    if (this.#isStopping) return;
    this.#isStopping = true;
    for (const place of this.#places) {
      if (place.timer !== null) clearTimeout(place.timer);
      place.timer = null;
      place.process?.kill(signal);
    }
    setTimeout(() => {
      for (const { process: worker, number } of this.#places) {
        if (worker === null) continue;
        this.#exitCode = 1;
        this.#options.logger.error({ worker: number }, 'a worker did not stop in time and is killed');
        worker.kill('SIGKILL');
      }
    }, this.#options.stopLimitMs).unref();
    this.#endIfAllGone();
  }

  /** The metrics of all workers, those that have ended included, as text. */
  async metricsText(): Promise<string> {
    const asked = this.#places.filter((place) => place.process !== null && place.hasListened);
    if (asked.length > 0) await this.#gather(asked);
    this.#alive.set(asked.length);
    const own = await this.#telemetry.prometheusFamilies();
    return combineMetrics([this.#retired, ...this.#places.map(({ families }) => families), own]);
  }

  #gather(asked: readonly Place[]): Promise<void> {
    const ask = ++this.#asked;
    return new Promise((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#gatherings.delete(ask);
        resolve();
      };
      // A worker that is busy or stuck counts with what it handed in before.
      const timer = setTimeout(done, this.#options.metricsLimitMs ?? 2000);
      this.#gatherings.set(ask, { missing: new Set(asked), done });
      for (const { process: worker } of asked) worker?.send({ inferflow: 'give-metrics', ask });
    });
  }

  #fork(place: Place): void {
    place.startedAt = performance.now();
    place.hasListened = false;
    const worker = this.#options.fork(place.number);
    place.process = worker;
    worker.onMessage((message) => {
      if (isOurs(message) && place.process === worker) this.#receive(place, worker, message as WorkerMessage);
    });
    worker.onExit((code, signal) => {
      if (place.process === worker) this.#ended(place, code, signal);
    });
  }

  #receive(place: Place, worker: WorkerProcess, message: WorkerMessage): void {
    switch (message.inferflow) {
      case 'listening':
        place.hasListened = true;
        this.#hasServed = true;
        return;
      case 'start-failed':
        for (const problem of message.problems) this.#options.logger.fatal({ worker: place.number, code: message.code }, problem);
        return;
      case 'metrics': {
        place.families = message.families;
        const gathering = this.#gatherings.get(message.ask);
        gathering?.missing.delete(place);
        if (gathering?.missing.size === 0) gathering.done();
        return;
      }
      case 'scrape':
        this.metricsText().then(
          (text) => worker.send({ inferflow: 'scraped', ask: message.ask, text }),
          (error: unknown) => {
            this.#options.logger.error({ err: error }, 'the metrics of the workers could not be put together');
            worker.send({ inferflow: 'scraped', ask: message.ask, text: null });
          },
        );
        return;
    }
  }

  #ended(place: Place, code: number | null, signal: string | null): void {
    place.process = null;
    this.#retired = retireMetrics(this.#retired, place.families);
    place.families = [];
    for (const gathering of this.#gatherings.values()) {
      gathering.missing.delete(place);
      if (gathering.missing.size === 0) gathering.done();
    }
    if (this.#isStopping) {
      if (code !== 0) this.#exitCode = 1;
      this.#endIfAllGone();
      return;
    }
    if (!this.#hasServed && !place.hasListened) {
      // None has ever served: what is wrong is wrong for all, and a supervisor should see it.
      this.#exitCode = 1;
      this.stop('SIGTERM');
      return;
    }
    const livedMs = performance.now() - place.startedAt;
    if (livedMs >= (this.#options.steadyMs ?? 60_000)) place.waitMs = this.#firstWaitMs;
    const details = { worker: place.number, code, signal, livedMs: Math.round(livedMs), replacedInMs: place.waitMs };
    this.#options.logger.error(details, 'a worker ended; it is replaced');
    place.timer = setTimeout(() => {
      place.timer = null;
      this.#restarts.add(1);
      this.#fork(place);
    }, place.waitMs);
    place.waitMs = Math.min(place.waitMs * 2, this.#longestWaitMs);
  }

  #endIfAllGone(): void {
    if (this.#hasEnded || this.#places.some(({ process: worker }) => worker !== null)) return;
    this.#hasEnded = true;
    this.#options.onEnd(this.#exitCode);
  }
}
