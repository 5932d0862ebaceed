import { describe, expect, it } from 'vitest';
import { dailyHash, isSampled } from './sampling.js';

describe('dailyHash', () => {
  it.each([
    ['16022026', 1194230597],
    ['1234516022026', 608342481],
    ['u-129022024', 1298577000],
    ['987654321031122025', -838475904],
  ])('hashes %s', (text, hash) => {
    expect(dailyHash(text)).toBe(hash);
  });
});

describe('isSampled', () => {
  const at = Date.UTC(2026, 1, 16, 12);
  it('takes the users whose daily hash is below the percentage', () => {
    const input = { userId: '12345', routeHash: 0, nowMs: at, compat: false };
    expect(isSampled(81, input)).toBe(false);
    expect(isSampled(82, input)).toBe(true);
    expect(isSampled(0, input)).toBe(false);
    expect(isSampled(100, input)).toBe(true);
  });

  it('samples anonymous requests one by one, and all alike with compat', () => {
    const outcomes = new Set(
      Array.from({ length: 100 }, (_, routeHash) => isSampled(50, { userId: '', routeHash, nowMs: at, compat: false })),
    );
    expect(outcomes.size).toBe(2);
    expect(isSampled(98, { userId: '', routeHash: 5, nowMs: at, compat: true })).toBe(
      isSampled(98, { userId: '', routeHash: 99, nowMs: at, compat: true }),
    );
  });
});
