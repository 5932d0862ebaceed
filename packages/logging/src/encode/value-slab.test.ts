import { describe, expect, it } from 'vitest';
import { ValueSlab } from './value-slab.js';

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
});
