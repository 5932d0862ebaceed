import type { PredatorComponentConfig } from '@inferflow/config';
import { DataType, encodeValue } from '@inferflow/matrix';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { componentContract, createTestBackend, ManualUpstream, TestBench } from '../testing/index.js';
import { answerOf, type Call, configOf, decode, floats, input, model, output, price, run } from './predator-component.fixture.js';
import { predatorDefinition } from './predator-component.js';

/** Doubles every row's first FP32. */
const doubled = (call: Call, type = 'FP32') => {
  const raw = call.inputs[0]?.raw as Uint8Array;
  const view = new DataView(raw.buffer, raw.byteOffset, raw.byteLength);
  const stride = raw.length / call.rows;
  const values = Array.from({ length: call.rows }, (_, row) => view.getFloat32(row * stride, true) * 2);
  return { name: 'o', datatype: type, shape: [call.rows, 1], raw: floats(values) };
};

describe('predator component', () => {
  it('sends rows by shape and takes outputs by name', async () => {
    const { calls, backends } = model((call) =>
      answerOf([
        {
          name: 'other',
          datatype: 'INT64',
          shape: [call.rows, 2],
          raw: new Uint8Array(BigInt64Array.from(price.flatMap((value) => [BigInt(value), -BigInt(value)])).buffer),
        },
        doubled(call),
      ]),
    );
    const config = configOf({
      inputs: [input(), input({ name: 'y', features: ['price', 'name'], dataType: 'BYTES', shape: [2] })],
      outputs: [
        output(),
        output({
          name: 'other',
          dataType: 'INT64',
          scores: [
            { name: 'n', dims: [1] },
            { name: 'm', dims: [1] },
          ],
        }),
      ],
      modelVersion: '7',
    });
    const result = await run({ config, columns: { price, name: ['a', 'b', 'é', '', 'e'] }, backends });
    expect(calls).toHaveLength(1);
    expect(calls[0]).toMatchObject({
      model: 'm',
      version: '7',
      outputs: ['o', 'other'],
      inputs: [
        { name: 'x', datatype: 'FP32', shape: [5, 1] },
        { name: 'y', datatype: 'BYTES', shape: [5, 2] },
      ],
    });
    expect([...(calls[0]?.inputs[0]?.raw ?? [])]).toEqual([...floats(price)]);
    expect(result.columns).toEqual({ s: [2, 4, 6, 8, 10], n: [1n, 2n, 3n, 4n, 5n], m: [-1n, -2n, -3n, -4n, -5n] });
    expect(result.faults).toEqual([]);
    expect(result.defaulted).toEqual([3]);
  });

  it('works out open dimensions from the number of elements', async () => {
    const { calls, backends } = model((call) =>
      answerOf([{ name: 'o', datatype: 'FP32', shape: [call.rows], raw: new Uint8Array(call.rows * 4) }]),
    );
    const columns = { price, vector: { type: DataType.FP32Vector, values: price.map(() => [1, 2, 3, 4, 5, 6]) } };
    const config = configOf({
      inputs: [input({ features: ['vector'], shape: [-1, 2] }), input({ features: ['price', 'price'], shape: [-1], dataType: 'BYTES' })],
    });
    await run({ config, columns, backends });
    expect(calls[0]?.inputs.map((entry) => entry.shape)).toEqual([
      [5, 3, 2],
      [5, 2],
    ]);
  });

  it('sends no rows whose vectors cannot fill the shape, and says so', async () => {
    const { calls, backends } = model((call) => answerOf([doubled(call)]));
    const columns = {
      price,
      one: { type: DataType.FP32Vector, values: price.map(() => [1, 2]) },
      two: { type: DataType.FP32Vector, values: price.map(() => [1, 2, 3]) },
    };
    const config = configOf({ inputs: [input(), input({ name: 'v', features: ['one', 'price', 'two'], shape: [7] })] });
    const { failure } = await run({ config, columns, backends });
    expect(failure).toMatchObject({ reason: 'shape', message: expect.stringContaining('input "v" is not sent') });
    expect(calls).toEqual([]);
    const fitting = configOf({ inputs: [input({ name: 'v', features: ['one', 'price', 'two'], shape: [6] })] });
    expect((await run({ config: fitting, columns, backends })).failure).toBe(null);
    expect(calls[0]?.inputs[0]?.raw.length).toBe(5 * 6 * 4);
  });

  it('places rows by chunk, whatever order the answers come in', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 20 }),
        fc.integer({ min: 1, max: 7 }),
        fc.array(fc.nat(), { minLength: 20, maxLength: 20 }),
        (count, batchSize, order) => {
          const upstream = new ManualUpstream();
          const bench = new TestBench(predatorDefinition, {
            config: configOf({ batchSize }),
            columns: { price: Array.from({ length: count }, (_, row) => row + 1) },
            backends: { model: () => createTestBackend(upstream) },
          });
          const request = bench.createRequest();
          const state = bench.createState();
          request.begin(state);
          expect(upstream.calls).toHaveLength(Math.ceil(count / batchSize));
          const lost = new Set<number>();
          while (upstream.open.length > 0) {
            const pick = order[upstream.open.length % order.length] as number;
            const call = upstream.open[pick % upstream.open.length] as (typeof upstream.open)[number];
            const decoded = decode(call.message);
            if (pick % 4 === 0) {
              const first = (doubled(decoded).raw as Uint8Array).slice(0, 4);
              const row = new DataView(first.buffer).getFloat32(0, true) / 2 - 1;
              for (let at = row; at < row + decoded.rows; at++) lost.add(at);
              call.fail('unavailable');
            } else call.answer(answerOf([doubled(decoded)]));
          }
          const block = state.written;
          for (let row = 0; row < count; row++) {
            expect(block?.status(row, 0)).toBe(lost.has(row) ? 10 : 2);
            expect(block?.memory.view.getFloat32(row * 4, true)).toBe(lost.has(row) ? 0 : (row + 1) * 2);
          }
          const failed = new Set<number>();
          for (let index = 0; index < state.faults.count; index++)
            for (let row = state.faults.from(index); row < state.faults.to(index); row++) failed.add(row);
          expect([...failed].sort()).toEqual([...lost].sort());
          expect(request.failure === null).toBe(lost.size < count);
        },
      ),
      { numRuns: 150 },
    );
  });

  it('reads every datatype, raw and typed', async () => {
    const cases: [string, DataType, string, (string | number | bigint | boolean)[]][] = [
      ['FP32', DataType.FP32, 'fp32Contents', [1.5, Number.NEGATIVE_INFINITY]],
      ['FP64', DataType.FP64, 'fp64Contents', [1.25, -0.1]],
      ['INT8', DataType.Int8, 'intContents', [-1, 5]],
      ['INT16', DataType.Int16, 'intContents', [-300, 5]],
      ['INT32', DataType.Int32, 'intContents', [-70000, 5]],
      ['INT64', DataType.Int64, 'int64Contents', [-(2n ** 60n), 5n]],
      ['UINT8', DataType.Uint8, 'uintContents', [255, 5]],
      ['UINT16', DataType.Uint16, 'uintContents', [65535, 5]],
      ['UINT32', DataType.Uint32, 'uintContents', [4294967295, 5]],
      ['UINT64', DataType.Uint64, 'uint64Contents', [2n ** 63n + 1n, 5n]],
      ['BOOL', DataType.Bool, 'boolContents', [true, false]],
      ['BYTES', DataType.String, 'bytesContents', ['é', '']],
    ];
    for (const [datatype, type, field, values] of cases) {
      const cells = values.map((value) => encodeValue(type, value));
      const withLengths = datatype === 'BYTES' ? cells.flatMap((cell) => [Uint8Array.of(cell.length, 0, 0, 0), cell]) : cells;
      const raw = Uint8Array.from(withLengths.flatMap((cell) => [...cell]));
      const typed = { [field]: datatype === 'BYTES' ? cells : values };
      for (const answer of [{ raw }, { contents: typed }]) {
        const { backends } = model(() => answerOf([{ name: 'o', datatype, shape: [2, 1], ...answer }]));
        const result = await run({ config: configOf({ outputs: [output({ dataType: datatype })] }), columns: { price: [1, 2] }, backends });
        expect(result.columns['s'], `${datatype} ${Object.keys(answer)}`).toEqual(values);
        expect(result.faults).toEqual([]);
      }
    }
  });

  it('fails the row of a score that is NaN, and only that row', async () => {
    const raw = new Uint8Array(new Float32Array([1.5, Number.NaN]).buffer);
    const { backends } = model(() => answerOf([{ name: 'o', datatype: 'FP32', shape: [2, 1], raw }]));
    const result = await run({ config: configOf({ outputs: [output({ dataType: 'FP32' })] }), columns: { price: [1, 2] }, backends });
    expect(result.columns['s']).toEqual([1.5, null]);
    expect(result.faults).toHaveLength(1);
    expect(result.failure).toBeNull();
  });

  it('hands BF16 through as bytes', async () => {
    const { backends } = model(() => answerOf([{ name: 'o', datatype: 'BF16', shape: [2, 1], raw: Uint8Array.of(1, 2, 3, 4) }]));
    const result = await run({ config: configOf({ outputs: [output({ dataType: 'BF16' })] }), columns: { price: [1, 2] }, backends });
    expect(result.bytes['s']?.map((cell) => [...cell])).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it('cuts vectors and open dimensions', async () => {
    const { backends } = model(() =>
      answerOf([{ name: 'o', datatype: 'FP32', shape: [2, 5], raw: floats([1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) }]),
    );
    const scores = [
      { name: 'first', dims: [1] },
      { name: 'rest', dims: [-1] },
      { name: 'pair', dims: [2] },
    ];
    const result = await run({ config: configOf({ outputs: [output({ scores })] }), columns: { price: [1, 2] }, backends });
    expect(result.columns).toEqual({
      first: [1, 6],
      rest: [
        [2, 3],
        [7, 8],
      ],
      pair: [
        [4, 5],
        [9, 10],
      ],
    });
  });

  describe('slates', () => {
    const slate = { targets: [[0, 1, 2], [2], [], [3, 1]], columns: { bonus: [10, 20, 30, 40] } };
    const columns = { price: [1, 2, 3, 4] };
    const sum = (call: Call) => {
      const raw = call.inputs[0]?.raw as Uint8Array;
      const values = new Float32Array(raw.slice().buffer);
      const width = values.length / call.rows;
      return Array.from({ length: call.rows }, (_, row) =>
        values.subarray(row * width, (row + 1) * width).reduce((total, value) => total + value, 0),
      );
    };

    it('per slate: one call each, the first row counts; slate columns are broadcast', async () => {
      const { calls, backends } = model((call) =>
        answerOf([{ name: 'o', datatype: 'FP32', shape: [call.rows, 1], raw: floats(sum(call)) }]),
      );
      const config = configOf({ scope: 'slate', inputs: [input({ features: ['price', 'bonus'], shape: [2] })] });
      const result = await run({ config, columns, slate, backends });
      expect(calls.map((call) => call.inputs[0]?.shape)).toEqual([
        [3, 2],
        [1, 2],
        [2, 2],
      ]);
      expect(result.columns['s']).toEqual([11, 23, null, 44]);
      expect(result.status['s']).toEqual(['fresh', 'fresh', 'skipped', 'fresh']);
    });

    it.each([
      [
        'rows',
        [
          [1, 6],
          [1, 2],
          [1, 4],
        ],
      ],
      [
        'dimension',
        [
          [1, 3, 2],
          [1, 1, 2],
          [1, 2, 2],
        ],
      ],
    ] as const)('%s: slates are rows', async (slateCalls, shapes) => {
      const { calls, backends } = model((call) =>
        answerOf([{ name: 'o', datatype: 'FP32', shape: [call.rows, 1], raw: floats(sum(call)) }]),
      );
      const config = configOf({ scope: 'slate', slateCalls, inputs: [input({ features: ['price', 'bonus'], shape: [2] })] });
      const result = await run({ config, columns, slate, backends });
      expect(calls.map((call) => call.inputs[0]?.shape)).toEqual(shapes);
      expect(result.columns['s']).toEqual([1 + 2 + 3 + 30, 23, null, 4 + 2 + 80]);
      const pairs = {
        targets: [
          [0, 1],
          [1, 2],
          [2, 3],
          [3, 0],
        ],
      };
      const many = await run({ config: configOf({ scope: 'slate', slateCalls, batchSize: 3 }), columns, slate: pairs, backends });
      expect(calls.slice(3).map((call) => call.rows)).toEqual([3, 1]);
      expect(many.columns['s']).toEqual([3, 5, 7, 5]);
    });

    it('keeps to the cap and marks the targets of a slate that failed', async () => {
      const upstream = new ManualUpstream();
      const bench = new TestBench(predatorDefinition, {
        config: configOf({ scope: 'slate' }),
        columns,
        slate,
        backends: { model: () => createTestBackend(upstream) },
        maxParallelCalls: 2,
      });
      const request = bench.createRequest();
      const state = bench.createState();
      request.begin(state);
      expect(upstream.open).toHaveLength(2);
      upstream.open[0]?.fail('unavailable');
      expect(upstream.open).toHaveLength(2);
      for (const call of upstream.open) call.answer(answerOf([doubled(decode(call.message))]));
      expect(request.failure).toBeNull();
      expect([state.faults.count, state.faults.from(0), state.faults.to(0)]).toEqual([1, 0, 3]);
    });

    it('refuses a name that is in both matrices, and ends at once without slates', async () => {
      const config = configOf({ scope: 'slate' });
      const { backends } = model(() => new Uint8Array(0));
      await expect(run({ config, columns, slate: { targets: [[0]], columns: { price: [1] } }, backends })).rejects.toThrow(
        expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_COLUMN_AMBIGUOUS' }),
      );
      expect((await run({ config, columns, backends })).failure).toBeNull();
    });
  });

  describe('routing', () => {
    const shares = (...percentages: number[]) =>
      percentages.map((percentage, index) => ({ endpoint: `e${index}`, percentage, modelName: `m${index}` }));
    const modelOf = async (options: Partial<PredatorComponentConfig>, routeHash: number) => {
      const { calls, backends } = model((call) => answerOf([doubled(call)]));
      await run({ config: configOf(options), columns: { price }, backends, routeHash });
      return calls[0]?.model;
    };

    it('is stable for a request', async () => {
      for (const routeHash of [0, 1, -5, 0x7fffffff]) {
        const name = await modelOf({ endpoints: shares(25, 75) }, routeHash);
        expect(await modelOf({ endpoints: shares(25, 75) }, routeHash)).toBe(name);
      }
    });

    it('takes a share of 100, never one of 0, and the endpoint when all are 0', async () => {
      for (let hash = 0; hash < 20; hash++) {
        expect(await modelOf({ endpoints: shares(0, 100, 0) }, hash * 7919)).toBe('m1');
        expect(await modelOf({ endpoints: shares(0, 0) }, hash * 7919)).toBe('m');
      }
    });

    it('refuses an endpoint that is not configured', () => {
      const make = () => new TestBench(predatorDefinition, { config: configOf(), columns: { price } });
      expect(make).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_DEPENDENCY_UNAVAILABLE' }));
      expect(make).toThrow(/host/);
    });
  });

  describe('contract', () => {
    const { backends } = model((call) => answerOf([doubled(call)]));
    for (const check of componentContract(predatorDefinition, { config: configOf({ batchSize: 2 }), columns: { price }, backends }))
      it(check.name, () => check.run());
    const slate = { targets: [[0, 1], [3]] };
    for (const check of componentContract(predatorDefinition, {
      config: configOf({ scope: 'slate' }),
      columns: { price },
      slate,
      backends,
    }))
      it(`slate: ${check.name}`, () => check.run());
  });
});
