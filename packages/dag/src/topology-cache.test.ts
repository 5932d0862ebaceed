import { describe, expect, it } from 'vitest';
import type { TopologyInput } from './topology.js';
import { createTopologyCache } from './topology-cache.js';

function chain(...names: string[]): TopologyInput {
  const dependencies: Record<string, string[]> = {};
  for (const [index, name] of names.entries()) dependencies[name] = index === 0 ? [] : [names[index - 1]!];
  return { components: names.map((componentId) => ({ componentId })), dependencies };
}

describe('createTopologyCache', () => {
  it('compiles equal graphs once, however they are written', () => {
    const cache = createTopologyCache();
    const topology = cache.compile({
      components: [{ componentId: 'a' }, { componentId: 'b' }, { componentId: 'c', reads: ['x', 'y'] }],
      dependencies: { c: ['a', 'b'], b: [] },
    });
    const again = cache.compile({
      components: [{ componentId: 'c', reads: ['y', 'x'] }, { componentId: 'b', onFailure: 'default' }, { componentId: 'a' }],
      dependencies: { b: [], c: ['b', 'a', 'b'] },
    });
    expect(again).toBe(topology);
    expect([cache.hits, cache.misses, cache.size]).toEqual([1, 1, 1]);
  });

  it.each<[string, TopologyInput]>([
    ['an edge', { components: [{ componentId: 'a' }, { componentId: 'b' }], dependencies: {} }],
    ['a policy', { components: [{ componentId: 'a' }, { componentId: 'b', onFailure: 'fail' }], dependencies: { a: [], b: ['a'] } }],
    ['a read', { components: [{ componentId: 'a' }, { componentId: 'b', reads: ['x'] }], dependencies: { a: [], b: ['a'] } }],
    ['a space in a name', chain('a', 'b ')],
  ])('tells graphs apart by %s', (_, other) => {
    const cache = createTopologyCache();
    expect(cache.compile(other)).not.toBe(cache.compile(chain('a', 'b')));
    expect([cache.hits, cache.misses]).toEqual([0, 2]);
  });

  it('keeps names apart that only look alike when joined', () => {
    const cache = createTopologyCache();
    const one = cache.compile({ components: [{ componentId: 'a","b' }], dependencies: {} });
    const two = cache.compile({ components: [{ componentId: 'a' }, { componentId: 'b' }], dependencies: {} });
    expect([one.componentIds, two.componentIds]).toEqual([['a","b'], ['a', 'b']]);
  });

  it('forgets the least recently used', () => {
    const cache = createTopologyCache({ maxEntries: 2 });
    const first = cache.compile(chain('a'));
    const second = cache.compile(chain('b'));
    expect(cache.compile(chain('a'))).toBe(first);
    cache.compile(chain('c'));
    expect(cache.compile(chain('a'))).toBe(first);
    expect(cache.compile(chain('b'))).not.toBe(second);
    expect([cache.size, cache.evictions]).toEqual([2, 2]);
  });

  it('forgets a topology when its time is over, used or not', () => {
    let time = 0;
    const cache = createTopologyCache({ ttlMs: 10, now: () => time });
    const first = cache.compile(chain('a'));
    time = 9;
    expect(cache.compile(chain('a'))).toBe(first);
    time = 10;
    expect(cache.compile(chain('a'))).not.toBe(first);
    expect([cache.hits, cache.misses, cache.size]).toEqual([1, 2, 1]);
  });

  it.each([{ maxEntries: 0 }, { ttlMs: 0 }])('keeps nothing with %j', (options) => {
    const cache = createTopologyCache(options);
    cache.compile(chain('a'));
    cache.compile(chain('a'));
    expect([cache.hits, cache.misses, cache.size]).toEqual([0, 2, 0]);
  });

  it('does not keep a graph with problems', () => {
    const cache = createTopologyCache();
    const bad = { components: [{ componentId: 'a' }], dependencies: { a: ['a'] } };
    for (let round = 0; round < 2; round++)
      expect(() => cache.compile(bad)).toThrow(expect.objectContaining({ code: 'INFERFLOW_DAG_CYCLE' }));
    expect([cache.size, cache.misses]).toEqual([0, 2]);
  });

  it('tells problems by their places in what the caller wrote', () => {
    const input: TopologyInput = { components: [{ componentId: 'z' }, { componentId: 'a' }], dependencies: { z: ['b', 'a', 'aa'] } };
    const paths = ['dependencies.z[2]', 'dependencies.z[0]'];
    expect(() => createTopologyCache().compile(input)).toThrow(
      expect.objectContaining({ issues: paths.map((path) => expect.objectContaining({ path })) }),
    );
  });

  it('does not notice when the caller changes the graph afterwards', () => {
    const cache = createTopologyCache();
    const input = chain('a', 'b');
    const topology = cache.compile(input);
    (input.dependencies as Record<string, string[]>)['b'] = [];
    expect(cache.compile(input)).not.toBe(topology);
    expect(topology.levels).toHaveLength(2);
  });

  it.each([{ maxEntries: -1 }, { maxEntries: 1.5 }, { ttlMs: -1 }, { ttlMs: Number.NaN }])('refuses %j', (options) => {
    expect(() => createTopologyCache(options)).toThrow(expect.objectContaining({ code: 'INFERFLOW_DAG_OPTION_INVALID' }));
  });
});
