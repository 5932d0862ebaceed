import { describe, expect, it } from 'vitest';
import { giveBackValue, PiecePool, ValueSlab } from './value-slab.js';

describe('ValueSlab', () => {
  it('gives every value bytes of its own, small ones from shared memory', () => {
    const slab = new ValueSlab();
    const values = Array.from({ length: 50 }, (_, index) => slab.take(index === 7 ? 100_000 : 1000 + index).fill(index));
    for (const [index, value] of values.entries()) {
      expect(value.length).toBe(index === 7 ? 100_000 : 1000 + index);
      expect(value.every((byte) => byte === index)).toBe(true);
    }
    expect(values[1]?.buffer).toBe(values[2]?.buffer);
    expect(values[7]?.buffer.byteLength).toBe(100_000);
  });

  it('gives values whose slices are copies: they may be sent to a thread', () => {
    const value = new ValueSlab().take(10);
    expect(value.slice(2, 4).buffer).not.toBe(value.buffer);
    expect(value.slice(2, 4).buffer.byteLength).toBe(2);
  });

  it('uses memory again once all of its values were given back, never before', () => {
    const pool = new PiecePool(1000);
    const slab = new ValueSlab(pool);
    const [a, b, c] = [slab.take(400), slab.take(400), slab.take(400)];
    giveBackValue(a);
    const d = slab.take(600);
    expect([b, c, d].map(({ buffer }) => buffer === a.buffer)).toEqual([true, false, false]);
    giveBackValue(b);
    expect(slab.take(700).buffer).toBe(a.buffer);
    // What still is being filled starts again from its beginning.
    const only = new ValueSlab(pool);
    const first = only.take(300);
    giveBackValue(first);
    expect(only.take(300)).toMatchObject({ buffer: first.buffer, byteOffset: 0 });
    giveBackValue(new Uint8Array(5));
  });
});
