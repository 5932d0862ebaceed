import { describe, expect, it } from 'vitest';
import { CacheSources } from './cache-sources.js';

describe('CacheSources', () => {
  it('gives equal texts one number, with the times of each plan', () => {
    const sources = new CacheSources();
    const first = sources.of('a', 100, 0);
    const second = sources.of('a', 10, 5);
    expect(second).toEqual({ ...first, ttlMs: 10, lifeMs: 15 });
    expect(first.ttlMs).toBe(100);
    expect(sources.of('b', 100, 0).number).not.toBe(first.number);
    expect(sources.lifeMsOf(first.number)).toBe(15);
  });

  it('forgets who has not been asked for longest, and gives nobody its number', () => {
    const sources = new CacheSources();
    const [first, second] = [sources.of('first', 1, 0), sources.of('second', 1, 0)];
    const numbers = new Set([first.number, second.number]);
    for (let index = 0; index < 5000; index++) {
      numbers.add(sources.of(`s${index}`, 1, 0).number);
      sources.of('first', 1, 0);
    }
    expect(sources.size).toBe(4096);
    expect(numbers.size).toBe(5002);
    expect(sources.of('first', 1, 0).number).toBe(first.number);
    expect(sources.lifeMsOf(second.number)).toBe(Number.POSITIVE_INFINITY);
    expect(numbers.has(sources.of('second', 1, 0).number)).toBe(false);
  });
});
