import type { ServerLogger } from '../logger.js';
import { type MetricsSource, PoolMetrics } from './pool-metrics.js';
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
  /** How long a worker that is asked for its metrics may say nothing before it is left out, ms. @default 2000 */
  readonly metricsQuietMs?: number;
}

interface Place {
  readonly number: number;
  process: WorkerProcess | null;
  startedAt: number;
  hasListened: boolean;
  waitMs: number;
  timer: NodeJS.Timeout | null;
}

/** Keeps a number of worker processes alive, and puts their metrics together. */
export class WorkerPool {
  readonly #options: WorkerPoolOptions;
  readonly #firstWaitMs: number;
  readonly #longestWaitMs: number;
  readonly #places: Place[] = [];
  readonly #metrics: PoolMetrics;
  #hasServed = false;
  #isStopping = false;
  #exitCode = 0;
  #hasEnded = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#metrics = new PoolMetrics(options.count, options.metricsQuietMs ?? 2000);
    [this.#firstWaitMs, this.#longestWaitMs] = options.backOffMs ?? [100, 30_000];
    for (let number = 1; number <= options.count; number++) {
      const waitMs = this.#firstWaitMs;
      this.#places.push({ number, process: null, startedAt: 0, hasListened: false, waitMs, timer: null });
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
      case 'metrics':
        this.#metrics.receive(sourceOf(place, worker), message);
        return;
      case 'scrape':
        void this.#scraped(place, worker, message.ask);
        return;
      case 'text-taken':
        this.#metrics.textTaken(place.number, message.ask);
        return;
      case 'scrape-ended':
        this.#metrics.scrapeEnded(place.number, message.ask);
        return;
    }
  }

  async #scraped(place: Place, worker: WorkerProcess, ask: number): Promise<void> {
    const sources = () => this.#places.flatMap((each) => (each.process !== null && each.hasListened ? [sourceOf(each, each.process)] : []));
    try {
      await this.#metrics.answer(sourceOf(place, worker), ask, sources);
    } catch (error) {
      this.#options.logger.error({ err: error }, 'the metrics of the workers could not be put together');
      worker.send({ inferflow: 'scrape-failed', ask });
    }
  }

  #ended(place: Place, code: number | null, signal: string | null): void {
    place.process = null;
    this.#metrics.ended(place.number);
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
      this.#metrics.restarted();
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

function sourceOf({ number }: Place, worker: WorkerProcess): MetricsSource {
  return { number, send: (message) => worker.send(message) };
}
