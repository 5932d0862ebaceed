import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Admission, AdmissionGate, type GateEntry, GateState } from './admission-gate.js';

class Entry implements GateEntry {
  gatePrevious: GateEntry | null = null;
  gateNext: GateEntry | null = null;
  gateState: GateState = GateState.outside;
  beganAt = 0;
  began = 0;
  retryAfterMs = 0;
  readonly answerBy: number;
  onBegin: () => void = () => {};
  constructor(answerBy = Number.POSITIVE_INFINITY) {
    this.answerBy = answerBy;
  }
  begin(): void {
    this.began++;
    this.onBegin();
  }
  turnedAway(retryAfterMs: number): void {
    this.retryAfterMs = retryAfterMs;
  }
}

function enter(gate: AdmissionGate, count: number, now: number, answerBy?: number): { entries: Entry[]; admissions: Admission[] } {
  const entries = Array.from({ length: count }, () => new Entry(answerBy));
  return { entries, admissions: entries.map((entry) => gate.enter(entry, now)) };
}

describe('AdmissionGate', () => {
  it('lets so many in, and the others when it is their turn, in the order they came', () => {
    const gate = new AdmissionGate(2);
    const { entries, admissions } = enter(gate, 4, 0);
    expect(admissions).toEqual([Admission.begin, Admission.begin, Admission.wait, Admission.wait]);
    gate.leave(entries[0] as Entry, 1);
    expect(entries.map(({ began }) => began)).toEqual([0, 0, 1, 0]);
    gate.leave(entries[0] as Entry, 1);
    gate.leave(entries[1] as Entry, 2);
    expect(entries.map(({ began }) => began)).toEqual([0, 0, 1, 1]);
    expect([gate.inside, gate.waiting]).toEqual([2, 0]);
  });

  it('forgets one that leaves while it waits', () => {
    const gate = new AdmissionGate(1);
    const { entries } = enter(gate, 3, 0);
    gate.leave(entries[1] as Entry, 1);
    gate.leave(entries[0] as Entry, 2);
    expect(entries.map(({ began }) => began)).toEqual([0, 0, 1]);
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
    for (let now = 0; now < endMs; now += workMs) {
      const done = queue.shift();
      if (done !== undefined) {
        gate.called(done, 0, now - done.beganAt, 200, now);
        served.push({ lateBy: now - done.answerBy });
        gate.leave(done, now);
      }
      for (let at = 0; at < 3; at++) {
        const entry = new Entry(now + deadlineMs);
        entry.onBegin = () => queue.push(entry);
        const admission = gate.enter(entry, now);
        if (admission === Admission.begin) entry.begin();
        else if (admission === Admission.refuse) hints.push(gate.retryAfterMs);
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
    const [first, late, next] = [new Entry(), new Entry(60), new Entry()];
    gate.enter(first, 0);
    gate.enter(late, 0);
    gate.enter(next, 0);
    gate.leave(first, 50);
    expect([late.began, late.gateState, next.began]).toEqual([0, GateState.outside, 1]);
    expect(late.retryAfterMs).toBeGreaterThan(0);
  });

  it('works on fewer when calls use up their deadlines under many only, and on more when they are quick again', () => {
    const gate = new AdmissionGate(1000);
    let now = 0;
    const serve = (turns: number, tookMs: (inside: number) => number) => {
      for (let turn = 0; turn < turns; turn++) {
        const { entries } = enter(gate, 300, now);
        while (gate.inside > 0) {
          const took = tookMs(gate.inside);
          now += took;
          for (const entry of entries.filter(({ gateState }) => gateState === GateState.inside)) {
            gate.called(entry, 0, took, 200, now);
            gate.leave(entry, now);
          }
        }
      }
    };
    for (let turn = 0; turn < 50; turn++) {
      const { entries } = enter(gate, 1, now);
      gate.called(entries[0] as Entry, 0, 5, 200, now);
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
      const { entries } = enter(gate, 100, now);
      while (gate.inside > 0) {
        now += 200;
        for (const entry of entries.filter(({ gateState }) => gateState === GateState.inside)) {
          gate.called(entry, 0, turn < 20 ? 5 : 200, 200, now);
          gate.leave(entry, now);
        }
      }
    }
    expect(gate.limit).toBeGreaterThanOrEqual(100);
  });

  it('loses and doubles nobody, whatever comes, goes and gives up', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.integer({ min: 0, max: 9 }), { maxLength: 200 }), (most, moves) => {
        const gate = new AdmissionGate(most);
        const all: Entry[] = [];
        moves.forEach((move, now) => {
          if (move < 5) {
            const entry = new Entry(move === 0 ? now + 2 : undefined);
            // Some end at once.
            if (move === 1) entry.onBegin = () => gate.leave(entry, now);
            all.push(entry);
            if (gate.enter(entry, now) === Admission.begin) entry.begin();
          } else {
            const entry = all[(move * 7 + now) % Math.max(all.length, 1)];
            if (entry !== undefined) gate.leave(entry, now);
          }
          const inState = (state: GateState) => all.filter(({ gateState }) => gateState === state).length;
          expect([gate.inside, gate.waiting]).toEqual([inState(GateState.inside), inState(GateState.waiting)]);
          expect(gate.inside).toBeLessThanOrEqual(most);
          expect(gate.waiting === 0 || gate.inside === gate.limit).toBe(true);
        });
        for (const { began } of all) expect(began).toBeLessThanOrEqual(1);
      }),
    );
  });
});
