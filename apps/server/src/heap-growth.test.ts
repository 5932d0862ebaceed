import { describe, expect, it } from 'vitest';
import { limitHeapGrowth } from './heap-growth.js';

describe('limitHeapGrowth', () => {
  it('sets how far old memory may grow, unless whoever started the process did', () => {
    const set: string[] = [];
    const note = (flags: string) => set.push(flags);
    expect(limitHeapGrowth(['--max-old-space-size=500'], note)).toBe(true);
    expect(set).toEqual(['--heap-growing-percent=50']);
    expect(limitHeapGrowth(['--heap-growing-percent=300'], note)).toBe(false);
    expect(limitHeapGrowth(['--heap_growing_percent=300'], note)).toBe(false);
    expect(set).toHaveLength(1);
  });

  it('is known to this runtime', () => {
    expect(limitHeapGrowth([])).toBe(true);
  });
});
