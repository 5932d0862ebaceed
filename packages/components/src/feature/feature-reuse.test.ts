import { DataType } from '@inferflow/matrix';
import { GrpcError } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { createFeatureCache } from '../cache/feature-cache.js';
import { createTestBackend, ManualUpstream } from '../testing/index.js';
import { featureDefinition } from './feature-component.js';
import { answerTo, cellOf, configOf, decodeQuery, describeBothDecoders, numberOf, store, turn } from './feature-store.fixture.js';

describeBothDecoders('rows that are there already, decoded', ({ runComponent, TestBench }) => {
  describe('cache', () => {
    const cached = (stale = 0) =>
      configOf({
        cache: { enabled: true, ttlSeconds: 10, staleIfErrorSeconds: stale },
        groups: [
          { label: 'fp32', type: DataType.FP32, features: ['a', 'b'] },
          { label: 'text', type: DataType.String, features: ['t'] },
        ],
      });
    const cell = (keys: string[], group: string, feature: string) =>
      feature === 'a' && keys[0] === 'hole'
        ? new Uint8Array(0)
        : group === 'text'
          ? new TextEncoder().encode(`${keys[0]}!`)
          : cellOf(keys, group, feature);

    it('fetches a key once within its time, holes and texts included', async () => {
      let now = 0;
      const cache = createFeatureCache({ maxBytes: 1 << 20, now: () => now });
      const { queries, backends } = store((query) => answerTo(query, cell));
      const run = (items: string[]) => runComponent(featureDefinition, { config: cached(), columns: { item: items }, backends, cache });
      const first = await run(['hole', 'x']);
      const second = await run(['x', 'hole', 'y']);
      expect(queries.map((query) => query.keys)).toEqual([[['hole'], ['x']], [['y']]]);
      expect(second.columns['item:fp32:a']).toEqual([first.columns['item:fp32:a']?.[1], null, numberOf(['y'], 'a')]);
      expect(second.status['item:fp32:a']).toEqual(['cached', 'missing', 'fresh']);
      expect(second.columns['item:text:t']).toEqual(['x!', 'hole!', 'y!']);
      now = 10_000;
      await run(['x']);
      expect(queries).toHaveLength(3);
    });

    it('does not mix queries or types', async () => {
      const cache = createFeatureCache({ maxBytes: 1 << 20 });
      const { queries, backends } = store((query) => answerTo(query, cellOf));
      const config = (features: string[], type: DataType = DataType.FP32) =>
        configOf({ cache: { enabled: true }, groups: [{ label: 'fp32', type, features }] });
      await runComponent(featureDefinition, { config: config(['a', 'b']), columns: { item: ['x'] }, backends, cache });
      const result = await runComponent(featureDefinition, { config: config(['b', 'a']), columns: { item: ['x'] }, backends, cache });
      expect(queries).toHaveLength(2);
      expect(result.columns['item:fp32:a']).toEqual([numberOf(['x'], 'a')]);
      await runComponent(featureDefinition, { config: config(['b', 'a'], DataType.Int32), columns: { item: ['x'] }, backends, cache });
      expect(queries).toHaveLength(3);
    });

    it('serves rows that are there already as long as the configuration of now says', async () => {
      let now = 0;
      const cache = createFeatureCache({ maxBytes: 1 << 20, now: () => now });
      const { queries, backends } = store((query) => answerTo(query, cellOf));
      const run = (ttlSeconds: number) =>
        runComponent(featureDefinition, {
          config: configOf({ cache: { enabled: true, ttlSeconds } }),
          columns: { item: ['x'] },
          backends,
          cache,
        });
      await run(3600);
      now = 3000;
      expect((await run(3600)).status['item:fp32:a']).toEqual(['cached']);
      expect((await run(1)).status['item:fp32:a']).toEqual(['fresh']);
      now = 5000;
      expect((await run(3600)).status['item:fp32:a']).toEqual(['cached']);
      expect(queries).toHaveLength(2);
    });

    it('serves what is past its time when the store fails, if told to', async () => {
      let now = 0;
      const cache = createFeatureCache({ maxBytes: 1 << 20, now: () => now });
      let fails = false;
      const { backends } = store((query) => {
        if (fails) throw new GrpcError(14, 'gone');
        return answerTo(query, cell);
      });
      const run = (stale: number) =>
        runComponent(featureDefinition, { config: cached(stale), columns: { item: ['x', 'new'] }, backends, cache });
      await runComponent(featureDefinition, { config: cached(30), columns: { item: ['x'] }, backends, cache });
      fails = true;
      now = 15_000;
      const result = await run(30);
      expect(result.status['item:fp32:a']).toEqual(['stale', 'failed']);
      expect(result.columns['item:text:t']).toEqual(['x!', null]);
      expect(result.faults.map(({ from, to }) => [from, to])).toEqual([[1, 2]]);
      now = 41_000;
      expect((await run(30)).failure?.reason).toBe('unavailable');
    });
  });

  describe('sharing', () => {
    function bench(share: boolean) {
      const upstream = new ManualUpstream();
      const columns = { item: ['x', 'y'] };
      const made = new TestBench(featureDefinition, {
        config: configOf({}),
        columns,
        backends: { featureStore: createTestBackend(upstream) },
        shareFetches: share,
      });
      const start = () => {
        const request = made.createRequest();
        const state = made.createState();
        request.begin(state);
        return { request, state };
      };
      const answer = (index: number) =>
        upstream.calls[index]?.answer(answerTo(decodeQuery((upstream.calls[index] as { message: Uint8Array }).message), cellOf));
      return { upstream, start, answer };
    }

    it('two requests that need a key at once fetch it once', async () => {
      const { upstream, start, answer } = bench(true);
      const first = start();
      const second = start();
      await turn();
      expect(upstream.calls).toHaveLength(1);
      answer(0);
      for (const { request, state } of [first, second]) {
        expect(request.ends).toBe(1);
        expect(request.failure).toBeNull();
        expect(state.written?.memory.view.getFloat32(0, true)).toBe(numberOf(['x'], 'a'));
        expect(state.written?.memory.view.getFloat32(8, true)).toBe(numberOf(['y'], 'a'));
      }
      start();
      await turn();
      expect(upstream.calls).toHaveLength(2);
    });

    it('does not share when told not to, and waits for nothing', () => {
      const { upstream, start } = bench(false);
      start();
      start();
      expect(upstream.calls).toHaveLength(2);
    });

    it('goes on for the others when one leaves, and ends with the last one', async () => {
      const { upstream, start, answer } = bench(true);
      const first = start();
      await turn();
      const second = start();
      first.request.cancel(first.state);
      expect(upstream.cancelled).toBe(0);
      answer(0);
      expect(second.request.failure).toBeNull();
      const third = start();
      await turn();
      const fourth = start();
      third.request.cancel(third.state);
      fourth.request.cancel(fourth.state);
      expect(upstream.cancelled).toBe(1);
      expect(upstream.open).toHaveLength(0);
    });

    it('lets each try once for itself when a call fails, whoever began it', async () => {
      const { upstream, start, answer } = bench(true);
      const owner = start();
      await turn();
      const waiter = start();
      upstream.calls[0]?.fail('unavailable');
      expect([owner.request.ends, waiter.request.ends]).toEqual([0, 0]);
      expect(upstream.calls).toHaveLength(3);
      upstream.calls[1]?.fail('unavailable');
      answer(2);
      expect(owner.request.failure?.reason).toBe('unavailable');
      expect(waiter.request.failure).toBeNull();
      const again = start();
      await turn();
      upstream.calls[3]?.fail('unavailable');
      expect(again.request.failure?.reason).toBe('unavailable');
      expect(upstream.calls).toHaveLength(4);
    });
  });
});
