import { murmur3 } from '@inferflow/matrix';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CacheFind, createFeatureCache } from './feature-cache.js';
import { HashIndex } from './hash-index.js';

const encoder = new TextEncoder();
const decoder = new TextDecoder();

describe('HashIndex', () => {
  it('holds what a Map of lists holds, also with equal hashes', () => {
    const step = fc.record({ add: fc.boolean(), hash: fc.integer({ min: 0, max: 40 }), value: fc.integer({ min: 1, max: 30 }) });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const index = new HashIndex();
        const model: string[] = [];
        for (const { add, hash, value } of steps) {
          const spread = (hash * 0x9e3779b1) >>> 0;
          const known = model.indexOf(`${spread}:${value}`);
          if (add && known < 0) {
            index.insert(spread, value);
            model.push(`${spread}:${value}`);
          } else if (!add) {
            const place = index.find(spread, value);
            expect(place >= 0).toBe(known >= 0);
            if (place >= 0) {
              index.removeAt(place);
              model.splice(known, 1);
            }
          }
        }
        expect(index.size).toBe(model.length);
        for (const entry of model) {
          const [hash, value] = entry.split(':').map(Number) as [number, number];
          expect(index.find(hash, value)).toBeGreaterThanOrEqual(0);
        }
      }),
      { numRuns: 200 },
    );
  });
});

describe('FeatureCache', () => {
  function harness(maxBytes: number) {
    let now = 1000;
    let evicted = 0;
    const cache = createFeatureCache({ maxBytes, now: () => now, evicted: { add: (count) => (evicted += count) } });
    const hashOf = (key: Uint8Array) => murmur3(key, 0, key.length, 7);
    return {
      cache,
      evicted: () => evicted,
      advance: (ms: number) => (now += ms),
      put(source: number, keyText: string, value: string, ttlMs = 1000, staleMs = 0): boolean {
        const key = encoder.encode(keyText);
        const bytes = encoder.encode(value);
        if (!cache.put(source, hashOf(key), key, 0, key.length, bytes.length, ttlMs, staleMs)) return false;
        cache.putBytes.set(bytes, cache.putAt);
        return true;
      },
      find(source: number, keyText: string): { find: CacheFind; value: string } {
        const key = encoder.encode(keyText);
        const find = cache.find(source, hashOf(key), key, 0, key.length);
        const value =
          find === CacheFind.miss ? '' : decoder.decode(cache.foundBytes.subarray(cache.foundAt, cache.foundAt + cache.foundLength));
        return { find, value };
      },
    };
  }

  it('keeps sources apart', () => {
    const { cache, put, find } = harness(1 << 20);
    const first = cache.sourceId('m1|f');
    const second = cache.sourceId('m2|f');
    expect(cache.sourceId('m1|f')).toBe(first);
    put(first, 'k', 'one');
    expect(find(second, 'k').find).toBe(CacheFind.miss);
    expect(find(first, 'k')).toEqual({ find: CacheFind.fresh, value: 'one' });
  });

  it('turns stale after the time to live and vanishes after that', () => {
    const { put, find, advance } = harness(1 << 20);
    put(1, 'k', 'v', 100, 50);
    advance(99);
    expect(find(1, 'k').find).toBe(CacheFind.fresh);
    advance(1);
    expect(find(1, 'k')).toEqual({ find: CacheFind.stale, value: 'v' });
    advance(50);
    expect(find(1, 'k').find).toBe(CacheFind.miss);
  });

  it('takes memory as it fills, stays below its bound and refuses what is too large', () => {
    const maxBytes = 1 << 20;
    const { cache, put, evicted } = harness(maxBytes);
    expect(cache.stats().bytes).toBeLessThan(4096);
    for (let index = 0; index < 40_000; index++) {
      put(1, `key-${index}`, 'x'.repeat(100), 1e9);
      if (index % 1000 === 0) expect(cache.stats().bytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(evicted()).toBeGreaterThan(30_000);
    expect(cache.stats().entries).toBe(40_000 - evicted());
    expect(put(1, 'large', 'x'.repeat(200_000))).toBe(false);
    expect(cache.stats().refused).toBe(1);
  });

  it('stays below its bound when small entries follow large ones, as its index grows', () => {
    const maxBytes = 1 << 20;
    const { cache, put, find } = harness(maxBytes);
    for (let index = 0; index < 600; index++) put(1, `large-${index}`, 'x'.repeat(2000), 1e9);
    let most = 0;
    for (let index = 0; index < 40_000; index++) {
      put(1, `small-${index}`, 'x', 1e9);
      most = Math.max(most, cache.stats().bytes);
    }
    expect(most).toBeLessThanOrEqual(maxBytes);
    expect(most).toBeGreaterThan(maxBytes * 0.9);
    expect(find(1, 'small-39999')).toEqual({ find: CacheFind.fresh, value: 'x' });
  });

  it('keeps entries that are used when it has to make room', () => {
    const { put, find } = harness(256 * 1024);
    put(1, 'hot', 'value', 1e9);
    for (let index = 0; index < 20_000; index++) {
      put(1, `cold-${index}`, 'x'.repeat(64), 1e9);
      if (index % 50 === 0) expect(find(1, 'hot')).toEqual({ find: CacheFind.fresh, value: 'value' });
    }
  });

  it('never gives another value than a Map with a clock would', () => {
    const step = fc.oneof(
      {
        weight: 5,
        arbitrary: fc.record({
          kind: fc.constant('put' as const),
          key: fc.integer({ min: 0, max: 300 }),
          size: fc.integer({ min: 0, max: 900 }),
          ttl: fc.integer({ min: 1, max: 60 }),
          stale: fc.integer({ min: 0, max: 30 }),
        }),
      },
      { weight: 5, arbitrary: fc.record({ kind: fc.constant('find' as const), key: fc.integer({ min: 0, max: 300 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20 }) }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 200, maxLength: 1500 }), (steps) => {
        const { cache, put, find, advance, evicted } = harness(64 * 1024);
        const model = new Map<number, { value: string; freshUntil: number; staleUntil: number }>();
        let now = 0;
        let written = 0;
        for (const one of steps) {
          if (one.kind === 'wait') {
            advance(one.ms);
            now += one.ms;
          } else if (one.kind === 'put') {
            const value = `${written++}:`.padEnd(one.size, 'v');
            if (put(1, `k${one.key}`, value, one.ttl, one.stale))
              model.set(one.key, { value, freshUntil: now + one.ttl, staleUntil: now + one.ttl + one.stale });
          } else {
            const { find: found, value } = find(1, `k${one.key}`);
            const expected = model.get(one.key);
            if (found === CacheFind.miss) {
              // Only an eviction may lose an entry that is still good.
              if (evicted() === 0) expect(expected === undefined || now >= expected.staleUntil).toBe(true);
            } else {
              expect(value).toBe(expected?.value);
              expect(found).toBe(now < (expected?.freshUntil ?? 0) ? CacheFind.fresh : CacheFind.stale);
              expect(now).toBeLessThan(expected?.staleUntil ?? 0);
            }
          }
          expect(cache.stats().bytes).toBeLessThanOrEqual(64 * 1024);
        }
      }),
      { numRuns: 60 },
    );
  });
});
