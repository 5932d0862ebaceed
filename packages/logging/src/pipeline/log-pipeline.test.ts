import { createTelemetry } from '@inferflow/telemetry';
import { describe, expect, it } from 'vitest';
import type { LogMessage } from '../log-message.js';
import type { LoggedRecord } from '../logged-record.js';
import { LogSampling } from '../sampling.js';
import type { Delivery, LogSink } from '../sink.js';
import { recordOf } from '../testing/log-vectors.js';
import { LogPipeline } from './log-pipeline.js';
import type { LogStream } from './log-stream.js';

class MemorySink implements LogSink {
  readonly name = 'memory';
  readonly maxBatchBytes = 1 << 20;
  readonly messages: LogMessage[] = [];
  isStuck = false;
  async deliver(_: string, batch: readonly LogMessage[]): Promise<Delivery> {
    if (this.isStuck) return new Promise(() => {});
    this.messages.push(...batch);
    return { isDelivered: true };
  }
  graceMs = 0;
  async close(graceMs: number): Promise<void> {
    this.graceMs = graceMs;
  }
}

function setUp(changes: Partial<LogStream> = {}, captureBytes = 64 << 20) {
  const sink = new MemorySink();
  const telemetry = createTelemetry({ prometheus: true, statsd: null });
  const stream: LogStream = {
    sink,
    settings: () => ({ format: 'proto', isCompressed: false, zstd: null }),
    topicOf: () => 't',
    lingerMs: 0,
    ...changes,
  };
  const pipeline = new LogPipeline({ streams: [stream], telemetry, captureBytes });
  const rows = async (metric: string): Promise<number> => {
    const lines = (await telemetry.prometheusText()).split('\n').filter((line) => line.startsWith(`${metric}{`));
    return lines.reduce((sum, line) => sum + Number(line.split(' ').at(-1)), 0);
  };
  return { sink, pipeline, rows };
}

function request(rowCount = 3, columns = 4): ReturnType<typeof recordOf> {
  const features = Array.from({ length: columns }, (_, index) => ({ name: `f${index}`, type: 'FP32' }));
  const cells = Object.fromEntries(features.map(({ name }, index) => [name, new Uint8Array(new Float32Array([index]).buffer)]));
  return recordOf({ features, rows: Array.from({ length: rowCount }, () => ({ text: {}, bytes: cells })) });
}

async function idle(pipeline: LogPipeline): Promise<void> {
  while (!pipeline.isIdle) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('LogPipeline', () => {
  it('takes requests without encoding them, encodes later and gives each back exactly once', async () => {
    const { sink, pipeline, rows } = setUp();
    const made = Array.from({ length: 5 }, () => request());
    for (const { record } of made) {
      expect(pipeline.wants(record.plan, record)).toBe(true);
      pipeline.taken(record);
    }
    expect(sink.messages.length).toBe(0);
    await idle(pipeline);
    expect(sink.messages.length).toBe(5);
    expect(made.map(({ released }) => released())).toEqual([1, 1, 1, 1, 1]);
    expect(await rows('inferflow_logging_rows_total')).toBe(15);
    expect(await rows('inferflow_logging_rows_delivered_total')).toBe(15);
    expect(await pipeline.close(1000)).toBe(true);
  });

  it('waits at its end for as long as a timer can when it is to wait for ever', async () => {
    const { sink, pipeline } = setUp();
    pipeline.taken(request().record);
    expect(await pipeline.close(Number.POSITIVE_INFINITY)).toBe(true);
    expect(sink.messages.length).toBe(1);
    expect(sink.graceMs).toBeGreaterThan(24 * 86_400_000);
    expect(sink.graceMs).toBeLessThan(2 ** 31);
  });

  it('never holds the event loop for long, whatever the size of a request', async () => {
    const { pipeline, sink } = setUp();
    const { record, schema } = request(2000, 300);
    pipeline.schemas.add({ ...record.plan.config, hash: 'h1' });
    // The schema of the configuration is empty here: it stands for one of 300 columns.
    Object.defineProperty(pipeline.schemas, 'byHash', { value: () => schema });
    // Time on the processor, not on the clock: other tests share the machine.
    const pauses: number[] = [];
    let last = process.cpuUsage();
    const watch = (): void => {
      const { user, system } = process.cpuUsage(last);
      pauses.push((user + system) / 1000);
      last = process.cpuUsage();
      if (!pipeline.isIdle) setImmediate(watch);
    };
    pipeline.taken(record);
    setImmediate(watch);
    await idle(pipeline);
    expect(sink.messages.reduce((sum, { rowCount }) => sum + rowCount, 0)).toBe(2000);
    // 600 000 cells take many slices of 1.5 ms; a collection or a compilation may make a few of them longer.
    expect(pauses.length).toBeGreaterThan(10);
    expect(pauses.toSorted((a, b) => a - b)[Math.floor(pauses.length / 2)]).toBeLessThan(4);
    await pipeline.close(100);
  });

  it('refuses requests beyond its bound and counts their rows', async () => {
    const { pipeline, rows, sink } = setUp({}, 20_000);
    const made = Array.from({ length: 40 }, () => request());
    for (const { record } of made) pipeline.taken(record);
    await idle(pipeline);
    const dropped = await rows('inferflow_logging_rows_dropped_total');
    expect(dropped).toBeGreaterThan(0);
    expect(sink.messages.length * 3 + dropped).toBe(120);
    expect(made.every(({ released }) => released() === 1)).toBe(true);
    await pipeline.close(100);
  });

  it('counts what a shutdown leaves behind', async () => {
    const { pipeline, rows, sink } = setUp();
    sink.isStuck = true;
    const made = Array.from({ length: 3 }, () => request());
    for (const { record } of made) pipeline.taken(record);
    expect(await pipeline.close(30)).toBe(false);
    expect(await rows('inferflow_logging_rows_dropped_total')).toBe(9);
    expect(made.every(({ released }) => released() === 1)).toBe(true);
    const { record } = request();
    expect(pipeline.wants(record.plan, record)).toBe(false);
  });

  it('counts per sink what cannot be encoded or is left behind; the other sinks go on', async () => {
    const telemetry = createTelemetry({ prometheus: true, statsd: null });
    const [good, bad] = [new MemorySink(), new MemorySink()];
    const stream = { settings: () => ({ format: 'proto', isCompressed: false, zstd: null }) as const, lingerMs: 0 };
    const topicOf = (): string => {
      throw new Error('no topic');
    };
    const streams: LogStream[] = [
      { ...stream, sink: Object.assign(bad, { name: 'bad' }), topicOf },
      { ...stream, sink: good, topicOf: () => 't' },
      { ...stream, sink: Object.assign(new MemorySink(), { name: 'last' }), topicOf: () => 't' },
    ];
    const pipeline = new LogPipeline({ streams, telemetry, sliceMs: 0 });
    const dropped = async (): Promise<string[]> =>
      (await telemetry.prometheusText()).split('\n').filter((line) => line.startsWith('inferflow_logging_rows_dropped_total{'));
    pipeline.taken(request().record);
    await idle(pipeline);
    expect(good.messages.length).toBe(1);
    expect(await dropped()).toEqual([expect.stringMatching(/"encoding_error".*"bad"} 3$/)]);
    const long = request(20_000);
    pipeline.taken(long.record);
    // Two slices: behind the first sink, and into the second.
    for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve));
    await pipeline.close(0);
    const logged = good.messages.reduce((sum, { rowCount }) => sum + rowCount, 0);
    const lost = (await dropped()).filter((line) => line.includes('"shutdown"'));
    expect(lost).toContainEqual(expect.stringMatching(/"last"} 20000$/));
    expect(
      logged +
        Number(
          lost
            .find((line) => line.includes('"memory"'))
            ?.split(' ')
            .at(-1),
        ),
    ).toBe(20_003);
    expect(long.released()).toBe(1);
  });

  it('is closed once, however often it is asked to', async () => {
    const { pipeline, rows, sink } = setUp();
    sink.isStuck = true;
    pipeline.taken(request().record);
    const closing = pipeline.close(30);
    expect(await Promise.all([closing, pipeline.close(0), closing.then(() => pipeline.close(30))])).toEqual([false, false, false]);
    expect(await rows('inferflow_logging_rows_dropped_total')).toBe(3);
  });

  it('wants nothing while nothing is to be written', async () => {
    const { pipeline } = setUp({ settings: () => ({ format: null, isCompressed: false, zstd: null }) });
    const { record } = request();
    expect(pipeline.wants(record.plan, record)).toBe(false);
    await pipeline.close(100);
  });
});

describe('LogSampling', () => {
  const base = request().record;
  const with_ = (percent: number, changes: Partial<LoggedRecord> = {}): [LoggedRecord['plan']['config'], LoggedRecord] => [
    { ...base.plan.config, response: { ...base.plan.config.response, loggingPercent: percent } },
    { ...base, ...changes },
  ];

  it('chooses Predict requests one by one and users of RetrieveModelScore for the day', () => {
    const draws = [0.05, 0.95];
    const sampling = new LogSampling({ random: () => draws.shift() ?? 0 });
    expect(sampling.wants(...with_(10))).toBe(true);
    expect(sampling.wants(...with_(10))).toBe(false);
    const asked: number[] = [];
    const isSampled = (percent: number): boolean => {
      asked.push(percent);
      return true;
    };
    expect(sampling.wants(...with_(7, { method: 'RetrieveModelScore', isSampled }))).toBe(true);
    expect(asked).toEqual([7]);
    expect(new LogSampling({ random: () => 0 }).wants(...with_(0))).toBe(false);
    expect(sampling.wants(...with_(100, { trackingId: '' }))).toBe(false);
  });

  it('always logs what its rules say', () => {
    const sampling = new LogSampling({ rules: { onError: true, onDegraded: true, slowerThanMs: 100, header: 'x-debug' } });
    expect(sampling.wants(...with_(0))).toBe(false);
    expect(sampling.wants(...with_(0, { failedComponents: 1 }))).toBe(true);
    expect(sampling.wants(...with_(0, { faultyRows: 1 }))).toBe(true);
    expect(sampling.wants(...with_(0, { durationMs: 100 }))).toBe(true);
    expect(sampling.wants(...with_(0, { header: (name) => (name === 'x-debug' ? '' : undefined) }))).toBe(true);
  });
});
