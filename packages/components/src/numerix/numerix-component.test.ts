import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NumerixComponentConfig } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { NumerixRequestProtoSchema, NumerixResponseProtoSchema } from '@inferflow/proto';
import { GrpcError } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import type { ExpressionEngine } from '../backends.js';
import { componentContract, createTestBackend, ManualUpstream, runComponent, TestBench } from '../testing/index.js';
import { numerixDefinition } from './numerix-component.js';

interface Call {
  schema: string[];
  computeId: string;
  dataType: string;
  rows: { id: string; values: number[] }[];
}

function decode(message: Uint8Array): Call {
  const data = fromBinary(NumerixRequestProtoSchema, message).entityScoreData;
  return {
    schema: data?.schema ?? [],
    computeId: data?.computeId ?? '',
    dataType: data?.dataType ?? '',
    rows: (data?.entityScores ?? []).map((score) => {
      if (score.matrixFormat.case !== 'byteData') throw new Error('expected bytes');
      const [id, ...values] = score.matrixFormat.value.values;
      return {
        id: new TextDecoder().decode(id),
        values: values.map((bytes) => new DataView(bytes.buffer, bytes.byteOffset, 4).getFloat32(0, true)),
      };
    }),
  };
}

const bytesOf = (value: number) => new Uint8Array(Float32Array.of(value).buffer);

function answerOf(rows: { id: string; value: Uint8Array | null }[]): Uint8Array {
  return toBinary(
    NumerixResponseProtoSchema,
    create(NumerixResponseProtoSchema, {
      response: {
        case: 'computationScoreData',
        value: {
          schema: ['item', 'score'],
          computationScores: rows.map(({ id, value }) => ({
            matrixFormat: {
              case: 'byteData' as const,
              value: { values: [new TextEncoder().encode(id), ...(value === null ? [] : [value])] },
            },
          })),
        },
      },
    }),
  );
}

const sumOf = (call: Call) =>
  answerOf(call.rows.map(({ id, values }) => ({ id, value: bytesOf(values.reduce((total, value) => total + value, 0)) })));

function service(handler: (call: Call) => Uint8Array | Promise<Uint8Array>, batchSize = 0) {
  const calls: Call[] = [];
  const compute = createTestBackend(
    (_path, message) => {
      const call = decode(message);
      calls.push(call);
      return handler(call);
    },
    { batchSize },
  );
  return { calls, backends: { compute } };
}

function configOf(options: Partial<NumerixComponentConfig> = {}): NumerixComponentConfig {
  return {
    kind: 'numerix',
    componentName: 'n',
    onFailure: 'default',
    componentId: 'item',
    scoreColumn: 'final',
    dataType: DataType.FP32,
    dataTypeText: 'DataTypeFP32',
    computeId: 'sum',
    variables: [
      { variable: 'x', dataType: DataType.FP32, dataTypeText: 'DataTypeFP32', column: 'a' },
      { variable: 'y', dataType: DataType.String, dataTypeText: 'DataTypeString', column: 'b' },
    ],
    scope: 'target',
    ...options,
  };
}

/** Adds the columns up; `divide` fails. */
const expressions: ExpressionEngine = {
  forComputeId: (id) => (id === 'sum' ? 'x y +' : undefined),
  compile(expression, precision, names) {
    if (expression === 'wrong') throw new Error('operand missing');
    return {
      evaluate(columns, rowCount) {
        if (expression === 'divide') throw new Error('division by zero');
        expect(columns).toHaveLength(names.length);
        const out = precision === 'fp64' ? new Float64Array(rowCount) : new Float32Array(rowCount);
        for (let row = 0; row < rowCount; row++) for (const column of columns) out[row] = (out[row] as number) + (column[row] as number);
        return out;
      },
    };
  },
};

const columns = { item: ['i0', 'i1', 'i2'], a: [1, 2, 3], b: ['0.5', '1.5', ''] };

describe('numerix component, remote', () => {
  it('sends ids and FP32 values in declared order and places rows by batch', async () => {
    const { calls, backends } = service(sumOf, 2);
    const result = await runComponent(numerixDefinition, { config: configOf(), columns, backends });
    expect(calls.map((call) => call.rows.length).sort()).toEqual([1, 2]);
    expect(calls[0]).toMatchObject({ schema: ['item', 'x', 'y'], computeId: 'sum', dataType: 'fp32' });
    expect(calls.flatMap((call) => call.rows)).toEqual([
      { id: 'i0', values: [1, 0.5] },
      { id: 'i1', values: [2, 1.5] },
      { id: 'i2', values: [3, 0] },
    ]);
    expect(result.columns['final']).toEqual([1.5, 3.5, 3]);
    expect(result.defaulted).toEqual([2]);
  });

  it('converts the result to the declared type; with compat its bytes stay FP32', async () => {
    const { backends } = service(sumOf);
    const config = configOf({ dataType: DataType.FP64 });
    expect((await runComponent(numerixDefinition, { config, columns, backends })).columns['final']).toEqual([1.5, 3.5, 3]);
    const kept = await runComponent(numerixDefinition, { config, columns, backends, compat: true });
    expect(kept.bytes['final']?.map((cell) => [...cell])).toEqual([1.5, 3.5, 3].map((value) => [...bytesOf(value)]));
    const integer = await runComponent(numerixDefinition, { config: configOf({ dataType: DataType.Int32 }), columns, backends });
    expect(integer.columns['final']).toEqual([1, 3, 3]);
  });

  it('fails the rows that came without a value, or did not come', async () => {
    const { backends } = service((call) =>
      answerOf(call.rows.slice(0, 2).map(({ id }, row) => ({ id, value: row === 0 ? null : bytesOf(7) }))),
    );
    const result = await runComponent(numerixDefinition, { config: configOf(), columns, backends });
    expect(result.columns['final']).toEqual([null, 7, null]);
    expect(result.faults.map(({ from, to }) => [from, to])).toEqual([
      [0, 1],
      [2, 3],
    ]);
  });

  it.each([
    ['one is missing in the middle', (rows: readonly string[]) => [rows[0], rows[2]], [10, null, 30]],
    ['one is missing at the start', (rows: readonly string[]) => [rows[1], rows[2]], [null, 20, 30]],
    ['they come in another order', (rows: readonly string[]) => [rows[2], rows[0], rows[1]], [10, 20, 30]],
    ['there is one too many in front', (rows: readonly string[]) => ['other', ...rows], [10, 20, 30]],
    ['one comes twice', (rows: readonly string[]) => [rows[0], rows[0], rows[1], rows[2]], [10, 20, 30]],
  ])('gives no row the result of another when %s', async (_name, change, expected) => {
    const results: Readonly<Record<string, number>> = { i0: 10, i1: 20, i2: 30, other: 99 };
    const { backends } = service((call) =>
      answerOf((change(call.rows.map(({ id }) => id)) as string[]).map((id) => ({ id, value: bytesOf(results[id] as number) }))),
    );
    const result = await runComponent(numerixDefinition, { config: configOf(), columns, backends });
    expect(result.columns['final']).toEqual(expected);
    expect(result.faults.map(({ from }) => from)).toEqual(expected.flatMap((value, row) => (value === null ? [row] : [])));
  });

  it('takes rows by position from a service that gives no ids back', async () => {
    const { backends } = service((call) => answerOf(call.rows.map((_, row) => ({ id: `row ${row}`, value: bytesOf(row) }))));
    expect((await runComponent(numerixDefinition, { config: configOf(), columns, backends })).columns['final']).toEqual([0, 1, 2]);
    const short = service((call) => answerOf(call.rows.slice(1).map((_, row) => ({ id: '', value: bytesOf(row) }))));
    const result = await runComponent(numerixDefinition, { config: configOf(), columns, backends: short.backends });
    expect(result.columns['final']).toEqual([0, 1, null]);
  });

  it('keeps rows of one id apart', async () => {
    const twins = { item: ['a', 'b', 'a'], a: [1, 2, 3], b: ['0', '0', '0'] };
    const { backends } = service((call) =>
      answerOf(call.rows.map(({ id, values }) => ({ id, value: bytesOf(values[0] as number) })).toSpliced(1, 1)),
    );
    const result = await runComponent(numerixDefinition, { config: configOf(), columns: twins, backends });
    expect(result.columns['final']).toEqual([1, null, 3]);
  });

  it('gives one answered row to all only with compat', async () => {
    const { backends } = service((call) => answerOf([{ id: call.rows[0]?.id as string, value: bytesOf(7) }]));
    expect((await runComponent(numerixDefinition, { config: configOf(), columns, backends })).columns['final']).toEqual([7, null, null]);
    expect((await runComponent(numerixDefinition, { config: configOf(), columns, backends, compat: true })).columns['final']).toEqual([
      7, 7, 7,
    ]);
  });

  const errorAnswer = toBinary(
    NumerixResponseProtoSchema,
    create(NumerixResponseProtoSchema, { response: { case: 'error', value: { message: 'Division by zero' } } }),
  );
  it.each([
    ['an error in the answer', () => errorAnswer, 'rejected', /Division by zero/],
    ['a status', () => Promise.reject(new GrpcError(14, 'gone')), 'unavailable', /gone/],
    ['garbage', () => Uint8Array.of(0x0a, 0x55), 'malformed', /decoded/],
    ['nothing', () => new Uint8Array(0), 'shape', /0 rows/],
  ] as const)('%s fails the component', async (_name, handler, reason, text) => {
    const result = await runComponent(numerixDefinition, {
      config: configOf(),
      columns,
      backends: service(handler as () => Uint8Array).backends,
    });
    expect(result.failure?.reason).toBe(reason);
    expect(result.failure?.message).toMatch(text);
    expect(result.status['final']).toEqual(['failed', 'failed', 'failed']);
  });

  it('asks once per slate, at the same time up to the cap, and takes the first row', async () => {
    const upstream = new ManualUpstream();
    const slate = { targets: [[1, 0], [], [2], [0]] };
    const bench = new TestBench(numerixDefinition, {
      config: configOf({ scope: 'slate' }),
      columns,
      slate,
      backends: { compute: createTestBackend(upstream) },
      maxParallelCalls: 2,
    });
    const request = bench.createRequest();
    const state = bench.createState();
    request.begin(state);
    expect(upstream.open).toHaveLength(2);
    while (upstream.open.length > 0)
      upstream.open[upstream.open.length - 1]?.answer(
        sumOf(decode((upstream.open[upstream.open.length - 1] as { message: Uint8Array }).message)),
      );
    const view = state.written?.memory.view;
    expect([0, 1, 2, 3].map((row) => view?.getFloat32(row * 4, true))).toEqual([3.5, 0, 3, 1.5]);
    expect(state.written?.status(1, 0)).toBe(11);
  });

  it('refuses a variable that is a vector', async () => {
    const vectors = {
      ...columns,
      a: {
        type: DataType.FP32Vector,
        values: [
          [1, 2],
          [3, 4],
          [5, 6],
        ],
      },
    };
    const result = await runComponent(numerixDefinition, { config: configOf(), columns: vectors, backends: service(sumOf).backends });
    expect(result.failure?.reason).toBe('conversion');
  });
});

describe('numerix component, in process', () => {
  it('is used when there is no service, or the configuration holds the expression', async () => {
    const local = await runComponent(numerixDefinition, { config: configOf(), columns, backends: { expressions } });
    expect(local.columns['final']).toEqual([1.5, 3.5, 3]);
    const { calls, backends } = service(sumOf);
    const inline = await runComponent(numerixDefinition, {
      config: configOf({ expression: 'x y +' }),
      columns,
      backends: { ...backends, expressions },
    });
    expect(inline.columns['final']).toEqual([1.5, 3.5, 3]);
    expect(calls).toEqual([]);
  });

  it('computes in double precision when that is declared', async () => {
    const wide = { ...columns, a: [0.1, 1e-9, 3], b: [0.2, 1, 0] };
    const run = (dataType: DataType) =>
      runComponent(numerixDefinition, { config: configOf({ dataType }), columns: wide, backends: { expressions } });
    expect((await run(DataType.FP64)).columns['final']).toEqual([0.1 + 0.2, 1 + 1e-9, 3]);
    expect((await run(DataType.FP32)).columns['final']).toEqual([Math.fround(Math.fround(0.1) + Math.fround(0.2)), 1, 3]);
  });

  it('computes slate by slate', async () => {
    const slate = { targets: [[1, 0], [], [2]] };
    const result = await runComponent(numerixDefinition, {
      config: configOf({ scope: 'slate' }),
      columns,
      slate,
      backends: { expressions },
    });
    expect(result.columns['final']).toEqual([3.5, null, 3]);
  });

  it('fails the component when the numbers do not work out', async () => {
    const result = await runComponent(numerixDefinition, {
      config: configOf({ expression: 'divide' }),
      columns,
      backends: { expressions },
    });
    expect(result.failure).toMatchObject({ reason: 'rejected', message: 'division by zero' });
    expect(result.status['final']).toEqual(['failed', 'failed', 'failed']);
  });

  it('is refused without an expression, and with a wrong one', () => {
    const make = (config: NumerixComponentConfig, backends: object) => () =>
      new TestBench(numerixDefinition, { config, columns, backends });
    expect(make(configOf(), {})).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_DEPENDENCY_UNAVAILABLE' }));
    expect(make(configOf({ computeId: 'other' }), { expressions })).toThrow(/"other"/);
    expect(make(configOf({ expression: 'wrong' }), { expressions })).toThrow(/operand missing/);
  });

  describe('contract', () => {
    for (const check of componentContract(numerixDefinition, { config: configOf(), columns, backends: { expressions } }))
      it(check.name, () => check.run());
    const { backends } = service(sumOf, 2);
    for (const check of componentContract(numerixDefinition, { config: configOf(), columns, backends }))
      it(`remote: ${check.name}`, () => check.run());
  });
});
