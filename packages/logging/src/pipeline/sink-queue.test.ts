import fs, { appendFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { PiecePool, ValueSlab } from '../encode/value-slab.js';
import { type LogMessage, messageBytes } from '../log-message.js';
import type { Delivery, LogSink } from '../sink.js';
import { temporaryFolder } from '../testing/temporary-folder.js';
import { VirtualClock } from '../testing/virtual-clock.js';
import { type OverflowPolicy, SinkQueue } from './sink-queue.js';
import { SpillDirectory } from './spill-directory.js';

let made = 0;
function message(topic = 't', bytes = 100): LogMessage {
  const id = String(made++);
  const value = new Uint8Array(bytes).fill(made);
  return {
    topic,
    modelConfigId: 'm',
    trackingId: id,
    rowCount: 2,
    value,
    messageStart: 0,
    messageLength: bytes,
    format: 'proto',
    createdAtMs: made,
    schema: null,
  };
}

/** A sink that answers when it is told. */
class TestSink implements LogSink {
  readonly name = 'test';
  maxBatchBytes = 10_000;
  readonly received: string[] = [];
  readonly batches: (readonly LogMessage[])[] = [];
  failure: Delivery | null = null;
  failing = new Set<string>();
  isStuck = false;
  isDoneWithValues = false;

  async deliver(topic: string, batch: readonly LogMessage[]): Promise<Delivery> {
    this.batches.push(batch);
    if (this.isStuck) return new Promise(() => {});
    if (this.failure !== null && (this.failing.size === 0 || this.failing.has(topic))) return this.failure;
    for (const { trackingId } of batch) this.received.push(trackingId);
    return { isDelivered: true };
  }

  async close(): Promise<void> {}
}

function setUp(policy: OverflowPolicy, maxBytes = 3560, spill: SpillDirectory | null = null) {
  const clock = new VirtualClock();
  const sink = new TestSink();
  const dropped: string[] = [];
  const spilled: string[] = [];
  const reasons = new Set<string>();
  const queue = new SinkQueue({
    sink,
    maxBytes,
    policy,
    spill,
    lingerMs: 10,
    retryMs: 100,
    maxRetryMs: 1000,
    clock,
    observer: {
      dropped: ({ trackingId }, reason) => {
        dropped.push(trackingId);
        reasons.add(reason);
      },
      delivered: () => {},
      failed: (_, reason) => reasons.add(reason),
      spilled: ({ trackingId }) => spilled.push(trackingId),
    },
  });
  return { clock, sink, queue, dropped, spilled, reasons };
}

const away: Delivery = { isDelivered: false, reason: 'unreachable', isRetriable: true };

describe('SinkQueue', () => {
  it('gathers records for a while and delivers them in order', async () => {
    const { clock, sink, queue } = setUp('drop-newest');
    const messages = [message(), message(), message()];
    for (const each of messages) queue.push(each);
    expect(sink.batches.length).toBe(0);
    await clock.advance(10);
    expect(sink.batches.map(({ length }) => length)).toEqual([3]);
    expect(sink.received).toEqual(messages.map(({ trackingId }) => trackingId));
    expect(queue.bytes).toBe(0);
  });

  it('drops what does not fit any more, newest or oldest, and says so', async () => {
    for (const policy of ['drop-newest', 'drop-oldest'] as const) {
      const { clock, sink, queue, dropped, reasons } = setUp(policy);
      const messages = Array.from({ length: 15 }, () => message());
      for (const each of messages) queue.push(each);
      await clock.advance(100);
      const ids = messages.map(({ trackingId }) => trackingId);
      expect(dropped).toEqual(policy === 'drop-newest' ? ids.slice(10) : ids.slice(0, 5));
      expect(sink.received).toEqual(policy === 'drop-newest' ? ids.slice(0, 10) : ids.slice(5));
      expect([...reasons]).toEqual(['queue_full']);
    }
  });

  it('repeats the very same batch after a failure, later and later', async () => {
    const { clock, sink, queue, reasons } = setUp('drop-newest');
    sink.failure = away;
    queue.push(message());
    await clock.advance(10);
    queue.push(message());
    await clock.advance(690);
    expect(sink.batches.length).toBe(3);
    expect(sink.batches.every((batch) => batch === sink.batches[0])).toBe(true);
    expect([...reasons]).toEqual(['unreachable']);
    sink.failure = null;
    await clock.advance(1000);
    expect(sink.received.length).toBe(2);
  });

  it('drops a batch that no attempt can deliver', async () => {
    const { clock, sink, queue, dropped, reasons } = setUp('drop-newest');
    sink.failure = { isDelivered: false, reason: 'record_too_large', isRetriable: false };
    queue.push(message());
    await clock.advance(10);
    expect(dropped.length).toBe(1);
    expect(queue.bytes).toBe(0);
    expect([...reasons]).toEqual(['record_too_large']);
  });

  it('lets other topics go on while one fails', async () => {
    const { clock, sink, queue } = setUp('drop-newest');
    sink.failure = away;
    sink.failing = new Set(['bad']);
    const good = [message('good'), message('good')];
    queue.push(message('bad'));
    queue.push(good[0] as LogMessage);
    await clock.advance(20);
    queue.push(good[1] as LogMessage);
    await clock.advance(20);
    expect(sink.received).toEqual(good.map(({ trackingId }) => trackingId));
  });

  it('spills to disk while the sink is away, and loses nothing', async () => {
    const spill = new SpillDirectory({ directory: temporaryFolder() });
    const { clock, sink, queue, dropped, spilled } = setUp('spill', 1100, spill);
    sink.maxBatchBytes = 500;
    sink.failure = away;
    const messages = Array.from({ length: 40 }, () => message());
    for (const each of messages) {
      queue.push(each);
      await clock.advance(5);
    }
    expect(spilled.length).toBeGreaterThan(30);
    expect(queue.bytes).toBeLessThanOrEqual(1100);
    sink.failure = null;
    await clock.advance(5000);
    expect(sink.received).toEqual(messages.map(({ trackingId }) => trackingId));
    expect(dropped).toEqual([]);
    expect(queue.isEmpty).toBe(true);
    expect(spill.usedBytes).toBe(0);
  });

  it('delivers after a restart what an earlier process spilled, damaged ends excepted', async () => {
    const directory = temporaryFolder();
    const first = setUp('spill', 600, new SpillDirectory({ directory }));
    first.sink.failure = away;
    const messages = Array.from({ length: 20 }, () => message());
    for (const each of messages) first.queue.push(each);
    await first.clock.advance(50);
    // The process is gone without a word; the last frame was not written to its end.
    const store = join(directory, 'topic-t');
    const file = join(store, readdirSync(store).find((name) => name.endsWith('.spill')) as string);
    truncateSync(file, statSync(file).size - 7);
    const damaged: number[] = [];
    const second = setUp('spill', 600, new SpillDirectory({ directory, onDamaged: (bytes) => damaged.push(bytes) }));
    await second.clock.advance(1000);
    expect(second.sink.received).toEqual(first.spilled.slice(0, -1));
    expect(damaged.length).toBe(1);
  });

  it.each([
    ['zeros', Buffer.alloc(64)],
    // Length, checksum, length of the head, and "xx" for a head.
    ['a frame of somebody else', Buffer.from('06000000580a3245020000007878', 'hex')],
  ])('delivers after a restart what stands in front of %s, and what comes then', async (_, foreign) => {
    const directory = temporaryFolder();
    const first = setUp('spill', 600, new SpillDirectory({ directory }));
    first.sink.failure = away;
    for (let index = 0; index < 10; index++) first.queue.push(message());
    await first.clock.advance(50);
    // The machine ended: the file has its length, its last blocks were never written.
    const store = join(directory, 'topic-t');
    appendFileSync(join(store, readdirSync(store).find((name) => name.endsWith('.spill')) as string), foreign);
    const damaged: number[] = [];
    const second = setUp('spill', 600, new SpillDirectory({ directory, onDamaged: (bytes) => damaged.push(bytes) }));
    await second.clock.advance(1000);
    const next = message();
    second.queue.push(next);
    await second.clock.advance(1000);
    expect(second.sink.received).toEqual([...first.spilled, next.trackingId]);
    expect(damaged).toEqual([foreign.length]);
  });

  it('goes on when somebody removes what is spilled', async () => {
    const directory = temporaryFolder();
    const damaged: number[] = [];
    const spill = new SpillDirectory({ directory, onDamaged: (bytes) => damaged.push(bytes) });
    const { clock, sink, queue, spilled } = setUp('spill', 600, spill);
    sink.failure = away;
    for (let index = 0; index < 10; index++) queue.push(message());
    await clock.advance(50);
    rmSync(join(directory, 'topic-t'), { recursive: true });
    sink.failure = null;
    await clock.advance(1000);
    expect(damaged.length).toBe(1);
    expect(spill.usedBytes).toBe(0);
    sink.failure = away;
    const later = Array.from({ length: 5 }, () => message());
    for (const each of later) queue.push(each);
    expect(spilled.length).toBeGreaterThan(10);
    sink.failure = null;
    await clock.advance(1000);
    expect(sink.received.slice(-5)).toEqual(later.map(({ trackingId }) => trackingId));
    expect(queue.isEmpty).toBe(true);
  });

  it('keeps records in memory while the directory of their topic cannot be used', async () => {
    const directory = temporaryFolder();
    const { clock, sink, queue, dropped, spilled, reasons } = setUp('spill', 1100, new SpillDirectory({ directory }));
    // A file where a folder should be: as good as missing rights, also for root.
    writeFileSync(join(directory, 'topic-t'), '');
    sink.failure = away;
    const messages = Array.from({ length: 5 }, () => message());
    for (const each of messages) queue.push(each);
    expect(dropped).toEqual(messages.slice(3).map(({ trackingId }) => trackingId));
    expect([...reasons]).toEqual(['spill_failed']);
    rmSync(join(directory, 'topic-t'));
    queue.push(message());
    expect(spilled.length).toBe(1);
    sink.failure = null;
    await clock.advance(1000);
    expect(sink.received).toEqual([...messages.slice(0, 3).map(({ trackingId }) => trackingId), ...spilled]);
  });

  it('tries again to read what is spilled while it cannot be opened', async () => {
    const { clock, sink, queue, spilled, reasons } = setUp('spill', 600, new SpillDirectory({ directory: temporaryFolder() }));
    sink.failure = away;
    for (let index = 0; index < 10; index++) queue.push(message());
    const open = vi.spyOn(fs, 'openSync').mockImplementation(() => {
      throw Object.assign(new Error('too many open files'), { code: 'EMFILE' });
    });
    syncBuiltinESMExports();
    try {
      sink.failure = null;
      await clock.advance(5000);
      expect(reasons.has('spill_unreadable')).toBe(true);
      expect(() => queue.push(message())).not.toThrow();
    } finally {
      open.mockRestore();
      syncBuiltinESMExports();
    }
    await clock.advance(5000);
    expect(sink.received.slice(-spilled.length)).toEqual(spilled);
    expect(queue.isEmpty).toBe(true);
  });

  it('keeps to the limit on disk', async () => {
    const spill = new SpillDirectory({ directory: temporaryFolder(), maxBytes: 2000 });
    const { clock, sink, queue, dropped, reasons } = setUp('spill', 600, spill);
    sink.failure = away;
    for (let index = 0; index < 30; index++) queue.push(message());
    await clock.advance(10);
    expect(spill.usedBytes).toBeLessThanOrEqual(2000);
    expect(dropped.length).toBeGreaterThan(15);
    expect(reasons.has('spill_full')).toBe(true);
  });

  it('delivers on close what it can in time, and counts the rest', async () => {
    const quick = setUp('drop-newest');
    for (let index = 0; index < 5; index++) quick.queue.push(message());
    const closed = quick.queue.close(1000);
    await quick.clock.advance(1000);
    expect(await closed).toBe(0);
    expect(quick.sink.received.length).toBe(5);
    const slow = setUp('drop-newest');
    slow.sink.isStuck = true;
    for (let index = 0; index < 5; index++) slow.queue.push(message());
    const gaveUp = slow.queue.close(1000);
    await slow.clock.advance(1001);
    expect(await gaveUp).toBe(5);
    expect(slow.dropped.length).toBe(5);
    slow.queue.push(message());
    expect(slow.dropped.length).toBe(6);
  });

  it('tries again on close what waits for its next attempt, without the long pauses of before', async () => {
    const { clock, sink, queue, dropped } = setUp('drop-newest');
    sink.failure = away;
    queue.push(message());
    // 310 ms before the next attempt.
    await clock.advance(9200);
    const closed = queue.close(300);
    await clock.advance(50);
    sink.failure = null;
    await clock.advance(250);
    expect([await closed, sink.received.length, dropped.length]).toEqual([0, 1, 0]);
  });

  it('spills on close what is under way, once', async () => {
    const directory = temporaryFolder();
    const { clock, sink, queue, spilled } = setUp('spill', 3560, new SpillDirectory({ directory }));
    sink.isStuck = true;
    queue.push(message());
    await clock.advance(20);
    for (let turn = 0; turn < 2; turn++) expect(await queue.close(0)).toBe(0);
    expect(spilled.length).toBe(1);
    const next = setUp('spill', 3560, new SpillDirectory({ directory }));
    await next.clock.advance(1000);
    expect(next.sink.received).toEqual(spilled);
  });

  it('accounts for every record under any mix of faults', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom<OverflowPolicy>('drop-newest', 'drop-oldest', 'spill'),
        fc.array(
          fc.oneof(
            fc.record({ push: fc.constantFrom('a', 'b', 'c'), bytes: fc.integer({ min: 1, max: 900 }) }),
            fc.record({ advance: fc.integer({ min: 0, max: 300 }) }),
            fc.record({ state: fc.constantFrom('ok', 'away', 'a-away', 'refused') }),
          ),
          { maxLength: 80 },
        ),
        async (policy, actions) => {
          const spill = policy === 'spill' ? new SpillDirectory({ directory: temporaryFolder(), maxBytes: 20_000 }) : null;
          const { clock, sink, queue, dropped } = setUp(policy, 4000, spill);
          sink.maxBatchBytes = 1000;
          const pushed: LogMessage[] = [];
          for (const action of actions) {
            if ('push' in action) {
              const each = message(action.push, action.bytes);
              pushed.push(each);
              queue.push(each);
            } else if ('advance' in action) await clock.advance(action.advance);
            else {
              sink.failing = new Set(action.state === 'a-away' ? ['a'] : []);
              sink.failure =
                action.state === 'ok' ? null : action.state === 'refused' ? { isDelivered: false, reason: 'no', isRetriable: false } : away;
            }
            expect(queue.bytes).toBeLessThanOrEqual(4000 + (spill === null ? 0 : 1000 + messageBytes(message()) * 4));
          }
          sink.failure = null;
          await clock.advance(100_000);
          const all = [...sink.received, ...dropped];
          expect(new Set(all).size).toBe(all.length);
          expect([...all].sort()).toEqual(pushed.map(({ trackingId }) => trackingId).sort());
          // Within a topic, order is kept.
          for (const topic of ['a', 'b', 'c']) {
            const order = new Map(pushed.filter((each) => each.topic === topic).map(({ trackingId }, index) => [trackingId, index]));
            const got = sink.received.filter((id) => order.has(id)).map((id) => order.get(id) as number);
            expect(got).toEqual([...got].sort((x, y) => x - y));
          }
          expect(queue.isEmpty).toBe(true);
          await queue.close(0);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('lets the memory of values be used again: when a batch is delivered at once, or never got to the sink', async () => {
    for (const [isDone, fails, isReused] of [
      [true, false, true],
      [true, true, false],
      [false, false, false],
    ] as const) {
      const { clock, sink, queue } = setUp('drop-newest');
      sink.isDoneWithValues = isDone;
      sink.failure = fails ? away : null;
      const slab = new ValueSlab(new PiecePool(1000));
      const value = slab.take(900);
      queue.push({ ...message(), value });
      await clock.advance(20);
      sink.failure = null;
      await clock.advance(2000);
      expect(sink.received).toHaveLength(1);
      expect(slab.take(900).buffer === value.buffer).toBe(isReused);
    }
    const { queue, dropped } = setUp('drop-newest', 300);
    const slab = new ValueSlab(new PiecePool(1000));
    const value = slab.take(900);
    queue.push({ ...message(), value });
    expect(dropped).toHaveLength(1);
    expect(slab.take(900).buffer).toBe(value.buffer);
  });
});
