import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Entry, enter } from '../testing/gate-entry.js';
import { Admission, AdmissionGate } from './admission-gate.js';

describe('AdmissionGate', () => {
  it('lets so many in, and the others when it is their turn, in the order they came', () => {
    const gate = new AdmissionGate(2);
    const { entries, admissions } = enter(gate, 4, () => 0);
    expect(admissions).toEqual([Admission.begin, Admission.begin, Admission.wait, Admission.wait]);
    entries[0]?.leave();
    expect(entries.map(({ began }) => began)).toEqual([1, 1, 1, 0]);
    entries[0]?.leave();
    entries[1]?.leave();
    expect(entries.map(({ began }) => began)).toEqual([1, 1, 1, 1]);
    expect([gate.inside, gate.waiting]).toEqual([2, 0]);
  });

  it('forgets one that leaves while it waits', () => {
    const gate = new AdmissionGate(1);
    const { entries } = enter(gate, 3, () => 0);
    entries[1]?.leave();
    entries[0]?.leave();
    expect(entries.map(({ began }) => began)).toEqual([1, 0, 1]);
    expect([gate.inside, gate.waiting]).toEqual([1, 0]);
  });

  it('under three times what can be done: what it takes is in time, hardly anything is idle, the rest is refused at once with a hint', () => {
    const gate = new AdmissionGate(1000);
    const [workMs, deadlineMs, endMs] = [2, 400, 5000];
    const served: { lateBy: number }[] = [];
    const hints: number[] = [];
    let refusedLate = 0;
    const queue: Entry[] = [];
    // One worker takes 2 ms for each that is inside, in order; three come in that time.
    let now = 0;
    for (; now < endMs; now += workMs) {
      const done = queue.shift();
      if (done !== undefined) {
        gate.called(0, now - done.beganAt, 200, now);
        served.push({ lateBy: now - done.answerBy });
        gate.leave(done, now);
      }
      for (let at = 0; at < 3; at++) {
        const entry = new Entry(gate, () => now, now + deadlineMs);
        entry.onBegin = () => queue.push(entry);
        if (entry.enter() === Admission.refuse) hints.push(gate.retryAfterMs);
      }
      refusedLate = Math.max(refusedLate, gate.waiting);
    }
    expect(served.filter(({ lateBy }) => lateBy > 0).length).toBeLessThan(served.length / 100);
    expect(Math.max(...served.map(({ lateBy }) => lateBy))).toBeLessThan(deadlineMs / 20);
    expect(served.length).toBeGreaterThan((endMs / workMs) * 0.95);
    expect(hints.length).toBeGreaterThan((endMs / workMs) * 1.5);
    expect(Math.min(...hints.slice(100))).toBeGreaterThan(50);
    expect(refusedLate * workMs).toBeLessThan(deadlineMs);
  });

  it('turns away at its turn what has no time left for the work', () => {
    const gate = new AdmissionGate(1);
    let now = 0;
    const [first, late, next] = [undefined, 60, undefined].map((answerBy) => new Entry(gate, () => now, answerBy)) as [Entry, Entry, Entry];
    for (const entry of [first, late, next]) entry.enter();
    now = 50;
    first.leave();
    expect([late.began, late.isWaiting, next.began]).toEqual([0, false, 1]);
    expect(late.retryAfterMs).toBeGreaterThan(0);
  });

  it('works on fewer when calls use up their deadlines under many only, and on more when they are quick again', () => {
    const gate = new AdmissionGate(1000);
    let now = 0;
    const serve = (turns: number, tookMs: (inside: number) => number) => {
      for (let turn = 0; turn < turns; turn++) {
        const { entries } = enter(gate, 300, () => now);
        while (gate.inside > 0) {
          const took = tookMs(gate.inside);
          now += took;
          for (const entry of entries.filter(({ isInside }) => isInside)) {
            gate.called(0, took, 200, now);
            gate.leave(entry, now);
          }
        }
      }
    };
    for (let turn = 0; turn < 50; turn++) {
      const { entries } = enter(gate, 1, () => now);
      gate.called(0, 5, 200, now);
      gate.leave(entries[0] as Entry, now);
    }
    const start = gate.limit;
    serve(10, () => 5);
    expect(gate.limit).toBeGreaterThan(start);
    serve(30, (inside) => inside);
    expect(gate.limit).toBeLessThan(start * 2);
    expect(gate.limit).toBeGreaterThanOrEqual(16);
    serve(10, () => 5);
    expect(gate.limit).toBeGreaterThan(start * 2);
  });

  it('leaves an upstream alone that is slow by itself, or gives no answer at all', () => {
    const gate = new AdmissionGate(1000);
    let now = 0;
    for (let turn = 0; turn < 400; turn++) {
      const { entries } = enter(gate, 100, () => now);
      while (gate.inside > 0) {
        now += 200;
        for (const entry of entries.filter(({ isInside }) => isInside)) {
          gate.called(0, turn < 20 ? 5 : 200, 200, now);
          gate.leave(entry, now);
        }
      }
    }
    expect(gate.limit).toBeGreaterThanOrEqual(100);
  });

  it('takes a burst long after the first requests were slow: what was learned of those is outdated', () => {
    const gate = new AdmissionGate(1000);
    let now = 0;
    for (let count = 0; count < 1000; count++) {
      const entry = new Entry(gate, () => now, now + 250);
      expect(entry.enter()).toBe(Admission.begin);
      now += count === 0 ? 300 : 5;
      gate.called(0, 5, 200, now);
      gate.leave(entry, now);
    }
    const { admissions } = enter(gate, 150, () => now, now + 250);
    expect(admissions.filter((admission) => admission === Admission.refuse)).toHaveLength(0);
  });

  it('works on more when callers are refused that have no time to wait', () => {
    const gate = new AdmissionGate(1000);
    let now = 0;
    const refusedOf = (): number => {
      const { entries, admissions } = enter(gate, 100, () => now, now + 100);
      for (const [at, entry] of entries.entries()) {
        now += at === 0 ? 90 : 0;
        gate.called(0, 10, 200, now);
        gate.leave(entry, now);
      }
      return admissions.filter((admission) => admission === Admission.refuse).length;
    };
    refusedOf();
    expect(refusedOf()).toBeGreaterThan(0);
    for (let turn = 0; turn < 30; turn++) refusedOf();
    expect(refusedOf()).toBe(0);
  });

  it('asks an upstream that can do little at once for no more than it answers in time', () => {
    // Two workers take 20 ms for each, in order; three times what they can do comes.
    const gate = new AdmissionGate(1000);
    const under: { at: number; tookMs: number; entry: Entry }[] = [];
    const free = [0, 0];
    let now = 0;
    let [late, inTime] = [0, 0];
    const moveTo = (until: number) => {
      for (let first = under[0]; first !== undefined && first.at <= until; first = under[0]) {
        under.shift();
        now = first.at;
        if (now > 10_000 && first.tookMs === 200) late++;
        else if (now > 10_000) inTime++;
        gate.called(0, first.tookMs, 200, now);
        gate.leave(first.entry, now);
      }
      now = until;
    };
    while (now < 20_000) {
      // Few at first, so that it is known what a call takes.
      moveTo(now + (now < 3000 ? 50 : 1000 / 300));
      const entry = new Entry(gate, () => now, now + 295);
      entry.onBegin = () => {
        const worker = (free[0] as number) <= (free[1] as number) ? 0 : 1;
        free[worker] = Math.max(free[worker] as number, now) + 20;
        const tookMs = Math.min((free[worker] as number) - now, 200);
        under.push({ at: now + tookMs, tookMs, entry });
        under.sort((one, other) => one.at - other.at);
      };
      entry.enter();
    }
    expect(late).toBe(0);
    expect(inTime).toBeGreaterThan(900);
  });

  it('takes calls that differ from each other for no sign of congestion: as many are worked on as come', () => {
    for (const callMs of [100, 200, 500]) {
      const meanMs = callMs * 0.3;
      // Each takes 0.5 up to 1.5 of the mean, whatever else is under way; one comes per 1/45 of the mean.
      const gate = new AdmissionGate(1000);
      const under: { at: number; tookMs: number; entry: Entry }[] = [];
      let now = 0;
      let refused = 0;
      for (let count = 0; count < 20_000; count++) {
        now += meanMs / 45;
        under.sort((one, other) => one.at - other.at);
        for (let first = under[0]; first !== undefined && first.at <= now; first = under[0]) {
          under.shift();
          gate.called(0, first.tookMs, callMs, first.at);
          gate.leave(first.entry, first.at);
        }
        const entry = new Entry(gate, () => now, now + callMs * 1.2);
        const tookMs = meanMs * (0.5 + ((count * 0.618034) % 1));
        entry.onBegin = () => under.push({ at: now + tookMs, tookMs, entry });
        if (entry.enter() === Admission.refuse && count > 2000) refused++;
      }
      expect(refused).toBe(0);
      expect(gate.limit).toBeGreaterThan(45);
    }
  });

  it('does not take a process that stood still for a moment for one that is slow', () => {
    const gate = new AdmissionGate(16);
    let now = 0;
    const { entries } = enter(gate, 400, () => now, 1e9);
    entries.forEach((entry, at) => {
      now += at === 100 ? 2000 : 1;
      if (at >= 100 && at < 140) expect(gate.ask(now + 5000, now)).toBe(Admission.wait);
      gate.leave(entry, now);
    });
  });

  it('gives few different hints', () => {
    const hints = new Set<number>();
    let now = 0;
    const gate = new AdmissionGate(1);
    const { entries } = enter(gate, 3000, () => now);
    for (const entry of entries) {
      hints.add(gate.retryAfterMs);
      now += 7;
      gate.leave(entry, now);
    }
    expect(hints.size).toBeGreaterThan(5);
    expect(hints.size).toBeLessThanOrEqual(10);
    expect([Math.min(...hints), Math.max(...hints)]).toEqual([10, 5000]);
  });

  it('loses and doubles nobody, whatever comes, goes and gives up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 200 }), (most, moves) => {
        const gate = new AdmissionGate(most);
        const all: Entry[] = [];
        let now = 0;
        for (const move of moves) {
          now++;
          if (move < 5) {
            const entry = new Entry(gate, () => now, move === 0 ? now + 2 : undefined);
            // Some end at once.
            if (move === 1) entry.onBegin = () => entry.leave();
            all.push(entry);
            entry.enter();
          } else all[(move * 7 + now) % Math.max(all.length, 1)]?.leave();
          expect(gate.inside).toBe(all.filter(({ isInside }) => isInside).length);
          expect(gate.waiting).toBe(all.filter(({ isWaiting }) => isWaiting).length);
          expect(gate.inside).toBeLessThanOrEqual(most);
          expect(gate.waiting === 0 || gate.inside === gate.limit).toBe(true);
        }
        for (const { began } of all) expect(began).toBeLessThanOrEqual(1);
      }),
    );
  });
});
