import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { DeadlineClock, DeadlineTimer } from './deadline-clock.js';
import { type DeadlineEntry, DeadlineQueue } from './deadline-queue.js';

class FakeClock implements DeadlineClock {
  time = 0.25;
  armed = 0;
  timers: { at: number; callback: () => void; isRef: boolean }[] = [];
  turnEnds: (() => void)[] = [];

  now(): number {
    return this.time;
  }
  setTimer(callback: () => void, delayMs: number): DeadlineTimer {
    expect(delayMs).toBeGreaterThanOrEqual(1);
    this.armed++;
    const timer = {
      at: this.time + delayMs,
      callback,
      isRef: true,
      ref() {
        timer.isRef = true;
      },
      unref() {
        timer.isRef = false;
      },
    };
    this.timers.push(timer);
    return timer;
  }
  clearTimer(timer: DeadlineTimer): void {
    this.timers = this.timers.filter((other) => (other as unknown) !== timer);
  }
  atTurnEnd(callback: () => void): void {
    this.turnEnds.push(callback);
  }
  /** Runs timers that are due, then the end of the turn, until the time given. */
  advance(to: number, betweenTimerAndTurnEnd: () => void = () => {}): void {
    this.endTurn();
    for (;;) {
      const next = this.timers.reduce((least, timer) => Math.min(least, timer.at), Number.POSITIVE_INFINITY);
      if (next > to) break;
      this.time = Math.max(this.time, next);
      const due = this.timers.filter((timer) => timer.at <= this.time);
      this.timers = this.timers.filter((timer) => timer.at > this.time);
      for (const timer of due) timer.callback();
      betweenTimerAndTurnEnd();
      this.endTurn();
    }
    this.time = to;
  }
  endTurn(): void {
    for (const callback of this.turnEnds.splice(0)) callback();
  }
}

class Entry implements DeadlineEntry {
  deadlinePlace = -1;
  readonly passed: number[] = [];
  readonly clock: FakeClock;
  onPassed: () => void = () => {};
  constructor(clock: FakeClock) {
    this.clock = clock;
  }
  deadlinePassed(): void {
    this.passed.push(this.clock.time);
    this.onPassed();
  }
}

function setUp() {
  const clock = new FakeClock();
  const queue = new DeadlineQueue(clock);
  return { clock, queue, entry: () => new Entry(clock) };
}

describe('DeadlineQueue', () => {
  it('reads the sockets once more before it acts on what it finds late', () => {
    const clock = new FakeClock();
    const queue = new DeadlineQueue(clock);
    const [answered, hopeless] = [new Entry(clock), new Entry(clock)];
    for (const each of [answered, hopeless]) queue.add(each, 10);
    clock.time = 60;
    for (const { callback } of clock.timers.splice(0)) callback();
    clock.endTurn();
    expect([answered.passed, hopeless.passed, queue.size]).toEqual([[], [], 2]);
    queue.remove(answered);
    clock.endTurn();
    expect([answered.passed, hopeless.passed, queue.size]).toEqual([[], [60], 0]);
    const closed = new Entry(clock);
    queue.add(closed, 20);
    clock.endTurn();
    queue.close();
    clock.endTurn();
    expect([closed.passed, closed.deadlinePlace]).toEqual([[], -1]);
  });

  it('acts within a millisecond after the time, never before it', () => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    queue.add(one, 10.5);
    clock.advance(10.4);
    expect(one.passed).toEqual([]);
    clock.advance(12);
    expect(one.passed).toHaveLength(1);
    expect(one.passed[0]).toBeGreaterThanOrEqual(10.5);
    expect(one.passed[0]).toBeLessThanOrEqual(12);
    expect(queue.size).toBe(0);
  });

  it('lets what is done between the timer and the end of the turn win', () => {
    const { clock, queue, entry } = setUp();
    const answered = entry();
    const late = entry();
    queue.add(answered, 5);
    queue.add(late, 5);
    clock.advance(20, () => queue.remove(answered));
    expect(answered.passed).toEqual([]);
    expect(late.passed).toHaveLength(1);
  });

  it('sets no timer while nothing waits and none earlier than needed', () => {
    const { clock, queue, entry } = setUp();
    expect(clock.armed).toBe(0);
    queue.add(entry(), 100);
    for (let i = 0; i < 50; i++) queue.add(entry(), 100 + i);
    expect(clock.armed).toBe(1);
    clock.advance(1000);
    expect(clock.armed).toBeLessThanOrEqual(51);
    expect(clock.timers).toEqual([]);
    queue.add(entry(), 60_000_000);
    clock.advance(59_000_000);
    expect(clock.armed).toBeLessThanOrEqual(52);
  });

  it('does not keep the process alive for entries that left', () => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    queue.add(one, 1000);
    expect(clock.timers[0]?.isRef).toBe(true);
    queue.remove(one);
    expect(clock.timers[0]?.isRef).toBe(false);
    queue.add(one, 2000);
    expect(clock.timers[0]?.isRef).toBe(true);
  });

  it('acts on a time that has passed at the end of this turn', () => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    queue.add(one, -3);
    expect(one.passed).toEqual([]);
    clock.endTurn();
    expect(one.passed).toHaveLength(1);
  });

  it('moves an entry that is added again, ignores one that is not queued, and never queues Infinity', () => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    queue.add(one, 5);
    queue.add(one, 50);
    expect(queue.size).toBe(1);
    queue.remove(entry());
    queue.add(entry(), Number.POSITIVE_INFINITY);
    queue.add(entry(), Number.NaN);
    expect(queue.size).toBe(1);
    clock.advance(40);
    expect(one.passed).toEqual([]);
    clock.advance(60);
    expect(one.passed).toHaveLength(1);
  });

  it('says when an entry is due', () => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    expect(queue.dueAt(one)).toBe(Number.POSITIVE_INFINITY);
    queue.add(one, 5.5);
    expect(queue.dueAt(one)).toBe(5.5);
    queue.add(one, -2);
    expect(queue.dueAt(one)).toBe(-2);
    clock.advance(10);
    expect([one.passed.length, queue.dueAt(one)]).toEqual([1, Number.POSITIVE_INFINITY]);
  });

  it.each([Number.POSITIVE_INFINITY, Number.NaN])('takes an entry out that is moved to %s', (at) => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    queue.add(one, 5);
    queue.add(one, at);
    expect([queue.size, one.deadlinePlace]).toEqual([0, -1]);
    clock.advance(100);
    expect(one.passed).toEqual([]);
  });

  it('keeps the process alive for an entry that is moved, and for one that comes while another is due', () => {
    const { clock, queue, entry } = setUp();
    const [one, due] = [entry(), entry()];
    queue.add(one, 1000);
    queue.add(one, 2000);
    expect(clock.timers[0]?.isRef).toBe(true);
    queue.remove(one);
    queue.add(due, 0);
    queue.add(one, 3000);
    expect(clock.timers[0]?.isRef).toBe(true);
    clock.endTurn();
    expect([due.passed.length, clock.timers[0]?.isRef]).toEqual([1, true]);
  });

  it('lets callbacks add more than there are places, take out or move what is about to be told, and close', () => {
    const { clock, queue, entry } = setUp();
    const added = Array.from({ length: 1000 }, entry);
    const [first, second, third, fourth] = [entry(), entry(), entry(), entry()];
    // Told in this order or the other: both ends do the same.
    for (const end of [first, fourth])
      end.onPassed = () => {
        queue.remove(second);
        queue.add(third, clock.time + 50);
        for (const each of added) queue.add(each, clock.time + 20);
      };
    for (const each of [first, second, third, fourth]) queue.add(each, 0);
    clock.endTurn();
    clock.advance(30);
    expect([first, second, third, fourth].map(({ passed }) => passed.length)).toEqual([1, 0, 0, 1]);
    expect(added.every(({ passed }) => passed.length === 1)).toBe(true);
    clock.advance(100);
    expect([third.passed.length, queue.size]).toEqual([1, 0]);
    for (const each of [first, fourth]) {
      each.onPassed = () => queue.close();
      queue.add(each, 0);
    }
    clock.endTurn();
    clock.endTurn();
    expect(first.passed.length + fourth.passed.length).toBe(3);
    expect([queue.size, first.deadlinePlace, fourth.deadlinePlace]).toEqual([0, -1, -1]);
  });

  it('holds any number of entries', () => {
    const { clock, queue, entry } = setUp();
    const entries = Array.from({ length: 2000 }, entry);
    const dueAt = (index: number) => 10 + ((index * 7919) % 6000);
    for (const half of [0, 1]) {
      for (const [index, each] of entries.entries()) queue.add(each, clock.time + dueAt(index));
      for (const [index, each] of entries.entries()) if (index % 2 === half) queue.remove(each);
      expect(queue.size).toBe(1000);
      const before = entries.map(({ passed }) => passed.length);
      const start = clock.time;
      for (let ms = 0; ms < 6100; ms += 50) clock.advance(start + ms);
      for (const [index, { passed }] of entries.entries()) {
        expect(passed.length - before[index]!).toBe(index % 2 === half ? 0 : 1);
        if (index % 2 !== half) expect(passed.at(-1)).toBeGreaterThanOrEqual(start + dueAt(index));
      }
      expect(queue.size).toBe(0);
    }
  });

  it('gives entries added by a callback the next turn', () => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    one.onPassed = () => {
      if (one.passed.length < 3) queue.add(one, 0);
    };
    queue.add(one, 0);
    clock.endTurn();
    expect(one.passed).toHaveLength(1);
    clock.endTurn();
    clock.endTurn();
    expect(one.passed).toHaveLength(3);
  });

  it('tells the others although a callback throws', () => {
    const { clock, queue, entry } = setUp();
    const entries = [entry(), entry(), entry()];
    for (const one of entries) {
      one.onPassed = () => {
        if (one === entries[1]) throw new Error('broke');
      };
      queue.add(one, 0);
    }
    expect(() => clock.endTurn()).toThrow('broke');
    clock.endTurn();
    expect(entries.map((one) => one.passed.length)).toEqual([1, 1, 1]);
  });

  it('is silent after close', () => {
    const { clock, queue, entry } = setUp();
    const one = entry();
    queue.add(one, 5);
    queue.close();
    queue.add(one, 6);
    clock.advance(100);
    expect(one.passed).toEqual([]);
    expect(queue.size).toBe(0);
    expect(one.deadlinePlace).toBe(-1);
  });

  it('agrees with a sorted list for any adds, removes and pauses', () => {
    const step = fc.oneof(
      fc.record({
        kind: fc.constant('add' as const),
        id: fc.nat(30),
        inMs: fc.oneof(fc.double({ min: -5, max: 50, noNaN: true }), fc.integer({ min: 0, max: 20_000 })),
      }),
      fc.record({ kind: fc.constant('remove' as const), id: fc.nat(30), inMs: fc.constant(0) }),
      fc.record({
        kind: fc.constant('advance' as const),
        id: fc.constant(0),
        inMs: fc.oneof(fc.double({ min: 0, max: 30, noNaN: true }), fc.integer({ min: 0, max: 15_000 })),
      }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const { clock, queue, entry } = setUp();
        const entries = Array.from({ length: 31 }, entry);
        const model = new Map<number, number>();
        const check = () => {
          entries.forEach((one, id) => {
            const at = model.get(id);
            for (const when of one.passed.splice(0)) {
              expect(at).toBeDefined();
              expect(when).toBeGreaterThanOrEqual(at ?? 0);
              expect(when - Math.max(at ?? 0, 0)).toBeLessThanOrEqual(clock.time);
              model.delete(id);
            }
          });
          for (const at of model.values()) expect(at).toBeGreaterThan(clock.time - 2);
          expect(queue.size).toBe(model.size);
        };
        for (const { kind, id, inMs } of steps) {
          if (kind === 'add') {
            queue.add(entries[id]!, clock.time + inMs);
            model.set(id, clock.time + inMs);
            if (inMs <= 0) clock.endTurn();
          } else if (kind === 'remove') {
            queue.remove(entries[id]!);
            model.delete(id);
          } else clock.advance(clock.time + inMs);
          check();
        }
        clock.advance(clock.time + 100_000);
        check();
        expect(queue.size).toBe(0);
      }),
      { numRuns: 300 },
    );
  });

  it('lets an answer that is already in the socket win against a real timer', async () => {
    const { DeadlineQueue: Queue } = await import('./deadline-queue.js');
    const net = await import('node:net');
    const queue = new Queue();
    const server = net.createServer((socket) => socket.on('data', () => socket.write('answer')));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    const socket = net.connect(typeof address === 'object' && address !== null ? address.port : 0, '127.0.0.1');
    await new Promise((resolve) => socket.once('connect', resolve));
    let won = '';
    const entry = new Entry(new FakeClock());
    entry.onPassed = () => {
      won ||= 'deadline';
    };
    socket.once('data', () => {
      won ||= 'answer';
      queue.remove(entry);
    });
    queue.add(entry, performance.now() + 20);
    socket.write('question');
    // The process is busy past the deadline while the answer arrives in the kernel's buffer; the server shares the thread, so it gets one turn.
    await new Promise((resolve) => setImmediate(resolve));
    await new Promise((resolve) => setImmediate(resolve));
    const until = performance.now() + 40;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(won).toBe('answer');
    socket.destroy();
    server.close();
  });
});
