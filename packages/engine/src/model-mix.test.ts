import { describe, expect, it } from 'vitest';
import { ModelMix } from './model-mix.js';

describe('ModelMix', () => {
  it('knows for a minute that more than one model was asked for', () => {
    const mix = new ModelMix();
    expect(mix.isOne(1000)).toBe(true);
    mix.asked('a', 1000);
    mix.asked('a', 2000);
    expect(mix.isOne(2000)).toBe(true);
    mix.asked('b', 3000);
    expect([mix.isOne(3000), mix.isOne(63_000), mix.isOne(63_001)]).toEqual([false, false, true]);
    mix.asked('b', 70_000);
    expect(mix.isOne(70_000)).toBe(true);
    mix.asked('a', 80_000);
    expect(mix.isOne(80_000)).toBe(false);
  });
});
