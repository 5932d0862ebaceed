import { describe, expect, it } from 'vitest';
import { LoopLoad } from './loop-load.js';

describe('LoopLoad', () => {
  it('is saturated when the loop hardly waits for events, looked at every 50 ms', () => {
    let idleMs = 0;
    const load = new LoopLoad(() => idleMs);
    load.isSaturated(0);
    idleMs = 10;
    expect(load.isSaturated(60)).toBe(false);
    idleMs = 10.2;
    expect(load.isSaturated(100)).toBe(false);
    expect(load.isSaturated(110)).toBe(true);
    idleMs = 30;
    expect(load.isSaturated(150)).toBe(true);
    expect(load.isSaturated(160)).toBe(false);
  });

  it('says no before it knows what the loop did lately', () => {
    let idleMs = 5;
    const load = new LoopLoad(() => idleMs);
    expect(load.isSaturated(1000)).toBe(false);
    expect(load.isSaturated(1050)).toBe(true);
    expect(load.isSaturated(60_000)).toBe(false);
    idleMs += 0.1;
    expect(load.isSaturated(60_050)).toBe(true);
  });
});
