import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { chooseRoute, routePoint, routeSeed } from './routing.js';

describe('chooseRoute', () => {
  it('takes the first share whose running total lies above the point', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 50 }), { maxLength: 5 }), fc.integer(), fc.integer(), (percentages, seed, hash) => {
        const point = routePoint(seed, hash);
        let total = 0;
        const expected = percentages.findIndex((percentage) => {
          total += percentage;
          return total > point;
        });
        expect(
          chooseRoute(
            percentages.map((percentage) => ({ percentage })),
            seed,
            hash,
          ),
        ).toBe(expected);
      }),
    );
  });

  it('splits requests by percentage, fractions included, and components independently', () => {
    const shares = [{ percentage: 12.5 }, { percentage: 87.5 }];
    const [left, right] = [routeSeed('ranker'), routeSeed('rating')];
    const count = 20_000;
    let first = 0;
    let both = 0;
    for (let hash = 0; hash < count; hash++) {
      const isFirst = chooseRoute(shares, left, hash) === 0;
      if (isFirst) first++;
      if (isFirst && chooseRoute(shares, right, hash) === 0) both++;
    }
    expect(first / count).toBeCloseTo(0.125, 1);
    expect(Math.abs(first / count - 0.125)).toBeLessThan(0.01);
    expect(Math.abs(both / count - 0.125 * 0.125)).toBeLessThan(0.005);
  });
});
