import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { PageSize, prefixEnd } from './range-pages.js';

describe('prefixEnd', () => {
  it('comes after every key with the prefix and before every other that is greater', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1 }).filter((value) => value.isWellFormed());
    fc.assert(
      fc.property(text, fc.string({ unit: 'grapheme' }), text, (prefix, rest, other) => {
        const [from, end] = [Buffer.from(prefix), prefixEnd(prefix)];
        const isWithin = (key: string) => Buffer.compare(Buffer.from(key), from) >= 0 && Buffer.compare(Buffer.from(key), end) < 0;
        expect(isWithin(prefix + rest)).toBe(true);
        expect(isWithin(other)).toBe(Buffer.from(other).subarray(0, from.length).equals(from));
      }),
    );
  });
});

describe('PageSize', () => {
  it('asks for fewer keys when values are large, for more when they are small, and never for none', () => {
    const page = new PageSize();
    const first = page.limit;
    page.learn(first, first * 1_400_000);
    expect(page.limit).toBe(1);
    page.learn(1, 100);
    expect(page.limit).toBe(4);
    for (let turn = 0; turn < 10; turn++) page.learn(page.limit, page.limit * 100);
    expect(page.limit).toBe(1000);
    page.learn(0, 0);
    expect(page.limit).toBe(1000);
  });
});
