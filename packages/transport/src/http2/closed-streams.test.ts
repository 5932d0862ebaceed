import { describe, expect, it } from 'vitest';
import { ClosedStreams } from './closed-streams.js';

describe('ClosedStreams', () => {
  it('knows the streams that were cut off, until 1024 others may have come', () => {
    const closed = new ClosedStreams();
    expect(closed.wasCutOff(1)).toBe(false);
    closed.add(1, true);
    closed.add(3, false);
    closed.add(5, true);
    expect([1, 3, 5, 7].map((id) => closed.wasCutOff(id))).toEqual([true, false, true, false]);
    for (let id = 7; id < 2 * 1024; id += 2) closed.add(id, true);
    expect([1, 5].map((id) => closed.wasCutOff(id))).toEqual([true, true]);
    closed.add(1 + 2 * 1024, true);
    expect([1, 5, 1 + 2 * 1024].map((id) => closed.wasCutOff(id))).toEqual([false, true, true]);
  });

  it('knows the last 128 that ended', () => {
    const closed = new ClosedStreams();
    for (let id = 1; id <= 2 * 129; id += 2) closed.add(id, false);
    expect([1, 3, 2 * 129 - 1].map((id) => closed.hasEnded(id))).toEqual([false, true, true]);
  });
});
