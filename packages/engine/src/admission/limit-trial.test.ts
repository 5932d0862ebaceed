import { describe, expect, it } from 'vitest';
import { GateWorld } from '../testing/gate-world.js';

describe('LimitTrial, at the gate of a model that is asked at a steady rate', () => {
  it('refuses hardly anybody for calls that differ much from each other', () => {
    let [asked, refused] = [0, 0];
    for (const [medianMs, sigma, callMs, perSecond] of [
      [100, 0.8, 500, 182],
      [40, 0.5, 200, 600],
      [50, 1, 500, 182],
      [150, 0.6, 500, 300],
    ] as const) {
      for (let seed = 1; seed <= 4; seed++) {
        const world = new GateWorld({ callMs, deadlineMs: callMs * 2, seed });
        world.come(
          () => perSecond,
          world.unlimited(() => world.aroundMedian(medianMs, sigma)),
        );
        world.run(60);
        expect(world.refused).toBeLessThan(world.asked / 100);
        asked += world.asked;
        refused += world.refused;
      }
    }
    expect(refused).toBeLessThan(asked / 1000);
  });

  it('refuses nobody because large requests of a model take much longer than small ones', () => {
    const world = new GateWorld({ callMs: 1000, deadlineMs: 2000 });
    const upstream = world.unlimited((kind) => (kind === 'large' ? 400 : 5));
    world.come(() => 60, upstream, 'large');
    world.come(() => 100, upstream, 'small');
    world.run(60);
    expect(world.refused).toBeLessThan(world.asked / 200);
  });

  it('lets as many in as come when an upstream has become slower by itself', () => {
    for (const deadlineMs of [1000, 5000]) {
      const world = new GateWorld({ callMs: 500, deadlineMs });
      world.come(
        () => 300,
        world.unlimited(() => world.around(world.now < 10_000 ? 10 : 200)),
      );
      world.run(10);
      world.count();
      world.run(10);
      // Until it is known that fewer at once do not help.
      expect(world.refused).toBeLessThan(world.asked / 6);
      world.count();
      world.run(50);
      expect([world.refused, world.late]).toEqual([0, 0]);
    }
  });

  it('lets as many in as come when an upstream has become slower by less than is suspicious', () => {
    const world = new GateWorld({ callMs: 500, deadlineMs: 1000 });
    world.come(
      () => 280,
      world.unlimited(() => world.around(world.now < 10_000 ? 100 : 150)),
    );
    world.run(30);
    world.count();
    world.run(30);
    expect(world.refused).toBe(0);
  });

  it('lets as many in as come, but for rare trials, when an upstream gives no answer at all', () => {
    const world = new GateWorld({ callMs: 200, deadlineMs: 1000 });
    world.come(
      () => 200,
      world.unlimited(() => (world.now < 10_000 ? 10 : Number.POSITIVE_INFINITY)),
    );
    world.run(10);
    world.count();
    world.run(100);
    expect(world.refused).toBeLessThan(world.asked / 12);
    world.count();
    world.run(300);
    expect(world.refused).toBeLessThan(world.asked / 30);
  });

  it('takes what is usual by where the upstream is now, whatever it was and however often that changes', () => {
    const world = new GateWorld({ callMs: 500, deadlineMs: 1000 });
    world.come(
      () => 300,
      world.unlimited(() => world.around(world.now % 20_000 < 10_000 ? 10 : 200)),
    );
    world.run(120);
    expect(world.refused).toBeLessThan(world.asked / 40);
    expect(world.late).toBe(0);
  });

  it('has no call reach its deadline in a queue that we caused, and the upstream busy', () => {
    for (const [servers, meanMs, callMs] of [
      [32, 20, 200],
      [8, 20, 200],
      [32, 60, 500],
      [16, 200, 1000],
    ] as const) {
      const world = new GateWorld({ callMs, deadlineMs: callMs * 2 });
      const canDo = (servers * 1000) / meanMs;
      world.come(
        () => (world.now < 5000 ? canDo / 8 : canDo * 3),
        world.pool(
          () => servers,
          () => world.around(meanMs),
        ),
      );
      world.run(5);
      world.count();
      world.run(20);
      expect(world.late).toBeLessThan(world.answered / 1000);
      expect(world.answered).toBeGreaterThan(20 * canDo * 0.97);
      expect(world.gate.limit).toBeLessThan(servers * 4);
    }
  });

  it('has few calls reach their deadlines when an upstream can suddenly do a tenth of what it could', () => {
    for (let seed = 1; seed <= 4; seed++) {
      const world = new GateWorld({ callMs: 500, deadlineMs: 1000, seed });
      world.come(
        () => 1500,
        world.pool(
          () => (world.now < 10_000 ? 100 : 10),
          () => world.around(50),
        ),
      );
      world.run(10);
      world.count();
      world.run(30);
      expect(world.late).toBeLessThan(world.answered / 25);
      expect(world.answered).toBeGreaterThan(30 * 200 * 0.95);
    }
  });

  it('gets an upstream out of a queue in which all calls reach their deadlines', () => {
    // It stands still for a while and can do a tenth of what it could afterwards, when many more are let in than it can answer in time.
    const world = new GateWorld({ callMs: 500, deadlineMs: 1000 });
    const servers = () => (world.now < 10_000 ? 100 : world.now < 20_000 ? 0 : 10);
    world.come(
      () => 1500,
      world.pool(servers, () => world.around(50)),
    );
    world.run(20);
    expect(world.gate.limit).toBeGreaterThan(200);
    world.run(40);
    world.count();
    world.run(30);
    expect(world.late).toBeLessThan(world.answered / 100);
    expect(world.answered).toBeGreaterThan(30 * 200 * 0.95);
  });

  it('ends, and leaves the limit as it was, when calls stop in the middle of it', () => {
    const world = new GateWorld({ callMs: 200, deadlineMs: 1000 });
    const { gate } = world;
    for (let count = 0; count < 64; count++) gate.called(0, 5, 200, count);
    const inside = Array.from({ length: 10 }, () => ({ beganAt: -1 }));
    for (const guest of inside) gate.letIn(guest, 64);
    const { limit } = gate;
    for (let count = 0; count < 40; count++) gate.called(0, 150, 200, 64 + count);
    expect(gate.limit).toBeLessThan(limit);
    gate.called(1, 5, 200, 10_000);
    expect(gate.limit).toBe(limit);
  });
});
