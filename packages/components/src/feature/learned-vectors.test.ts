import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type Block, CellStatus, DataType } from '@inferflow/matrix';
import { RetrieveQuerySchema, RetrieveResultSchema } from '@inferflow/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createFeatureCache } from '../cache/feature-cache.js';
import { createTestBackend, type ManualCall, ManualUpstream, TestBench, type TestOptions } from '../testing/index.js';
import { featureDefinition } from './feature-component.js';
import { configOf, turn } from './feature-store.fixture.js';

const names = ['v', 'x', 'text', 'w'] as const;
const types = { v: DataType.FP32Vector, x: DataType.FP32, text: DataType.String, w: DataType.Int8Vector };

const vectors = configOf({
  groups: names.map((name) => ({ label: name, type: types[name], features: [name] })),
  cache: { enabled: true, requested: true },
});

/** Bytes of a key's four cells; of two requests for a key the later may get other lengths. */
type Cells = readonly [v: number, x: number, text: number, w: number];

const bytesOf = (key: string, column: number, length: number) =>
  Uint8Array.from({ length }, (_, index) => key.charCodeAt(key.length - 1) * 7 + column * 31 + index);
const keysOf = (call: ManualCall) => fromBinary(RetrieveQuerySchema, call.message).keys.map(({ cols }) => cols[0] as string);

function answer(call: ManualCall, cellsOf: (key: string) => Cells, without = ''): void {
  const answered = keysOf(call).filter((key) => key !== without);
  const rows = answered.map((key) => ({ keys: [key], columns: cellsOf(key).map((length, column) => bytesOf(key, column, length)) }));
  call.answer(toBinary(RetrieveResultSchema, create(RetrieveResultSchema, { rows })));
}

function world({ batchSize = 0, ...options }: Partial<TestOptions> & { batchSize?: number } = {}, upstream = new ManualUpstream()) {
  const bench = new TestBench(featureDefinition, {
    config: vectors,
    columns: { item: ['k0'] },
    backends: { featureStore: createTestBackend(upstream, { batchSize }) },
    maxParallelBatches: 64,
    ...options,
  });
  const start = (keys: readonly string[]) => {
    const request = bench.createRequest({ columns: { item: keys } });
    const state = bench.createState();
    request.begin(state);
    const block = () => {
      if (state.written === null) throw new Error('nothing was written');
      return state.written;
    };
    /** Per row and column: the bytes, or the status of a cell without a value. */
    const cells = () =>
      keys.map((_, row) =>
        names.map((_name, slot) => {
          const at = block().blockRowOf(row);
          const status = block().status(at, slot);
          if (status >= 8) return status;
          const from = block().cellStart(at, slot);
          return [
            ...block()
              .cellSource(slot)
              .subarray(from, from + block().cellLength(at, slot)),
          ];
        }),
      );
    return { request, state, keys, cells, block };
  };
  return { upstream, bench, start };
}

const right = (key: string, cells: Cells) =>
  cells.map((length, column) => {
    if (length === 0) return CellStatus.missing;
    if (column === 1 && length !== 4) return CellStatus.failed;
    return [...bytesOf(key, column, length)];
  });

async function fetchOne(made: ReturnType<typeof world>, keys: readonly string[], cellsOf: (key: string) => Cells) {
  const before = made.upstream.calls.length;
  const started = made.start(keys);
  await turn();
  for (const call of made.upstream.calls.slice(before)) answer(call, cellsOf);
  return started;
}

describe('vectors', () => {
  it('stand in the row of the block once an answer has told their lengths', async () => {
    const made = world();
    const first = await fetchOne(made, ['a', 'b'], () => [12, 4, 3, 5]);
    expect(first.block().shape.stride).toBe(8 + 4 + 8 + 8);
    const second = await fetchOne(made, ['c', 'd'], () => [12, 4, 2, 5]);
    expect([...second.block().shape.widths]).toEqual([12, 4, 8, 5]);
    expect(second.block().shape.slots.map(({ isVariable }) => isVariable)).toEqual([false, false, true, false]);
    expect(second.cells()).toEqual(['c', 'd'].map((key) => right(key, [12, 4, 2, 5])));
    const third = await fetchOne(made, ['e', 'f'], (key) => (key === 'e' ? [0, 0, 0, 0] : [12, 4, 2, 5]));
    expect(third.block().shape).toBe(second.block().shape);
    expect(third.cells()).toEqual([right('e', [0, 0, 0, 0]), right('f', [12, 4, 2, 5])]);
  });

  it('of another length turn the block back, with the rows that are in it, and tell later ones theirs', async () => {
    const made = world({ batchSize: 1 });
    await fetchOne(made, ['a'], () => [8, 4, 1, 2]);
    const { block, cells, request } = made.start(['b', 'c', 'd', 'b']);
    await turn();
    const [, b, c, d] = made.upstream.calls as [ManualCall, ManualCall, ManualCall, ManualCall];
    answer(b, () => [8, 4, 3, 2]);
    expect(block().shape.widths[0]).toBe(8);
    expect(block().shape.slots[0]?.isVariable).toBe(false);
    answer(c, () => [16, 4, 1, 2]);
    expect(block().shape.slots[0]?.isVariable).toBe(true);
    // Asked for while the lengths were believed; fits them, but the block has turned.
    answer(d, () => [8, 0, 1, 2]);
    expect(request.failure).toBeNull();
    expect(cells()).toEqual([right('b', [8, 4, 3, 2]), right('c', [16, 4, 1, 2]), right('d', [8, 0, 1, 2]), right('b', [8, 4, 3, 2])]);
    expect(made.start(['e']).block().shape.widths[0]).toBe(16);
  });

  it('whose length differs from row to row, that most rows lack, or that no such type has, stay where they are', async () => {
    const lengths: [string, (key: string) => Cells][] = [
      ['differs', (key) => [key === 'a' ? 4 : 8, 4, 1, 0]],
      ['lacks', (key) => [key === 'a' ? 4 : 0, 4, 1, 0]],
      ['no FP32', () => [6, 4, 1, 0]],
    ];
    for (const [what, cellsOf] of lengths) {
      const made = world();
      await fetchOne(made, ['a', 'b', 'c'], cellsOf);
      const { block } = await fetchOne(made, ['d'], cellsOf);
      expect(block().shape.slots[0]?.isVariable, what).toBe(true);
    }
  });

  it('that would make a row long stay where they are', async () => {
    const made = world();
    await fetchOne(made, ['a'], () => [16_380, 4, 1, 5]);
    const { block, cells } = await fetchOne(made, ['b'], () => [16_380, 4, 1, 5]);
    expect(block().shape.slots.map(({ isVariable }) => isVariable)).toEqual([false, false, true, true]);
    expect(cells()).toEqual([right('b', [16_380, 4, 1, 5])]);
  });

  it('are learned again when their length settles', async () => {
    const made = world();
    await fetchOne(made, ['a'], () => [4, 4, 1, 2]);
    await fetchOne(made, ['b'], () => [8, 4, 1, 2]);
    for (const key of 'cdefgh') await fetchOne(made, [key], () => [8, 4, 1, 2]);
    const { block, cells } = await fetchOne(made, ['i'], () => [8, 4, 1, 2]);
    expect(block().shape.widths[0]).toBe(8);
    expect(block().shape.slots[0]?.isVariable).toBe(false);
    expect(cells()).toEqual([right('i', [8, 4, 1, 2])]);
  });

  describe('in cached rows', () => {
    const usual: Cells = [8, 4, 3, 2];
    const statusOf = ({ block }: { block: () => Block }, row: number) => block().status(block().blockRowOf(row), 1);
    const cellsOf = (key: string): Cells => (key === 'odd' ? [12, 4, 1, 2] : usual);
    const rowsOf = (keys: readonly string[]) => keys.map((key) => right(key, cellsOf(key)));
    const isTight = ({ block }: { block: () => Block }) => block().shape.slots[0]?.isVariable === false;

    it('are there for the next plan, whatever stands in for a failed call included', async () => {
      let now = 0;
      const cache = createFeatureCache({ maxBytes: 1 << 20, now: () => now });
      const config = { ...vectors, cache: { ...vectors.cache, ttlSeconds: 10, staleIfErrorSeconds: 100 } };
      const before = world({ cache, config });
      await fetchOne(before, ['a', 'b'], cellsOf);
      await fetchOne(before, ['c', 'd'], cellsOf);
      const after = world({ cache, config });
      const first = after.start(['a', 'c']);
      expect(first.cells()).toEqual(rowsOf(['a', 'c']));
      const second = after.start(['a', 'b', 'c', 'd']);
      expect(second.cells()).toEqual(rowsOf(['a', 'b', 'c', 'd']));
      expect([isTight(first), isTight(second)]).toEqual([false, true]);
      expect(after.upstream.calls).toHaveLength(0);
      now = 20_000;
      const third = world({ cache, config }, after.upstream);
      const { cells, request, ...made } = third.start(['c', 'b']);
      await turn();
      for (const call of after.upstream.open) call.fail('unavailable');
      expect(request.failure).toBeNull();
      expect(cells()).toEqual(rowsOf(['c', 'b']));
      expect(statusOf(made, 0)).toBe(CellStatus.stale);
    });

    it('are found after a row with another length, and that row by blocks with the usual one', async () => {
      const cache = createFeatureCache({ maxBytes: 1 << 20 });
      const made = world({ cache });
      await fetchOne(made, ['a'], cellsOf);
      await fetchOne(made, ['b'], cellsOf);
      await fetchOne(made, ['odd'], cellsOf);
      const { length } = made.upstream.calls;
      const mixed = made.start(['b', 'odd', 'a']);
      expect(mixed.cells()).toEqual(rowsOf(['b', 'odd', 'a']));
      expect(statusOf(mixed, 1)).toBe(CellStatus.cached);
      for (const key of 'cdefg') await fetchOne(made, [key], cellsOf);
      expect(isTight(made.start(['c']))).toBe(true);
      const again = made.start(['c', 'odd', 'a', 'b']);
      expect(again.cells()).toEqual(rowsOf(['c', 'odd', 'a', 'b']));
      expect(isTight(made.start(['c']))).toBe(false);
      // What does not hold is not what the next plan begins with.
      const next = world({ cache }, made.upstream);
      expect([isTight(next.start(['c'])), isTight(next.start(['c']))]).toEqual([false, false]);
      expect(made.upstream.calls).toHaveLength(length + 5);
    });

    it('stand in for rows that an answer lacks, whatever their length, beside those that it has', async () => {
      let now = 0;
      const config = { ...vectors, cache: { ...vectors.cache, ttlSeconds: 10, staleIfErrorSeconds: 100 } };
      const made = world({ config, cache: createFeatureCache({ maxBytes: 1 << 20, now: () => now }) });
      await fetchOne(made, ['odd'], cellsOf);
      for (const key of 'abcd') await fetchOne(made, [key], cellsOf);
      now = 20_000;
      const { cells, request, ...rest } = made.start(['odd', 'a', 'e']);
      expect(isTight(rest)).toBe(true);
      await turn();
      answer(made.upstream.open[0] as ManualCall, cellsOf, 'odd');
      expect(request.failure).toBeNull();
      expect(cells()).toEqual(rowsOf(['odd', 'a', 'e']));
      expect([statusOf(rest, 0), statusOf(rest, 1)]).toEqual([CellStatus.stale, CellStatus.fresh]);
    });
  });

  const cells = fc.tuple(
    fc.oneof({ arbitrary: fc.constant(8), weight: 12 }, fc.constantFrom(0, 4, 6, 200)),
    fc.constantFrom(4, 4, 4, 4, 0, 3),
    fc.nat(5),
    fc.oneof({ arbitrary: fc.constant(3), weight: 12 }, fc.constantFrom(0, 1, 130)),
  );
  const run = fc.record({
    store: fc.array(cells, { minLength: 16, maxLength: 16 }),
    requests: fc.array(
      fc.record({ keys: fc.array(fc.nat(15), { minLength: 1, maxLength: 6 }), startsAt: fc.nat(5), isCancelled: fc.boolean() }),
      {
        minLength: 2,
        maxLength: 9,
      },
    ),
    batchSize: fc.integer({ min: 1, max: 4 }),
    order: fc.array(fc.nat(), { minLength: 50, maxLength: 50 }),
    wasm: fc.boolean(),
    cached: fc.boolean(),
    reloadsAt: fc.nat(5),
  });

  it('of any lengths in any order of answers give every row what the store has for it', async () => {
    await fc.assert(
      fc.asyncProperty(run, async ({ store, requests, batchSize, order, wasm, cached, reloadsAt }) => {
        const options = { batchSize, wasm, ...(cached && { cache: createFeatureCache({ maxBytes: 1 << 16 }) }) };
        const upstream = new ManualUpstream();
        const plans = [world(options, upstream), world(options, upstream)] as const;
        const cellsOf = (key: string) => store[key.charCodeAt(0) - 97] as Cells;
        const started: { made: ReturnType<(typeof plans)[0]['start']>; isCancelled: boolean }[] = [];
        let ended = 0;
        for (let step = 0; step < 6 || upstream.open.length > 0; step++) {
          const plan = plans[step < reloadsAt ? 0 : 1];
          for (const { keys, startsAt, isCancelled } of requests) {
            if (startsAt !== step) continue;
            started.push({ made: plan.start(keys.map((key) => String.fromCharCode(97 + key))), isCancelled });
          }
          await turn();
          for (const each of started) if (each.isCancelled && each.made.request.ends === 0) each.made.request.cancel(each.made.state);
          const { open } = upstream;
          if (open.length > 0) answer(open[(order[ended++ % order.length] as number) % open.length] as ManualCall, cellsOf);
        }
        for (const { made: request, isCancelled } of started) {
          expect(request.request.ends).toBe(1);
          if (!isCancelled || request.request.failure === null)
            expect(request.cells()).toEqual(request.keys.map((key) => right(key, cellsOf(key))));
          request.state.end();
          request.request.release();
        }
        for (const { bench } of plans) expect(bench.pool.outstandingBytes).toBe(0);
      }),
      { numRuns: 300 },
    );
  });
});
