import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { LogMessage } from '../log-message.js';
import type { Delivery, LogSink } from '../sink.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { SinkQueue } from './sink-queue.js';
import { SpillDirectory } from './spill-directory.js';

function messages(count: number, bytes = 100): LogMessage[] {
  const facts = { topic: 't', modelConfigId: 'm', rowCount: 1, messageStart: 0, format: 'proto', schema: null } as const;
  return Array.from({ length: count }, (_, index) => {
    const value = new Uint8Array(bytes);
    return { ...facts, trackingId: String(index), value, messageLength: bytes, createdAtMs: index };
  });
}

const idsOf = (batch: readonly LogMessage[]): string[] => batch.map(({ trackingId }) => trackingId);

/** A broker: takes a batch whole, or refuses it whole for one record in it. */
class PickySink implements LogSink {
  readonly name = 'picky';
  readonly maxBatchBytes = 1e6;
  readonly received: string[] = [];
  readonly sent: number[] = [];
  readonly refused: ReadonlySet<string>;
  /** How many refused records an answer names. */
  named = 0;
  largest = Number.POSITIVE_INFINITY;
  failures: boolean[] = [];
  isStuckAt = Number.POSITIVE_INFINITY;

  constructor(refused: readonly string[]) {
    this.refused = new Set(refused);
  }

  async deliver(_: string, batch: readonly LogMessage[]): Promise<Delivery> {
    this.sent.push(batch.length);
    if (this.sent.length > this.isStuckAt) return new Promise(() => {});
    if (this.failures.shift() === true) return { isDelivered: false, reason: 'away', isRetriable: true };
    const bytes = batch.reduce((sum, { value }) => sum + value.byteLength + 64, 0);
    if (bytes > this.largest)
      return { isDelivered: false, reason: 'too_large', isRetriable: false, refusal: { records: [], isBySize: true } };
    const bad = batch.flatMap(({ trackingId }, position) => (this.refused.has(trackingId) ? [position] : []));
    if (bad.length > 0) {
      const refusal = { records: bad.slice(0, this.named), isBySize: false };
      return { isDelivered: false, reason: 'invalid', isRetriable: false, refusal };
    }
    this.received.push(...idsOf(batch));
    return { isDelivered: true };
  }

  async close(): Promise<void> {}
}

function setUp(sink: LogSink, spill: SpillDirectory | null = null, maxBytes = 1e9) {
  const clock = new VirtualClock();
  const dropped: string[] = [];
  const delivered: string[] = [];
  const spilled: string[] = [];
  const repeated: string[] = [];
  const observer = {
    dropped: ({ trackingId }: LogMessage, reason: string) => void dropped.push(`${trackingId} ${reason}`),
    delivered: (_: string, batch: readonly LogMessage[], mayRepeat: boolean) => {
      delivered.push(...idsOf(batch));
      if (mayRepeat) repeated.push(...idsOf(batch));
    },
    failed: () => {},
    spilled: ({ trackingId }: LogMessage) => void spilled.push(trackingId),
  };
  const policy = spill === null ? 'drop-newest' : 'spill';
  const queue = new SinkQueue({ sink, maxBytes, policy, spill, lingerMs: 10, retryMs: 100, maxRetryMs: 1000, clock, observer });
  return { clock, queue, dropped, delivered, spilled, repeated };
}

describe('SinkQueue, with records that its sink refuses', () => {
  it('delivers all others, in order, and drops only those, when the sink does not say which they are', async () => {
    const sink = new PickySink(['3', '700', '999']);
    const { clock, queue, dropped, delivered } = setUp(sink);
    const all = messages(1000);
    for (const each of all) queue.push(each);
    await clock.advance(20);
    expect(dropped).toEqual(['3 invalid', '700 invalid', '999 invalid']);
    expect(sink.received).toEqual(idsOf(all).filter((id) => !sink.refused.has(id)));
    expect(delivered).toEqual(sink.received);
    expect(queue.bytes).toBe(0);
    expect(sink.sent.length).toBeLessThan(2 * 3 * Math.log2(1000) + 2);
  });

  it('sends all others at once when the sink names the refused ones', async () => {
    const sink = new PickySink(['3', '700', '999']);
    sink.named = 1000;
    const { clock, queue, dropped } = setUp(sink);
    for (const each of messages(1000)) queue.push(each);
    await clock.advance(20);
    expect(sink.sent).toEqual([1000, 997]);
    expect(dropped.length).toBe(3);
    expect(sink.received.length).toBe(997);
  });

  it('ends, however few of the refused ones are named, and when all are', async () => {
    for (const named of [0, 1, 3, 1000]) {
      const all = messages(1000);
      const sink = new PickySink(idsOf(all));
      sink.named = named;
      const { clock, queue, dropped } = setUp(sink);
      for (const each of all) queue.push(each);
      await clock.advance(20);
      for (let turn = 0; turn < 3000 && queue.bytes > 0; turn++) await clock.advance(0);
      expect(dropped.length).toBe(1000);
      expect(sink.sent.length).toBeLessThan(3000);
      // What goes over the wire is bounded, too, not only how often.
      expect(sink.sent.reduce((sum, length) => sum + length)).toBeLessThan(1000 * 2 * Math.ceil(Math.log2(1000) + 1));
      expect(queue.bytes).toBe(0);
    }
  });

  it('makes smaller batches for a while for a topic whose limit is below that of the sink', async () => {
    const sink = new PickySink([]);
    sink.largest = 20_000;
    const { clock, queue, dropped } = setUp(sink);
    for (const each of messages(1000)) queue.push(each);
    await clock.advance(20);
    expect(sink.received.length).toBe(1000);
    sink.sent.length = 0;
    for (const each of messages(1000)) queue.push(each);
    await clock.advance(20);
    expect(sink.received.length).toBe(2000);
    expect(dropped).toEqual([]);
    expect(Math.max(...sink.sent)).toBeLessThanOrEqual(20_000 / 164);
    expect(sink.sent.length).toBeLessThan(20);
    // The topic's limit was raised.
    sink.largest = 1e6;
    await clock.advance(600_000);
    sink.sent.length = 0;
    for (const each of messages(1000)) queue.push(each);
    await clock.advance(20);
    expect(sink.sent).toEqual([1000]);
  });

  it('says of all others that they may be there twice when an attempt that was refused may have been taken before', async () => {
    const sink = new PickySink(['1']);
    const { deliver } = sink;
    sink.deliver = async (topic, batch) => ({
      ...(await deliver.call(sink, topic, batch)),
      ...(batch.length === 4 && { mayRepeat: true }),
    });
    const { clock, queue, dropped, repeated } = setUp(sink);
    for (const each of messages(4)) queue.push(each);
    await clock.advance(20);
    expect(dropped).toEqual(['1 invalid']);
    expect(repeated).toEqual(['0', '2', '3']);
  });

  it('counts on close what is delivered as that, and only the rest as dropped', async () => {
    const sink = new PickySink(['5']);
    sink.isStuckAt = 3;
    const { clock, queue, dropped, delivered } = setUp(sink);
    for (const each of messages(8)) queue.push(each);
    await clock.advance(20);
    expect(delivered).toEqual(['0', '1', '2', '3']);
    const closing = queue.close(500);
    await clock.advance(500);
    expect(await closing).toBe(4);
    expect(dropped).toEqual(['4 shutdown', '5 shutdown', '6 shutdown', '7 shutdown']);
  });

  it('sends nothing twice after a close in the midst of a spilled batch', async () => {
    const directory = temporaryFolder();
    const first = new PickySink(['5']);
    first.failures = Array.from({ length: 5 }, () => true);
    first.isStuckAt = 9;
    const { clock, queue, dropped } = setUp(first, new SpillDirectory({ directory }), 400);
    for (const each of messages(9)) queue.push(each);
    await clock.advance(5000);
    // One in memory, then eight from the disk: refused, first half taken, the next one under way.
    expect(first.received).toEqual(['0', '1', '2', '3', '4']);
    await queue.close(0);
    const second = new PickySink(['5']);
    const next = setUp(second, new SpillDirectory({ directory }), 400);
    await next.clock.advance(1000);
    expect([...first.received, ...second.received]).toEqual(['0', '1', '2', '3', '4', '6', '7', '8']);
    expect([...dropped, ...next.dropped]).toEqual(['5 invalid']);
  });

  it('has every record once, as delivered or as dropped, under any mix of refusals and failures', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          count: fc.integer({ min: 1, max: 60 }),
          refused: fc.array(fc.integer({ min: 0, max: 59 }), { maxLength: 60 }),
          named: fc.integer({ min: 0, max: 5 }),
          largest: fc.constantFrom(1e6, 2000, 500, 100),
          failures: fc.array(fc.boolean(), { maxLength: 20 }),
          isSpilled: fc.boolean(),
        }),
        async ({ count, refused, named, largest, failures, isSpilled }) => {
          const sink = new PickySink(refused.map(String));
          Object.assign(sink, { named, largest, failures });
          const spill = isSpilled ? new SpillDirectory({ directory: temporaryFolder() }) : null;
          const { clock, queue, dropped, delivered } = setUp(sink, spill, isSpilled ? 1000 : 1e9);
          const all = messages(count);
          for (const each of all) queue.push(each);
          await clock.advance(50_000);
          for (let turn = 0; turn < 3 * count && !queue.isEmpty; turn++) await clock.advance(0);
          expect(queue.isEmpty).toBe(true);
          const gone = dropped.map((each) => each.split(' ')[0] as string);
          expect([...delivered, ...gone].sort()).toEqual(idsOf(all).sort());
          expect(delivered).toEqual(sink.received);
          expect(delivered.map(Number)).toEqual(delivered.map(Number).toSorted((a, b) => a - b));
          const isTaken = (id: string): boolean => largest > 164 && !sink.refused.has(id);
          expect(delivered).toEqual(idsOf(all).filter(isTaken));
          // Beside the attempts that failed.
          expect(sink.sent.length).toBeLessThanOrEqual(3 * count + 20);
          await queue.close(0);
        },
      ),
      { numRuns: 200 },
    );
  });
});
