import { DataType, encodeValue } from '@inferflow/matrix';
import { GrpcError } from '@inferflow/transport';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { componentContract, createTestBackend, ManualUpstream } from '../testing/index.js';
import { featureDefinition } from './feature-component.js';
import {
  answerTo,
  cellOf,
  configOf,
  decodeQuery,
  describeBothDecoders,
  fp32,
  numberOf,
  type Query,
  type Row,
  store,
  turn,
} from './feature-store.fixture.js';

describeBothDecoders('feature component that decodes', ({ wasm, runComponent, TestBench }) => {
  it('asks each different key once and fills every row', async () => {
    const { queries, backends } = store((query) => answerTo(query, cellOf));
    const items = ['x', 'y', 'x', 'z', 'y'];
    const result = await runComponent(featureDefinition, { config: configOf({}), columns: { item: items }, backends });
    expect(queries).toEqual([
      { entityLabel: 'item', groups: [{ label: 'fp32', features: ['a', 'b'] }], keySchema: ['id'], keys: [['x'], ['y'], ['z']] },
    ]);
    expect(result.columns['item:fp32:a']).toEqual(items.map((item) => numberOf([item], 'a')));
    expect(result.columns['item:fp32:b']).toEqual(items.map((item) => numberOf([item], 'b')));
    expect(result.failure).toBeNull();
    expect(result.faults).toEqual([]);
  });

  it('asks for keys of any length, those together that are short', async () => {
    const { queries, backends } = store((query) => answerTo(query, cellOf));
    const items = [
      ...[1, 125, 126, 127, 128, 300, 20_000].map((length) => 'x'.repeat(length)),
      ...Array.from({ length: 90 }, (_, at) => `k${at}`),
    ];
    const options = { config: configOf({ batchSize: 40 }), columns: { item: items }, backends };
    const result = await runComponent(featureDefinition, options);
    expect(queries.flatMap(({ keys }) => keys)).toEqual(items.map((item) => [item]));
    expect(result.columns['item:fp32:a']).toEqual(items.map((item) => numberOf([item], 'a')));
  });

  it('cuts batches and keeps to the cap of parallel ones', async () => {
    const upstream = new ManualUpstream();
    const bench = new TestBench(featureDefinition, {
      config: configOf({ batchSize: 2 }),
      columns: { item: ['a', 'b', 'c', 'd', 'e', 'f', 'g'] },
      backends: { featureStore: createTestBackend(upstream) },
      maxParallelBatches: 2,
    });
    const request = bench.createRequest();
    const state = bench.createState();
    request.begin(state);
    const sizes: number[] = [];
    while (request.ends === 0) {
      await turn();
      expect(upstream.open.length).toBeLessThanOrEqual(2);
      const [call] = upstream.open;
      const query = decodeQuery((call as (typeof upstream.open)[number]).message);
      sizes.push(query.keys.length);
      call?.answer(answerTo(query, cellOf));
    }
    expect(sizes).toEqual([2, 2, 2, 1]);
    const block = state.written;
    expect(block?.withoutValue).toBe(0);
  });

  it('places rows by key whatever their order, number and company, and columns by their index', async () => {
    const keys = fc.uniqueArray(fc.string({ unit: fc.constantFrom('a', 'b', 'é', '|', '0'), minLength: 1, maxLength: 4 }), {
      minLength: 1,
      maxLength: 12,
    });
    const change = fc.record({
      order: fc.array(fc.nat(), { minLength: 24, maxLength: 24 }),
      drop: fc.array(fc.nat(11), { maxLength: 3 }),
      repeat: fc.array(fc.nat(11), { maxLength: 3 }),
      strangers: fc.nat(3),
      short: fc.array(fc.nat(11), { maxLength: 2 }),
      wrong: fc.array(fc.nat(11), { maxLength: 2 }),
      empty: fc.array(fc.nat(11), { maxLength: 2 }),
    });
    await fc.assert(
      fc.asyncProperty(keys, change, fc.boolean(), async (items, { order, drop, repeat, strangers, short, wrong, empty }, withText) => {
        const groups = [
          { label: 'fp32', type: DataType.FP32, features: ['a', 'b'] },
          ...(withText ? [{ label: 'text', type: DataType.String, features: ['t'] }] : []),
        ];
        let answered: Row[] = [];
        const { backends } = store((query) =>
          answerTo(
            query,
            (own, group, feature) => (group === 'text' ? new TextEncoder().encode(own.join()) : cellOf(own, group, feature)),
            (rows) => {
              rows.forEach((row, index) => {
                if (short.includes(index)) row.columns.pop();
                if (wrong.includes(index)) row.columns[0] = new Uint8Array(3);
                if (empty.includes(index)) row.columns[1] = new Uint8Array(0);
              });
              let list = rows.filter((_, index) => !drop.includes(index));
              for (const index of repeat) if (rows[index] !== undefined && !drop.includes(index)) list.push(rows[index]);
              for (let index = 0; index < strangers; index++) list.push({ keys: [`stranger${index}`], columns: rows[0]?.columns ?? [] });
              list = list
                .map((row, index) => ({ row, at: order[index % 24] as number }))
                .sort((left, right) => left.at - right.at)
                .map(({ row }) => row);
              answered = list;
              return list;
            },
          ),
        );
        const result = await runComponent(featureDefinition, { config: configOf({ groups }), columns: { item: items }, backends });
        const wantFault = new Set<number>();
        items.forEach((item, row) => {
          const own = answered.find((entry) => entry.keys[0] === item);
          const expected = ['item:fp32:a', 'item:fp32:b'].map((_, column) => {
            const bytes = own?.columns[column];
            if (bytes === undefined || (bytes.length !== 4 && bytes.length !== 0)) {
              wantFault.add(row);
              return null;
            }
            return bytes.length === 0 ? null : numberOf([item], column === 0 ? 'a' : 'b');
          });
          if (withText && own?.columns[2] === undefined) wantFault.add(row);
          expect([result.columns['item:fp32:a']?.[row], result.columns['item:fp32:b']?.[row]]).toEqual(expected);
          if (withText) expect(result.columns['item:text:t']?.[row] ?? null).toBe(own?.columns[2] === undefined ? null : item);
        });
        const faulty = new Set(
          result.faults.flatMap((fault) => Array.from({ length: fault.to - fault.from }, (_, index) => fault.from + index)),
        );
        if (result.failure === null) expect([...faulty].sort()).toEqual([...wantFault].sort());
        else expect(items.every((item) => answered.every((row) => row.keys[0] !== item))).toBe(true);
      }),
      { numRuns: 150 },
    );
  });

  it('believes a store that echoes no keys only when it answers as many rows as were asked', async () => {
    const silent = (rows: Row[]) => rows.map((row) => ({ ...row, keys: [] }));
    const run = (change: (rows: Row[]) => Row[]) =>
      runComponent(featureDefinition, {
        config: configOf({}),
        columns: { item: ['x', 'y'] },
        backends: store((query) => answerTo(query, cellOf, change)).backends,
      });
    expect((await run(silent)).columns['item:fp32:a']).toEqual([numberOf(['x'], 'a'), numberOf(['y'], 'a')]);
    const short = await run((rows) => silent(rows).slice(1));
    expect(short.status['item:fp32:a']).toEqual(['failed', 'failed']);
    expect(short.failure?.reason).toBe('shape');
  });

  it('finds the key of a row wherever it stands', async () => {
    const keyOf = (key: string) => [0x0a, key.length, ...Buffer.from(key)];
    const column = (value: number) => [0x12, 4, ...fp32(value)];
    const row = (content: readonly number[]) => [0x22, content.length, ...content];
    const { backends } = store(() =>
      Uint8Array.from([...row([...column(1), ...column(2), ...keyOf('y')]), ...row([0x78, 1, ...keyOf('x'), ...column(3), ...column(4)])]),
    );
    const { columns, faults } = await runComponent(featureDefinition, { config: configOf({}), columns: { item: ['x', 'y'] }, backends });
    expect([columns['item:fp32:a'], columns['item:fp32:b'], faults]).toEqual([[3, 1], [4, 2], []]);
  });

  it('does not ask for keys with an empty part and keeps composite keys apart', async () => {
    const { queries, backends } = store((query) => answerTo(query, cellOf));
    const config = configOf({
      keys: [
        { schema: 'u', column: 'user' },
        { schema: 'i', column: 'item' },
      ],
      composite: true,
    });
    const columns = { user: ['a|b', 'a', 'a', 'c'], item: ['c', 'b|c', '', 'd'] };
    const result = await runComponent(featureDefinition, { config, columns, backends });
    expect(queries[0]?.keys).toEqual([
      ['a|b', 'c'],
      ['a', 'b|c'],
      ['c', 'd'],
    ]);
    expect(result.status['item:fp32:a']).toEqual(['fresh', 'fresh', 'skipped', 'fresh']);
    expect(result.columns['joined']).toEqual(['a|b|c', 'a|b|c', null, 'c|d']);
    expect(result.faults).toEqual([]);
  });

  it('asks for nothing when there are no keys, and leaves out groups without features', async () => {
    const { queries, backends } = store((query) => answerTo(query, cellOf));
    const groups = [
      { label: 'none', type: DataType.FP32, features: [] },
      { label: 'fp32', type: DataType.FP32, features: ['a'] },
    ];
    const blank = await runComponent(featureDefinition, { config: configOf({ groups }), columns: { item: ['', ''] }, backends });
    expect(queries).toEqual([]);
    expect(blank.status['item:fp32:a']).toEqual(['skipped', 'skipped']);
    await runComponent(featureDefinition, { config: configOf({ groups }), columns: { item: ['x'] }, backends });
    expect(queries[0]?.groups).toEqual([{ label: 'fp32', features: ['a'] }]);
  });

  it('converts a default that comes in the unquantised width and fails any other width', async () => {
    const config = configOf({ groups: [{ label: 'fp32', type: DataType.FP32, features: ['w@DataTypeFP16'] }] });
    const cells: Record<string, Uint8Array> = { ok: encodeValue(DataType.FP16, 1.5), unknown: fp32(0.25), odd: new Uint8Array(3) };
    const { queries, backends } = store((query) => answerTo(query, (keys) => cells[keys[0] as string] as Uint8Array));
    const result = await runComponent(featureDefinition, { config, columns: { item: ['ok', 'unknown', 'odd'] }, backends });
    expect(queries[0]?.groups[0]?.features).toEqual(['w@DataTypeFP16']);
    expect(result.columns['item:fp32:w']).toEqual([1.5, 0.25, null]);
    expect(result.status['item:fp32:w']).toEqual(['fresh', 'fresh', 'failed']);
    expect(result.faults.map(({ from, to }) => [from, to])).toEqual([[2, 3]]);
  });

  it('takes vectors of any length', async () => {
    const config = configOf({ groups: [{ label: 'v', type: DataType.FP32Vector, features: ['e'] }] });
    const { backends } = store((query) =>
      answerTo(query, (keys) =>
        encodeValue(
          DataType.FP32Vector,
          Array.from({ length: Number(keys[0]) }, (_, index) => index),
        ),
      ),
    );
    const result = await runComponent(featureDefinition, { config, columns: { item: ['3', '1', '200'] }, backends });
    expect(result.columns['item:v:e']?.map((value) => (value as number[]).length)).toEqual([3, 1, 200]);
  });

  describe('when the store fails', () => {
    it.each([
      ['refuses', () => Promise.reject(new GrpcError(7, 'no')), 'rejected'],
      ['is unavailable', () => Promise.reject(new GrpcError(14, 'gone')), 'unavailable'],
      ['answers garbage', () => Uint8Array.of(0x22, 0x7f, 0x01), 'malformed'],
      ['answers half a row', (query: Query) => answerTo(query, cellOf).subarray(0, -3), 'malformed'],
      ['answers nothing', () => new Uint8Array(0), 'shape'],
    ] as const)('%s: all cells fail and the component with them', async (_name, handler, reason) => {
      const { backends } = store(handler as (query: Query) => Uint8Array);
      const result = await runComponent(featureDefinition, { config: configOf({}), columns: { item: ['x', 'y'] }, backends });
      expect(result.failure?.reason).toBe(reason);
      expect(result.status['item:fp32:a']).toEqual(['failed', 'failed']);
    });

    it('is slow: the deadline of the component ends the call', async () => {
      const { backends } = store(() => new Promise(() => {}));
      const result = await runComponent(featureDefinition, { config: configOf({ deadlineMs: 20 }), columns: { item: ['x'] }, backends });
      expect(result.failure?.reason).toBe('deadline');
    });

    it('loses one batch: its rows fail, the others stand', async () => {
      const { backends } = store((query) => {
        if (query.keys.some(([key]) => key === 'c')) throw new GrpcError(13, 'broken');
        return answerTo(query, cellOf);
      });
      const result = await runComponent(featureDefinition, {
        config: configOf({ batchSize: 2 }),
        columns: { item: ['a', 'b', 'c', 'd', 'e'] },
        backends,
      });
      expect(result.failure).toBeNull();
      expect(result.status['item:fp32:a']).toEqual(['fresh', 'fresh', 'failed', 'failed', 'fresh']);
      expect(result.faults).toMatchObject([{ from: 2, to: 4, failure: { reason: 'rejected', componentName: 'tested' } }]);
    });

    it('answers in time for nobody: the request ended and nothing is written', async () => {
      const upstream = new ManualUpstream();
      const bench = new TestBench(featureDefinition, {
        config: configOf({}),
        columns: { item: ['x'] },
        backends: { featureStore: createTestBackend(upstream) },
      });
      const request = bench.createRequest();
      const state = bench.createState();
      request.begin(state);
      await turn();
      request.cancel(state, 'deadline');
      expect(upstream.cancelled).toBe(1);
      expect(request.failure?.reason).toBe('deadline');
      expect(state.busy).toBe(false);
      expect(state.written?.status(0, 0)).toBe(10);
    });
  });

  it('refuses to be made without a store, or without keys', () => {
    const deps = { columns: { item: ['x'] } };
    expect(() => new TestBench(featureDefinition, { config: configOf({}), ...deps })).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_DEPENDENCY_UNAVAILABLE' }),
    );
    expect(() => new TestBench(featureDefinition, { config: configOf({ keys: [] }), ...deps })).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_CONFIG_INVALID' }),
    );
    expect(() => new TestBench(featureDefinition, { config: { kind: 'predator' }, ...deps })).toThrow(
      expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_CONFIG_INVALID' }),
    );
  });

  describe('contract', () => {
    const { backends } = store((query) => answerTo(query, cellOf));
    for (const check of componentContract(featureDefinition, {
      config: configOf({ composite: true }),
      columns: { item: ['x', 'y', 'x'] },
      backends,
      wasm,
    }))
      it(check.name, () => check.run());
  });
});
