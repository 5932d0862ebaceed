import { LoopLoad } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { Entry, enter } from '../testing/gate-entry.js';
import { AdmissionGate } from './admission-gate.js';
import { ProcessLoad } from './process-load.js';

describe('AdmissionGate, of a process that is busy', () => {
  /** One comes, one goes, as many are there at any time. */
  class World {
    /** Part of its time that the process has left. */
    idleShare = 0;
    now = 0;
    readonly gate: AdmissionGate;
    readonly #inside: Entry[] = [];
    #idleMs = 0;

    constructor(most = 1000) {
      this.gate = new AdmissionGate(most, new ProcessLoad(new LoopLoad(() => this.#idleMs)));
    }

    get state(): readonly [inside: number, waiting: number] {
      return [this.gate.inside, this.gate.waiting];
    }

    /** @param onLeave told before each that leaves */
    serve(there: number, eachMs: number, ms: number, onLeave: () => void = () => {}): void {
      for (const until = this.now + ms; this.now < until; ) {
        this.now += eachMs;
        this.#idleMs += this.idleShare * eachMs;
        const entry = new Entry(this.gate, () => this.now);
        entry.onBegin = () => this.#inside.push(entry);
        entry.enter();
        while (this.gate.inside + this.gate.waiting > there) {
          onLeave();
          this.#inside.shift()?.leave();
        }
      }
    }
  }

  it('works on no more at once, and slowly on fewer, while it is busy all the time', () => {
    let [now, idleShare, idleMs] = [0, 0, 0];
    const gate = new AdmissionGate(1000, new ProcessLoad(new LoopLoad(() => idleMs)));
    const serve = (turns: number) => {
      for (let turn = 0; turn < turns; turn++) {
        const { entries } = enter(gate, 300, () => now);
        while (gate.inside > 0) {
          now += 100;
          idleMs += 100 * idleShare;
          for (const entry of entries.filter(({ isInside }) => isInside)) gate.leave(entry, now);
        }
      }
    };
    serve(5);
    expect(gate.limit).toBe(16);
    const { entries } = enter(gate, 16, () => now);
    for (let count = 0; count < 200; count++) gate.called(0, count < 100 ? 5 : 9 * gate.limit, 200, now);
    for (const entry of entries) gate.leave(entry, now);
    expect(gate.limit).toBeLessThan(16);
    for (let count = 0; count < 100; count++) gate.called(0, 5, 200, now);
    serve(5);
    expect(gate.limit).toBe(16);
    idleShare = 0.5;
    serve(1);
    expect(gate.limit).toBeGreaterThan(16);
  });

  it.each([
    [5, 16],
    [0.98, 25],
    [0.1, 64],
  ])('has some wait though all could be let in, and lets all in again when it has time: %s ms each, %s at once', (eachMs, most) => {
    const there = 80;
    const world = new World();
    const serve = () => world.serve(there, eachMs, 2000);
    world.idleShare = 0.5;
    serve();
    expect(world.state).toEqual([there, 0]);
    // Busy, and with a little time left: neither fewer …
    world.idleShare = 0.05;
    serve();
    expect(world.state).toEqual([there, 0]);
    world.idleShare = 0;
    serve();
    expect(world.state).toEqual([most, there - most]);
    // … nor more.
    world.idleShare = 0.05;
    serve();
    expect(world.state).toEqual([most, there - most]);
    world.idleShare = 0.5;
    serve();
    expect(world.state).toEqual([there, 0]);
  });

  it.each([
    // A call takes 20 ms, a tenth of its deadline, when about 33 are worked on.
    [1000, 0.6, 16, 40],
    // It takes the same with any number of them.
    [1000, 0, 64, 64],
    [10, 0, 10, 10],
    [32, 0, 32, 32],
  ])('works on fewer when many at once slow its upstreams down: at most %s, %s ms more for each', (most, msPerCall, least, highest) => {
    const world = new World(most);
    const { gate } = world;
    const insides: number[] = [];
    for (let count = 0; count < 200; count++) gate.called(0, 5, 200, 0);
    world.serve(80, 0.1, 4000, () => {
      gate.called(0, 5 + msPerCall * Math.max(0, gate.inside - 8), 200, world.now);
      if (world.now > 2000) insides.push(gate.inside);
    });
    expect(Math.min(...insides)).toBeGreaterThanOrEqual(least);
    expect(Math.max(...insides)).toBeLessThanOrEqual(highest);
  });

  it('works on more again when its upstreams are quick again', () => {
    const world = new World();
    const serve = (callMs: number) => world.serve(80, 0.1, 500, () => world.gate.called(0, callMs, 200, world.now));
    serve(5);
    expect(world.state).toEqual([64, 16]);
    // Longer than usual, and not long enough to be suspected.
    serve(30);
    expect(world.state).toEqual([16, 64]);
    serve(5);
    expect(world.state).toEqual([64, 16]);
  });

  it('has some wait where the limit is far above what is there', () => {
    const world = new World();
    world.idleShare = 0.5;
    world.serve(450, 0.1, 1000);
    expect(world.gate.limit).toBeGreaterThan(400);
    world.idleShare = 0;
    world.serve(40, 5, 5000);
    expect(world.state).toEqual([16, 24]);
  });

  it('stays below 16 after congestion, though more are still inside', () => {
    let now = 0;
    const gate = new AdmissionGate(1000, new ProcessLoad(new LoopLoad(() => 0)));
    // One at a time for long, so that calls are known to be quick without company.
    for (let turn = 0; turn < 100; turn++) {
      const [entry] = enter(gate, 1, () => now).entries as [Entry];
      now += 5;
      gate.called(0, 5, 200, now);
      entry.leave();
    }
    const { entries } = enter(gate, 20, () => now);
    // As in a queue: calls take the longer the more are let in.
    for (let count = 0; count < 200; count++) {
      now += 10;
      gate.called(0, 5 * gate.limit, 200, now);
    }
    const shrunk = gate.limit;
    expect([shrunk < 16, gate.inside, gate.waiting]).toEqual([true, 20, 0]);
    // The first that leaves has the gate look at the loop, the second finds that it was busy since.
    for (const entry of entries.slice(0, 2)) {
      now += 60;
      entry.leave();
    }
    expect(gate.limit).toBe(shrunk);
  });
});
