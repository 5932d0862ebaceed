import { describe, expect, it } from 'vitest';
import { LoopLoad } from './loop-load.js';

describe('LoopLoad', () => {
  it('tells which part of its time the loop did not wait for events, looked at every 50 ms', () => {
    let idleMs = 0;
    const load = new LoopLoad(() => idleMs);
    load.busyShare(0);
    idleMs = 15;
    expect(load.busyShare(60)).toBe(0.75);
    idleMs = 20;
    expect(load.busyShare(100)).toBe(0.75);
    expect(load.busyShare(110)).toBe(0.9);
    idleMs = 45;
    expect(load.busyShare(150)).toBe(0.9);
    expect(load.busyShare(160)).toBe(0.5);
  });

  it('says 0 before it knows what the loop did lately', () => {
    let idleMs = 5;
    const load = new LoopLoad(() => idleMs);
    expect(load.busyShare(1000)).toBe(0);
    expect(load.busyShare(1050)).toBe(1);
    expect(load.busyShare(60_000)).toBe(0);
    idleMs += 25;
    expect(load.busyShare(60_050)).toBe(0.5);
  });
});
