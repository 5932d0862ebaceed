import { longestTimerMs } from '@inferflow/transport';
import type { ServerLogger } from '../logger.js';
import { type MetricsSource, PoolMetrics } from './pool-metrics.js';
import { isOurs, type PrimaryMessage, type WorkerMessage } from './worker-messages.js';

/** One worker process as the pool sees it. */
export interface WorkerProcess {
  readonly pid: number | undefined;
  send(message: PrimaryMessage): void;
  kill(signal: NodeJS.Signals): void;
  onMessage(listener: (message: unknown) => void): void;
  /** It has ended, or could not be made at all: then with the `error`. */
  onExit(listener: (code: number | null, signal: string | null, error?: Error) => void): void;
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
  /** How often workers are asked whether they are there, ms. @default 5000 */
  readonly lookEveryMs?: number;
  /** A worker that leaves so many of these questions in a row without an answer is killed. @default 12 */
  readonly looksMissed?: number;
  /** How long a worker that is asked for its metrics may say nothing before it is left out, ms. @default 2000 */
  readonly metricsQuietMs?: number;
}

interface Place {
  readonly number: number;
  process: WorkerProcess | null;
  startedAt: number;
  hasListened: boolean;
  /** It said that it cannot start. */
  hasFailed: boolean;
  /** It takes the place of one that ended. */
  isReplacement: boolean;
  /** Questions without an answer. */
  missed: number;
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
  /** Says why nothing starts whatever the level of the log, as a single process does. */
  readonly #startLogger: ServerLogger;
  /** What kept workers from starting, as far as it has been logged. */
  readonly #problems = new Set<string>();
  #lookTimer: NodeJS.Timeout | undefined;
  #hasServed = false;
  #isStopping = false;
  #exitCode = 0;
  #hasEnded = false;

  constructor(options: WorkerPoolOptions) {
    this.#options = options;
    this.#startLogger = options.logger.child({}, { level: 'info' });
    this.#metrics = new PoolMetrics(options.count, options.metricsQuietMs ?? 2000);
    [this.#firstWaitMs, this.#longestWaitMs] = options.backOffMs ?? [100, 30_000];
    for (let number = 1; number <= options.count; number++) {
      const waitMs = this.#firstWaitMs;
      const state = { process: null, startedAt: 0, hasListened: false, hasFailed: false, isReplacement: false, missed: 0, timer: null };
      this.#places.push({ number, waitMs, ...state });
    }
  }

  start(): void {
    for (const place of this.#places) this.#fork(place);
    this.#lookTimer = setInterval(() => this.#look(), this.#options.lookEveryMs ?? 5000).unref();
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
    setTimeout(
      () => {
        for (const { process: worker, number } of this.#places) {
          if (worker === null) continue;
          this.#exitCode = 1;
          this.#options.logger.error({ worker: number }, 'a worker did not stop in time and is killed');
          worker.kill('SIGKILL');
        }
      },
      Math.min(this.#options.stopLimitMs, longestTimerMs),
    ).unref();
    this.#endIfAllGone();
  }

  /** Counts a connection that was closed since no worker could take it. */
  connectionRefused(): void {
    this.#metrics.connectionRefused();
  }

  #fork(place: Place): void {
    place.startedAt = performance.now();
    place.hasListened = place.hasFailed = false;
    place.missed = 0;
    let worker: WorkerProcess;
    try {
      worker = this.#options.fork(place.number);
    } catch (error) {
      return this.#replaceLater(place, { err: error });
    }
    place.process = worker;
    worker.onMessage((message) => {
      if (isOurs(message) && place.process === worker) this.#receive(place, worker, message as WorkerMessage);
    });
    worker.onExit((code, signal, error) => {
      if (place.process === worker) this.#ended(place, { code, signal, ...(error !== undefined && { err: error }) });
    });
  }

  /** Kills workers that are stuck. Counts questions, not time: a machine that slept has not asked. */
  #look(): void {
    for (const place of this.#places) {
      if (place.process === null) continue;
      if (place.missed >= (this.#options.looksMissed ?? 12)) {
        this.#options.logger.error({ worker: place.number, missed: place.missed }, 'a worker does not answer and is killed');
        place.process.kill('SIGKILL');
      }
      place.missed++;
      place.process.send({ inferflow: 'are-you-there' });
    }
  }

  #receive(place: Place, worker: WorkerProcess, message: WorkerMessage): void {
    switch (message.inferflow) {
      case 'listening':
        place.hasListened = true;
        this.#hasServed = true;
        if (place.isReplacement) this.#metrics.restarted();
        return;
      case 'start-failed':
        place.hasFailed = true;
        this.#logProblems(place, message);
        return;
      case 'here':
        place.missed = 0;
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

  /** Before any has served they all fail for the same reason: it is said once. */
  #logProblems({ number }: Place, { code, problems }: { readonly code: string; readonly problems: readonly string[] }): void {
    for (const problem of problems) {
      if (!this.#hasServed && this.#problems.has(problem)) continue;
      this.#problems.add(problem);
      (this.#hasServed ? this.#options.logger : this.#startLogger).fatal({ worker: number, code }, problem);
    }
  }

  #ended(place: Place, end: { readonly code: number | null; readonly signal: string | null }): void {
    place.process = null;
    this.#metrics.ended(place.number);
    if (this.#isStopping) {
      // Before it listens a worker ends by the signal itself.
      const isCalm = end.code === 0 || (end.signal !== null && !place.hasListened);
      if (!isCalm) this.#exitCode = 1;
      this.#endIfAllGone();
      return;
    }
    if (!this.#hasServed && (place.hasFailed || (end.code !== null && end.code !== 0))) {
      // None has ever served: what is wrong is wrong for all, and a supervisor should see it.
      this.#startLogger.fatal({ worker: place.number, ...end }, 'no worker has started; the server ends');
      this.#exitCode = 1;
      this.stop('SIGTERM');
      return;
    }
    this.#replaceLater(place, end);
  }

  #replaceLater(place: Place, end: object): void {
    const livedMs = performance.now() - place.startedAt;
    if (livedMs >= (this.#options.steadyMs ?? 60_000)) place.waitMs = this.#firstWaitMs;
    const details = { worker: place.number, ...end, livedMs: Math.round(livedMs), replacedInMs: place.waitMs };
    this.#options.logger.error(details, 'a worker ended; it is replaced');
    place.isReplacement = true;
    place.timer = setTimeout(() => {
      place.timer = null;
      this.#fork(place);
    }, place.waitMs);
    place.waitMs = Math.min(place.waitMs * 2, this.#longestWaitMs);
  }

  #endIfAllGone(): void {
    if (this.#hasEnded || this.#places.some(({ process: worker }) => worker !== null)) return;
    this.#hasEnded = true;
    clearInterval(this.#lookTimer);
    this.#options.onEnd(this.#exitCode);
  }
}

function sourceOf({ number }: Place, worker: WorkerProcess): MetricsSource {
  return { number, send: (message) => worker.send(message) };
}
