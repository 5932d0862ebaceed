import { murmur3 } from '@inferflow/matrix';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { CacheSource } from './cache-sources.js';
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
      put(source: CacheSource, keyText: string, value: string): boolean {
        const key = encoder.encode(keyText);
        const bytes = encoder.encode(value);
        if (!cache.put(source, hashOf(key), key, 0, key.length, bytes.length)) return false;
        cache.putBytes.set(bytes, cache.putAt);
        return true;
      },
      find(source: CacheSource, keyText: string): { find: CacheFind; value: string } {
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
    const first = cache.source('m1|f', 1000, 0);
    const second = cache.source('m2|f', 1000, 0);
    put(first, 'k', 'one');
    expect(find(second, 'k').find).toBe(CacheFind.miss);
    expect(find(first, 'k')).toEqual({ find: CacheFind.fresh, value: 'one' });
    expect(find(cache.source('m1|f', 1000, 0), 'k').value).toBe('one');
  });

  it('turns stale after the time to live and vanishes after that', () => {
    const { cache, put, find, advance } = harness(1 << 20);
    const source = cache.source('s', 100, 50);
    put(source, 'k', 'v');
    advance(99);
    expect(find(source, 'k').find).toBe(CacheFind.fresh);
    advance(1);
    expect(find(source, 'k')).toEqual({ find: CacheFind.stale, value: 'v' });
    advance(50);
    expect(find(source, 'k').find).toBe(CacheFind.miss);
  });

  it('goes by the times of who looks, not by those of who wrote', () => {
    const { cache, put, find, advance } = harness(1 << 20);
    const written = cache.source('s', 1000, 0);
    for (const key of ['a', 'b']) put(written, key, 'v');
    advance(100);
    expect(find(cache.source('s', 60, 60), 'a').find).toBe(CacheFind.stale);
    expect(find(written, 'a').find).toBe(CacheFind.fresh);
    expect(find(cache.source('s', 100, 0), 'a').find).toBe(CacheFind.miss);
    expect(find(cache.source('s', 9000, 0), 'a').find).toBe(CacheFind.miss);
    advance(1000);
    expect(find(cache.source('s', 9000, 0), 'b')).toEqual({ find: CacheFind.fresh, value: 'v' });
    expect(cache.stats().expired).toBe(1);
  });

  it('makes room by what is past its time now', () => {
    const { cache, put, find, advance, evicted } = harness(64 * 1024);
    const written = cache.source('s', 1e9, 0);
    put(written, 'used', 'v');
    expect(find(written, 'used').find).toBe(CacheFind.fresh);
    advance(100);
    const other = cache.source('other', 1e9, 0);
    cache.source('s', 50, 0);
    for (let index = 0; evicted() === 0; index++) put(other, `k${index}`, 'x'.repeat(500));
    expect(cache.stats().expired).toBe(1);
    expect(find(written, 'used').find).toBe(CacheFind.miss);
  });

  it('takes memory as it fills, stays below its bound and refuses what is too large', () => {
    const maxBytes = 1 << 20;
    const { cache, put, evicted } = harness(maxBytes);
    const source = cache.source('s', 1e9, 0);
    expect(cache.stats().bytes).toBeLessThan(4096);
    for (let index = 0; index < 40_000; index++) {
      put(source, `key-${index}`, 'x'.repeat(100));
      if (index % 1000 === 0) expect(cache.stats().bytes).toBeLessThanOrEqual(maxBytes);
    }
    expect(evicted()).toBeGreaterThan(30_000);
    expect(cache.stats().entries).toBe(40_000 - evicted());
    expect(put(source, 'large', 'x'.repeat(200_000))).toBe(false);
    expect(cache.stats().refused).toBe(1);
  });

  it('stays below its bound when small entries follow large ones, as its index grows', () => {
    const maxBytes = 1 << 20;
    const { cache, put, find } = harness(maxBytes);
    const source = cache.source('s', 1e9, 0);
    for (let index = 0; index < 600; index++) put(source, `large-${index}`, 'x'.repeat(2000));
    let most = 0;
    for (let index = 0; index < 40_000; index++) {
      put(source, `small-${index}`, 'x');
      most = Math.max(most, cache.stats().bytes);
    }
    expect(most).toBeLessThanOrEqual(maxBytes);
    expect(most).toBeGreaterThan(maxBytes * 0.9);
    expect(find(source, 'small-39999')).toEqual({ find: CacheFind.fresh, value: 'x' });
  });

  it('keeps entries that are used when it has to make room', () => {
    const { cache, put, find } = harness(256 * 1024);
    const source = cache.source('s', 1e9, 0);
    put(source, 'hot', 'value');
    for (let index = 0; index < 20_000; index++) {
      put(source, `cold-${index}`, 'x'.repeat(64));
      if (index % 50 === 0) expect(find(source, 'hot')).toEqual({ find: CacheFind.fresh, value: 'value' });
    }
  });

  it('never gives another value than a Map with a clock would', () => {
    const key = fc.integer({ min: 0, max: 300 });
    const life = { ttl: fc.integer({ min: 1, max: 60 }), stale: fc.integer({ min: 0, max: 30 }) };
    const step = fc.oneof(
      { weight: 10, arbitrary: fc.record({ kind: fc.constant('put' as const), key, size: fc.integer({ min: 0, max: 900 }) }) },
      { weight: 10, arbitrary: fc.record({ kind: fc.constant('find' as const), key }) },
      { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 20 }) }) },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('plan' as const), ...life }) },
    );
    fc.assert(
      fc.property(fc.array(step, { minLength: 200, maxLength: 1500 }), (steps) => {
        const { cache, put, find, advance, evicted } = harness(64 * 1024);
        const model = new Map<number, { value: string; at: number }>();
        let source = cache.source('s', 30, 10);
        let now = 0;
        let written = 0;
        let expired = 0;
        for (const one of steps) {
          if (one.kind === 'wait') {
            advance(one.ms);
            now += one.ms;
          } else if (one.kind === 'plan') {
            source = cache.source('s', one.ttl, one.stale);
          } else if (one.kind === 'put') {
            const value = `${written++}:`.padEnd(one.size, 'v');
            if (put(source, `k${one.key}`, value)) model.set(one.key, { value, at: now });
          } else {
            const { find: found, value } = find(source, `k${one.key}`);
            const expected = model.get(one.key);
            const age = now - (expected?.at ?? now);
            if (found === CacheFind.miss) {
              if (model.delete(one.key) && age >= source.lifeMs && evicted() === 0) expired++;
              // Only for want of room may an entry be lost that is still good.
              else if (evicted() === 0 && cache.stats().expired === expired) expect(expected).toBeUndefined();
            } else {
              expect(value).toBe(expected?.value);
              expect(found).toBe(age < source.ttlMs ? CacheFind.fresh : CacheFind.stale);
              expect(age).toBeLessThan(source.lifeMs);
            }
          }
          expect(cache.stats().bytes).toBeLessThanOrEqual(64 * 1024);
        }
      }),
      { numRuns: 60 },
    );
  });
});
