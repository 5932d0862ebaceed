import { createTelemetry, Metric } from '@inferflow/telemetry';
import pino from 'pino';
import { describe, expect, it, vi } from 'vitest';
import { WorkerLink } from './worker-link.js';
import type { PrimaryMessage, WorkerMessage } from './worker-messages.js';
import { WorkerPool, type WorkerPoolOptions, type WorkerProcess } from './worker-pool.js';

/** A worker that lives in this process. */
class FakeWorker implements WorkerProcess {
  readonly pid = 1;
  readonly signals: string[] = [];
  readonly telemetry = createTelemetry({ statsd: null });
  readonly #up: ((message: unknown) => void)[] = [];
  readonly #exits: ((code: number | null, signal: string | null, error?: Error) => void)[] = [];
  #down: (message: unknown) => void = () => {};
  readonly link = new WorkerLink(
    {
      send: (message: WorkerMessage, sent?: () => void) => {
        for (const listener of this.#up) listener(structuredClone(message));
        sent?.();
      },
      onMessage: (listener) => {
        this.#down = listener;
      },
    },
    1,
  );
  isMute = false;
  readonly told: PrimaryMessage[] = [];

  send(message: PrimaryMessage): void {
    this.told.push(message);
    if (!this.isMute) queueMicrotask(() => this.#down(structuredClone(message)));
  }

  kill(signal: NodeJS.Signals): void {
    this.signals.push(signal);
  }

  onMessage(listener: (message: unknown) => void): void {
    this.#up.push(listener);
  }

  onExit(listener: (code: number | null, signal: string | null) => void): void {
    this.#exits.push(listener);
  }

  listens(requests: number): void {
    this.telemetry.counter(Metric.requests, { api: 'a', status: '0' }).add(requests);
    this.link.serve(this.telemetry, 1);
  }

  ends(code: number | null, signal = code === null ? 'SIGKILL' : null): void {
    for (const listener of this.#exits) listener(code, signal);
  }

  neverStarts(error: Error): void {
    for (const listener of this.#exits) listener(null, null, error);
  }
}

/** What a scraper that reached this worker gets. */
async function scraped({ link }: FakeWorker): Promise<string> {
  let text = '';
  for await (const part of link.metricsParts()) text += part;
  return text;
}

function pool(count: number, options: Partial<WorkerPoolOptions> = {}) {
  const workers: FakeWorker[] = [];
  const numbers: number[] = [];
  const ends: number[] = [];
  const lines: Record<string, unknown>[] = [];
  const created = new WorkerPool({
    count,
    fork: (number) => {
      numbers.push(number);
      const worker = new FakeWorker();
      workers.push(worker);
      return worker;
    },
    logger: pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) }),
    onEnd: (code) => ends.push(code),
    stopLimitMs: 5000,
    metricsQuietMs: 50,
    backOffMs: [1, 4],
    ...options,
  });
  created.start();
  return { pool: created, workers, numbers, ends, lines };
}

const sampleOf = (text: string, name: string) =>
  Number(
    text
      .split('\n')
      .find((line) => line.startsWith(name))
      ?.split(' ')
      .at(-1),
  );

describe('WorkerPool', () => {
  it('shows the metrics of all workers, whichever is asked; a replaced one leaves its counts', async () => {
    const { workers, numbers } = pool(2);
    workers[0]?.listens(3);
    workers[1]?.listens(4);
    const text = await scraped(workers[1]!);
    expect(sampleOf(text, 'inferflow_router_api_request_total')).toBe(7);
    expect(sampleOf(text, 'inferflow_workers ')).toBe(2);
    workers[0]?.ends(null);
    await expect.poll(() => workers.length).toBe(3);
    expect(numbers).toEqual([1, 2, 1]);
    workers[2]?.listens(5);
    const later = await scraped(workers[2]!);
    expect(sampleOf(later, 'inferflow_router_api_request_total')).toBe(12);
    expect(sampleOf(later, 'inferflow_worker_restarts_total')).toBe(1);
  });

  it('hands a text on as it is taken, and no further: connections go through the same channel', async () => {
    const { workers } = pool(1, { metricsQuietMs: 20_000 });
    workers[0]?.listens(1);
    for (let model = 0; model < 900; model++) workers[0]?.telemetry.histogram(Metric.selfTime, { model_id: `m${model}` }).observeMs(1);
    const parts = workers[0]!.link.metricsParts();
    let text = (await parts.next()).value;
    const sent = () => workers[0]!.told.filter(({ inferflow }) => inferflow === 'scraped').length;
    await expect.poll(sent).toBe(16);
    await new Promise(setImmediate);
    expect(sent()).toBe(16);
    for await (const part of parts) text += part;
    expect(text).toBe(await scraped(workers[0]!));
    expect(text.match(/self_seconds_count/g)).toHaveLength(900);
  });

  it('looks at a few workers at a time: the others serve meanwhile', async () => {
    const { workers } = pool(5, { metricsQuietMs: 500 });
    for (const worker of workers) worker.listens(1);
    for (const worker of workers) worker.isMute = true;
    const asked = () => workers.filter(({ told }) => told.some(({ inferflow }) => inferflow === 'give-metrics')).length;
    const parts = workers[0]!.link.metricsParts();
    const first = parts.next().catch(() => {});
    await expect.poll(asked).toBe(3);
    await expect.poll(asked).toBe(5);
    for (const worker of workers) worker.isMute = false;
    workers[0]!.send({ inferflow: 'scrape-failed', ask: 1 });
    await first;
  });

  it('waits longer for a worker that keeps ending, and does not wait for one that is stuck with its metrics', async () => {
    const { workers } = pool(2, { backOffMs: [1, 400] });
    workers[0]?.listens(3);
    workers[1]?.listens(4);
    await scraped(workers[0]!);
    workers[1]!.isMute = true;
    const text = await scraped(workers[0]!);
    expect(sampleOf(text, 'inferflow_router_api_request_total')).toBe(7);
    expect(sampleOf(text, 'inferflow_workers ')).toBe(1);
    const begun = performance.now();
    for (let ended = 0; ended < 6; ended++) {
      workers.at(-1)?.ends(1);
      await expect.poll(() => workers.length, { interval: 5 }).toBe(3 + ended);
    }
    expect(performance.now() - begun).toBeGreaterThanOrEqual(1 + 2 + 4 + 8 + 16 + 32 - 10);
  });

  it('ends with a code when none can start', () => {
    const { workers, ends, lines } = pool(2);
    for (const worker of workers) void worker.link.failed('INFERFLOW_SERVER_LISTEN_FAILED', ['the port is taken']);
    workers[0]?.ends(1);
    expect(workers[1]?.signals).toEqual(['SIGTERM']);
    workers[1]?.ends(0);
    expect(ends).toEqual([1]);
    expect(lines.map(({ msg }) => msg)).toEqual(['the port is taken', 'no worker has started; the server ends']);
  });

  it('says why none can start with a log that is off, too, and nothing else', async () => {
    const lines: string[] = [];
    const logger = pino({ level: 'silent' }, { write: (line: string) => void lines.push(JSON.parse(line).msg) });
    const { workers } = pool(2, { logger });
    void workers[0]?.link.failed('INFERFLOW_SERVER_LISTEN_FAILED', ['the port is taken']);
    workers[0]?.ends(1);
    expect(lines).toEqual(['the port is taken', 'no worker has started; the server ends']);
    const serving = pool(2, { logger });
    serving.workers[1]?.listens(1);
    void serving.workers[0]?.link.failed('INFERFLOW_SERVER_LISTEN_FAILED', ['the port is taken']);
    serving.workers[0]?.ends(1);
    expect(lines).toHaveLength(2);
  });

  it('ends with a code when one ends by itself before any has served', () => {
    const { workers, ends, lines } = pool(1);
    workers[0]?.ends(7);
    expect(ends).toEqual([1]);
    expect(lines).toMatchObject([{ worker: 1, code: 7, msg: 'no worker has started; the server ends' }]);
  });

  it('replaces a worker that is killed while it starts', async () => {
    const { workers, ends, lines } = pool(2);
    workers[0]?.ends(null);
    await expect.poll(() => workers.length).toBe(3);
    expect(ends).toEqual([]);
    expect(lines).toMatchObject([{ worker: 1, signal: 'SIGKILL', msg: 'a worker ended; it is replaced' }]);
  });

  it('replaces a worker that could not be made, and counts a restart once it listens', async () => {
    const { workers, lines } = pool(2);
    for (const worker of workers) worker.listens(1);
    workers[0]?.neverStarts(new Error('spawn EAGAIN'));
    await expect.poll(() => workers.length).toBe(3);
    expect(lines).toMatchObject([{ worker: 1, code: null, err: { message: 'spawn EAGAIN' } }]);
    const restarts = async () => sampleOf(await scraped(workers[1]!), 'inferflow_worker_restarts_total');
    expect(await restarts()).toBe(0);
    workers[2]?.listens(1);
    expect(await restarts()).toBe(1);
  });

  it('goes on when making a worker throws', async () => {
    let isRefused = true;
    const made: FakeWorker[] = [];
    const fork = () => {
      if (isRefused) throw new Error('spawn ENOMEM');
      made.push(new FakeWorker());
      return made.at(-1)!;
    };
    const { lines } = pool(1, { fork });
    await expect.poll(() => lines.length).toBeGreaterThan(1);
    expect(lines[0]).toMatchObject({ worker: 1, err: { message: 'spawn ENOMEM' } });
    isRefused = false;
    await expect.poll(() => made.length).toBe(1);
  });

  it('kills a worker that answers no more, and leaves alone one that does after long', async () => {
    const { workers, lines } = pool(2, { lookEveryMs: 5, looksMissed: 4 });
    for (const worker of workers) worker.listens(1);
    workers[0]!.isMute = true;
    await expect.poll(() => workers[0]?.signals[0]).toBe('SIGKILL');
    expect(lines[0]).toMatchObject({ worker: 1, missed: 4, msg: 'a worker does not answer and is killed' });
    expect(workers[1]?.signals).toEqual([]);
    workers[0]?.ends(null);
    await expect.poll(() => workers.length).toBe(3);
  });

  it('passes a signal on once and ends when the last worker has', () => {
    const { pool: all, workers, ends } = pool(2);
    for (const worker of workers) worker.listens(1);
    all.stop('SIGTERM');
    all.stop('SIGTERM');
    expect(workers.map(({ signals }) => signals)).toEqual([['SIGTERM'], ['SIGTERM']]);
    workers[0]?.ends(0);
    expect(ends).toEqual([]);
    workers[1]?.ends(0);
    expect(ends).toEqual([0]);
  });

  it('ends without a code when it is stopped while workers start', () => {
    const { pool: all, workers, ends } = pool(2);
    all.stop('SIGTERM');
    for (const worker of workers) worker.ends(null, 'SIGTERM');
    expect(ends).toEqual([0]);
  });

  it('kills a worker that does not stop in time', async () => {
    const { pool: all, workers, ends } = pool(1, { stopLimitMs: 10 });
    workers[0]?.listens(1);
    all.stop('SIGINT');
    await expect.poll(() => workers[0]?.signals).toEqual(['SIGINT', 'SIGKILL']);
    workers[0]?.ends(null);
    expect(ends).toEqual([1]);
  });

  it('leaves workers all the time that a grace of weeks gives them', () => {
    vi.useFakeTimers();
    try {
      const { pool: all, workers } = pool(1, { stopLimitMs: 2 ** 31 });
      workers[0]?.listens(1);
      all.stop('SIGTERM');
      vi.advanceTimersByTime(60_000);
      expect(workers[0]?.signals).toEqual(['SIGTERM']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('counts connections that no worker could take', async () => {
    const { pool: all, workers } = pool(1);
    workers[0]?.listens(1);
    all.connectionRefused();
    expect(sampleOf(await scraped(workers[0]!), 'inferflow_requests_refused_total{reason="connections"}')).toBe(1);
  });
});
