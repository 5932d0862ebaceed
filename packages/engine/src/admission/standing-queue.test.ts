import { LoopLoad } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { Entry } from '../testing/gate-entry.js';
import { Admission, AdmissionGate } from './admission-gate.js';
import { ProcessLoad } from './process-load.js';

describe('AdmissionGate, when requests have been refused for longer than a burst', () => {
  /** One worker takes 1 ms for each that is inside; all have two seconds. */
  class World {
    readonly load = new ProcessLoad(new LoopLoad(() => 0));
    readonly gate = new AdmissionGate(16, this.load);
    now = 0;
    readonly #inside: Entry[] = [];
    /** Lets a millisecond pass in which so many come; returns how many of them are refused. */
    tick(count: number): number {
      this.now++;
      const done = this.#inside.shift();
      if (done !== undefined) this.gate.leave(done, this.now);
      let refused = 0;
      for (let at = 0; at < count; at++) {
        const entry = new Entry(this.gate, () => this.now, this.now + 2000);
        entry.onBegin = () => this.#inside.push(entry);
        if (entry.enter() === Admission.refuse) refused++;
      }
      return refused;
    }
    run(ms: number, count: number): number {
      let refused = 0;
      for (let at = 0; at < ms; at++) refused += this.tick(count);
      return refused;
    }
  }

  it('lets no long queue stand, is never idle, and tells callers to stay away for longer', () => {
    const world = new World();
    world.run(1000, 3);
    const { retryAfterMs } = world.gate;
    expect(world.gate.waiting).toBeGreaterThan(600);
    world.run(2000, 3);
    for (let at = 0; at < 1000; at++) {
      world.tick(3);
      expect(world.gate.waiting).toBeLessThanOrEqual(256);
      expect(world.gate.waiting).toBeGreaterThan(200);
    }
    expect(world.gate.retryAfterMs).toBeGreaterThanOrEqual(160);
    expect(retryAfterMs).toBeGreaterThanOrEqual(160);
  });

  it('keeps the queue short, too, when all that are refused are refused before they come to it', () => {
    const world = new World();
    const most = 500;
    const serve = (ms: number) => {
      for (let at = 0; at < ms; at++) {
        const room = most - world.gate.waiting - world.gate.inside;
        if (room < 3) world.load.refusedForRoom(world.now);
        world.tick(Math.min(room, 3));
      }
    };
    serve(1000);
    expect(world.gate.waiting).toBeGreaterThan(400);
    serve(2000);
    expect(world.gate.waiting).toBeLessThanOrEqual(256);
    expect(world.gate.waiting).toBeGreaterThan(200);
  });

  it('takes a burst again once the queue was empty', () => {
    const world = new World();
    world.run(4000, 3);
    world.run(1000, 0);
    expect(world.gate.waiting).toBe(0);
    expect(world.tick(700)).toBe(0);
  });

  it('finds out after a while that as many may wait as do not come too late', () => {
    const world = new World();
    world.run(4000, 3);
    // From now on there are never more than 600, each that leaves makes room for one.
    const serve = (ms: number) => {
      let refused = 0;
      for (let at = 0; at < ms; at++) refused += world.tick(Math.max(0, 600 - world.gate.waiting - world.gate.inside));
      return refused;
    };
    expect(serve(1000)).toBeGreaterThan(0);
    serve(30_000);
    expect(serve(10_000)).toBe(0);
  });
});
