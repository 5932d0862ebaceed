import { describe, expect, it } from 'vitest';
import { BatchPool } from './batch-pool.js';
import { FeatureBatch } from './feature-batch.js';

describe('BatchPool', () => {
  it('hands out what it got back, clear, and counts what it holds', () => {
    const pool = new BatchPool();
    const batch = pool.take();
    batch.keyCount = 3;
    pool.give(batch);
    expect(pool.idle).toBe(1);
    expect(pool.idleBytes).toBe(batch.heldBytes);
    expect(pool.take()).toBe(batch);
    expect(batch.keyCount).toBe(0);
    expect(pool.idleBytes).toBe(0);
    expect(pool.take()).not.toBe(batch);
  });

  it('keeps a bounded number', () => {
    const pool = new BatchPool();
    for (let at = 0; at < 1100; at++) pool.give(new FeatureBatch());
    expect(pool.idle).toBe(1024);
  });

  it('keeps a bounded number of bytes', () => {
    const pool = new BatchPool();
    for (let at = 0; at < 20; at++) {
      const batch = new FeatureBatch();
      batch.bytes = new Uint8Array(1024 * 1024);
      pool.give(batch);
    }
    expect(pool.idle).toBe(15);
    expect(pool.idleBytes).toBeLessThanOrEqual(16 * 1024 * 1024);
  });

  it('lets go of what a burst left', () => {
    const pool = new BatchPool();
    const burst = Array.from({ length: 50 }, () => pool.take());
    for (const batch of burst) pool.give(batch);
    for (let use = 0; use < 60 * 8192; use++) pool.give(pool.take());
    expect(pool.idle).toBe(1);
    expect(pool.idleBytes).toBe(burst[0]?.heldBytes);
  });
});
