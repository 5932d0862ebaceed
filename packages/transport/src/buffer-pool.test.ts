import { describe, expect, it } from 'vitest';
import { BufferPool } from './buffer-pool.js';
import { SlabPool } from './http2/out-slab.js';

/** Takes and gives back one at a time, as often as it takes for a burst to be forgotten. */
function quietHours(pool: { take(): unknown; give(item: unknown): void }): void {
  for (let use = 0; use < 60 * 8192; use++) pool.give(pool.take());
}

describe('buffers for messages', () => {
  it('come in powers of two from 16 KiB, above 8 MiB to measure, and the same one again', () => {
    const pool = new BufferPool(1 << 20);
    const buffer = pool.take(16_385);
    expect(buffer.length).toBe(32_768);
    expect(pool.taken).toBe(1);
    pool.give(buffer);
    expect([pool.taken, pool.idleBytes]).toEqual([0, 32_768]);
    expect(pool.take(20_000)).toBe(buffer);
    expect(pool.idleBytes).toBe(0);
    const large = pool.take(8 * 1024 * 1024 + 1);
    expect(large.length).toBe(8 * 1024 * 1024 + 1);
    pool.give(large);
    expect(pool.idleBytes).toBe(0);
  });

  it('are kept up to a bound', () => {
    const pool = new BufferPool(40_000);
    const buffers = [pool.take(1), pool.take(1), pool.take(1)];
    for (const buffer of buffers) pool.give(buffer);
    expect(pool.idleBytes).toBe(32_768);
  });

  it('that a burst left are let go, of every size', () => {
    const pool = new BufferPool(1 << 26);
    const burst = Array.from({ length: 40 }, (_, at) => pool.take(at % 2 === 0 ? 1 : 100_000));
    for (const buffer of burst) pool.give(buffer);
    expect(pool.idleBytes).toBe(20 * 16_384 + 20 * 131_072);
    quietHours({ take: () => pool.take(1), give: (buffer) => pool.give(buffer as Buffer) });
    expect(pool.idleBytes).toBe(16_384);
    expect(pool.taken).toBe(0);
  });
});

describe('slabs for what leaves', () => {
  it('that a burst left are let go', () => {
    const pool = new SlabPool();
    const burst = Array.from({ length: 20 }, () => pool.take());
    for (const slab of burst) pool.give(slab);
    expect(pool.idle).toBe(20);
    quietHours(pool as { take(): unknown; give(item: unknown): void });
    expect([pool.idle, pool.taken]).toEqual([1, 0]);
  });
});
