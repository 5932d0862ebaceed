import { CellStatus, DataType } from '@inferflow/matrix';
import { describe, expect, it, vi } from 'vitest';
import { FeatureCache } from './cache/feature-cache.js';
import { featureDefinition } from './feature/feature-component.js';
import { answerTo, configOf, decodeQuery, turn } from './feature/feature-store.fixture.js';
import { createTestBackend, ManualUpstream, TestBench } from './testing/index.js';

const longKeys = (first: number) => Array.from({ length: 3 }, (_, index) => `k${first + index}`.padEnd(20_000, '.'));
const answerOf = (call: { readonly message: Uint8Array }) => answerTo(decodeQuery(call.message), () => new Uint8Array(4));

function world(options: Parameters<typeof configOf>[0], cache?: FeatureCache) {
  const upstream = new ManualUpstream();
  const bench = new TestBench(featureDefinition, {
    config: configOf(options),
    columns: { item: ['k0'] },
    backends: { featureStore: createTestBackend(upstream, { batchSize: 50, deadlineMs: 60_000 }) },
    ...(cache && { cache }),
  });
  const begin = (keys: readonly string[]) => {
    const request = bench.createRequest({ columns: { item: keys } });
    const state = bench.createState();
    request.begin(state);
    return { request, state };
  };
  const runOut = () =>
    vi.spyOn(bench.pool, 'acquire').mockImplementationOnce(() => {
      throw new RangeError('Array buffer allocation failed');
    });
  return { upstream, begin, runOut };
}

describe('memory that runs out', () => {
  it('for the composite keys of one request, ends that one and lets the others of its call go on', async () => {
    const { upstream, begin, runOut } = world({ composite: true });
    const [first, second] = [begin(longKeys(0)), begin(longKeys(3))];
    await turn();
    expect(upstream.calls).toHaveLength(1);
    const out = runOut();
    upstream.calls[0]?.answer(answerOf(upstream.calls[0]));
    expect(out.mock.results[0]?.type).toBe('throw');
    expect([first.request.ends, first.request.failure?.reason, first.state.busy]).toEqual([1, 'exception', false]);
    expect([second.request.ends, second.request.failure]).toEqual([1, null]);
  });

  it('for a cached row that stands in for a failed call, costs that row alone', async () => {
    let now = 0;
    const cache = new FeatureCache({ maxBytes: 1e7, now: () => now });
    const groups = [{ label: 'text', type: DataType.String, features: ['a'] }];
    const { upstream, begin, runOut } = world({ groups, cache: { enabled: true, ttlSeconds: 1, staleIfErrorSeconds: 100 } }, cache);
    begin(['a', 'b']);
    await turn();
    upstream.calls[0]?.answer(answerTo(decodeQuery(upstream.calls[0].message), ([key]) => Buffer.from(`${key}`.padEnd(20_000, '.'))));
    now = 5000;
    const { request, state } = begin(['a', 'b']);
    await turn();
    const out = runOut();
    upstream.calls[1]?.fail('unavailable');
    expect(out.mock.results[0]?.type).toBe('throw');
    expect([request.ends, request.failure]).toEqual([1, null]);
    expect([state.written?.status(0, 0), state.written?.status(1, 0)]).toEqual([CellStatus.failed, CellStatus.stale]);
  });
});
