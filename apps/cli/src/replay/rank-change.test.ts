import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { LogHistogram, RangeHistogram } from './histogram.js';
import { kendallTau, topOverlap } from './rank-change.js';

function naiveTau(left: readonly number[], right: readonly number[]): number {
  let [score, leftPairs, rightPairs] = [0, 0, 0];
  for (let a = 0; a < left.length; a++) {
    for (let b = 0; b < a; b++) {
      const first = Math.sign((left[a] as number) - (left[b] as number));
      const second = Math.sign((right[a] as number) - (right[b] as number));
      score += first * second;
      leftPairs += first * first;
      rightPairs += second * second;
    }
  }
  return score / Math.sqrt(leftPairs * rightPairs);
}

describe('kendallTau', () => {
  it('is 1 for the same order, −1 for the reverse', () => {
    expect(kendallTau([1, 2, 3, 4], [10, 20, 30, 40])).toBe(1);
    expect(kendallTau([1, 2, 3, 4], [4, 3, 2, 1])).toBe(-1);
    expect(kendallTau([1, 2, 3, 4], [1, 2, 4, 3])).toBeCloseTo(2 / 3);
    expect(kendallTau([1, 1, 1], [1, 2, 3])).toBeNaN();
  });

  it('is what counting all pairs gives, ties included', () => {
    const value = fc.integer({ min: 0, max: 8 });
    fc.assert(
      fc.property(fc.array(fc.tuple(value, value), { minLength: 2, maxLength: 40 }), (rows) => {
        const [left, right] = [rows.map(([first]) => first), rows.map(([, second]) => second)];
        const expected = naiveTau(left, right);
        if (Number.isNaN(expected)) expect(kendallTau(left, right)).toBeNaN();
        else expect(kendallTau(left, right)).toBeCloseTo(expected, 10);
      }),
    );
  });
});

describe('topOverlap', () => {
  it('is the share of the best that both lists have', () => {
    expect(topOverlap([5, 4, 3, 2, 1], [5, 4, 3, 2, 1], 3)).toBe(1);
    expect(topOverlap([5, 4, 3, 2, 1], [1, 2, 3, 4, 5], 2)).toBe(0);
    expect(topOverlap([5, 4, 3], [5, 3, 4], 2)).toBe(0.5);
    expect(topOverlap([2, 1], [1, 2], 10)).toBe(1);
  });
});

describe('LogHistogram', () => {
  it('finds quantiles within a percent, in fixed memory', () => {
    fc.assert(
      fc.property(fc.array(fc.double({ min: 1e-9, max: 1e9, noNaN: true }), { minLength: 1, maxLength: 300 }), (values) => {
        const histogram = new LogHistogram();
        for (const value of values) histogram.add(value);
        const sorted = [...values].sort((left, right) => left - right);
        for (const share of [0.01, 0.5, 0.9, 0.999, 1]) {
          const exact = sorted[Math.ceil(share * sorted.length) - 1] as number;
          expect(Math.abs(histogram.quantile(share) - exact)).toBeLessThanOrEqual(exact * 0.0101);
        }
        expect(histogram.max).toBe(sorted.at(-1));
      }),
    );
  });

  it('counts what has not changed as zero', () => {
    const histogram = new LogHistogram();
    for (const value of [0, 0, 0, 0.5]) histogram.add(value);
    expect([histogram.quantile(0.5), histogram.quantile(0.75), histogram.max, histogram.mean]).toEqual([0, 0, 0.5, 0.125]);
    expect(histogram.decades()).toEqual([
      { from: 0, count: 3 },
      { from: 0.1, count: 1 },
    ]);
  });
});

describe('RangeHistogram', () => {
  it('finds quantiles within a two-thousandth of its range', () => {
    const histogram = new RangeHistogram(-1, 1);
    for (let value = -100; value <= 100; value++) histogram.add(value / 100);
    expect(histogram.quantile(0.5)).toBeCloseTo(0, 2);
    expect(histogram.quantile(0.01)).toBeCloseTo(-0.98, 2);
    expect([histogram.min, histogram.count]).toEqual([-1, 201]);
    expect(new RangeHistogram(0, 1).quantile(0.5)).toBeNaN();
  });
});
