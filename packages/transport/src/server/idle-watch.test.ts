import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { IdleWatch } from './idle-watch.js';

describe('IdleWatch', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it('tells after the time without a byte, and as long as it lasts', () => {
    const bytes = 10;
    let told = 0;
    const watch = new IdleWatch(
      () => bytes,
      1000,
      () => told++,
    );
    vi.advanceTimersByTime(999);
    expect(told).toBe(0);
    vi.advanceTimersByTime(1);
    expect(told).toBe(1);
    vi.advanceTimersByTime(500);
    expect(told).toBe(3);
    watch.close();
    vi.advanceTimersByTime(5000);
    expect(told).toBe(3);
  });

  it('begins again with every byte', () => {
    let bytes = 0;
    let told = 0;
    new IdleWatch(
      () => bytes,
      1000,
      () => told++,
    );
    for (let turn = 0; turn < 10; turn++) {
      vi.advanceTimersByTime(900);
      bytes++;
    }
    expect(told).toBe(0);
    vi.advanceTimersByTime(1250);
    expect(told).toBeGreaterThan(0);
  });
});
