import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { PointWiseRequestSchema, SlateWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';

const config = modelConfig({
  features: [featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'price'] })],
  models: [
    modelComponent(
      'ranker',
      { x: ['FP32', 'it:fp32_m:price', 'boost'], e: ['FP32', 'taste'], n: ['INT64', 'count'] },
      {
        model: 'scorer',
        outputs: [
          { name: 'out', scores: ['score'] },
          { name: 'vec', scores: ['vec'], dims: [[2]], type: 'FP32' },
        ],
      },
    ),
  ],
  waits: { ranker: ['f_item'] },
  answer: ['item', 'score', 'vec', 'it:fp32_m:price'],
});
const withVector = structuredClone(config);
for (const input of withVector.component_config.predator_components[0]?.inputs ?? []) if (input.name === 'e') input.shape = [2];

const start = (requestValues: 'text' | 'typed') =>
  createEngine({
    configSource: createObjectSource({ shop: { ...withVector, request_values: requestValues } }),
    featureStore: ({ keys }) => keys.map(([id]) => (id === 'ghost' ? null : { price: String(id).length })),
    models: {
      scorer: ({ x, e, n }, { rowCount }) => {
        const price = x?.data as Float32Array;
        const taste = e?.data as Float32Array;
        const count = n?.data as BigInt64Array;
        const scores = Array.from(
          { length: rowCount },
          (_, row) =>
            (price[row * 2] ?? 0) * (price[row * 2 + 1] ?? 0) + (taste[row * 2] ?? 0) - (taste[row * 2 + 1] ?? 0) + Number(count[row]),
        );
        return { out: scores, vec: scores.flatMap((score) => [score, -score]) };
      },
    },
  });

describe.each(['text', 'typed'] as const)('rank, %s values', (requestValues) => {
  it('takes plain objects and gives sorted rows', async () => {
    const engine = await start(requestValues);
    const result = await engine.rank('shop', {
      targets: [
        { id: 'a', features: { taste: [1, 2], count: 3n } },
        { id: 'ghost', features: { taste: new Float32Array([1, 0]), count: 1n } },
        { id: 'longer', features: { taste: [0, 0] } },
      ],
      context: { boost: 0.5 },
    });
    expect(result.sortedBy).toBe('vec');
    const byScore = await engine.rank('shop', {
      targets: [
        { id: 'a', features: { taste: [1, 2], count: 3n } },
        { id: 'longer', features: { taste: [0, 0], count: 1n } },
      ],
      context: { boost: 0.5 },
      sortBy: 'score',
    });
    expect(byScore.rows).toEqual([
      { id: 'longer', index: 1, score: 4, error: '', values: { item: 'longer', score: 4, vec: [4, -4], 'it:fp32_m:price': 6 } },
      { id: 'a', index: 0, score: 2.5, error: '', values: { item: 'a', score: 2.5, vec: [2.5, -2.5], 'it:fp32_m:price': 1 } },
    ]);
    expect(result.errorCount).toBe(0);
    expect(result.rows.map(({ id, error }) => [id, error === ''])).toEqual([
      ['longer', true],
      ['a', true],
      ['ghost', true],
    ]);
    expect(result.quality.components.map(({ componentName, status, defaultedInputs }) => [componentName, status, defaultedInputs])).toEqual(
      [
        ['f_item', 'ok', 0],
        ['ranker', 'ok', 2],
      ],
    );
    await engine.close();
  });

  it('says what is wrong with a question', async () => {
    const engine = await start(requestValues);
    await expect(engine.rank('shop', { targets: [] })).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_INVALID_REQUEST' });
    await expect(engine.rank('nobody', { targets: [{ id: 'a' }] })).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_UNKNOWN_MODEL' });
    await expect(engine.rank('shop', { targets: [{ id: 'a' }], sortBy: 'scores' })).rejects.toMatchObject({
      code: 'INFERFLOW_ENGINE_OPTIONS_INVALID',
    });
    if (requestValues === 'typed') {
      await expect(
        engine.rank('shop', { targets: [{ id: 'a', features: { count: 'many' } }], types: { count: DataType.Int64 } }),
      ).rejects.toMatchObject({
        code: 'INFERFLOW_ENGINE_OPTIONS_INVALID',
      });
    }
    await engine.close();
  });
});

describe('slips of a program without types', () => {
  it.each([
    ['no request', undefined, 'rank needs a request'],
    ['another name', { target: [{ id: 'a' }] }, 'rank knows no "target"; it takes targets, context'],
    ['no targets', {}, 'targets must be a list'],
    ['ids alone', { targets: ['a'] }, 'targets[0] must be an object with an id'],
    ['a number as id', { targets: [{ id: 'a' }, { id: 5 }] }, 'targets[1].id must be a string'],
    ['null as value', { targets: [{ id: 'a', features: { taste: null } }] }, 'targets[0].features "taste" must be a number'],
    ['a date in the context', { targets: [{ id: 'a' }], context: { now: new Date(0) } }, 'context "now" must be a number'],
    ['a deadline with a unit', { targets: [{ id: 'a' }], deadlineMs: '5s' }, 'deadlineMs must be a number of milliseconds'],
  ])('are named: %s', async (_name, request, text) => {
    const engine = await start('typed');
    const error = await engine.rank('shop', request as never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'INFERFLOW_ENGINE_OPTIONS_INVALID', message: expect.stringContaining(text) });
    await engine.close();
  });

  it.each([
    ['no options', undefined, 'createEngine needs options'],
    ['no source', {}, 'configSource must be a source'],
    ['a configuration as source', { configSource: { shop: config } }, 'configSource must be a source'],
    ['another name', { configSource: createObjectSource({}), model: {} }, 'there is no option "model"; there are configSource'],
    [
      'a model that is no function',
      { configSource: createObjectSource({}), models: { scorer: [] } },
      'models["scorer"] must be a function',
    ],
    ['text for a switch', { configSource: createObjectSource({}), compat: 'false' }, 'compat must be true or false'],
    [
      'another default',
      { configSource: createObjectSource({}), defaults: { deadlineMS: 5 } },
      'there is no default "deadlineMS"; there are',
    ],
    [
      'half a row',
      { configSource: createObjectSource({}), defaults: { modelBatchSize: 0.5 } },
      'defaults.modelBatchSize must be a whole number',
    ],
    ['no defaults', { configSource: createObjectSource({}), defaults: null }, 'defaults must be an object'],
    [
      'a log tap that is none',
      { configSource: createObjectSource({}), logTap: {} },
      'logTap must be an object with the functions wants, taken',
    ],
    ['true for telemetry', { configSource: createObjectSource({}), telemetry: true }, 'telemetry must be an object with the functions'],
    ['no expressions', { configSource: createObjectSource({}), expressions: null }, 'expressions must be an object of functions'],
    ['a formula', { configSource: createObjectSource({}), expressions: { a: 'x 2 *' } }, 'expressions["a"] must be a function'],
    ['a source without end', { configSource: { start() {} } }, 'configSource must be a source'],
    ['a store that is no function', { configSource: createObjectSource({}), featureStore: {} }, 'featureStore must be a function'],
  ])('in options are named: %s', async (_name, options, text) => {
    const error = await createEngine(options as never).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'INFERFLOW_ENGINE_OPTIONS_INVALID', message: expect.stringContaining(text) });
  });

  it('are named in calls that take messages', async () => {
    const engine = await start('typed');
    const message = create(PointWiseRequestSchema, { modelConfigId: 'shop', targets: [{ id: 'a' }] });
    const calls: readonly (readonly [unknown, unknown, string])[] = [
      [undefined, undefined, 'the request must be a PointWiseRequest'],
      [{ modelConfigId: 'shop', targets: [{ id: 'a' }] }, undefined, 'the request must be a PointWiseRequest'],
      [create(SlateWiseRequestSchema), undefined, 'the request must be a PointWiseRequest'],
      [{ $typeName: message.$typeName }, undefined, 'the request cannot be written as a PointWiseRequest'],
      [message, null, 'the options of a call must be an object'],
      [message, { signal: {} }, 'signal must be an AbortSignal'],
    ];
    for (const [request, options, text] of calls) {
      const error = await engine.inferPointWise(request as never, options as never).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: 'INFERFLOW_ENGINE_OPTIONS_INVALID', message: expect.stringContaining(text) });
    }
    expect(engine.inFlight).toBe(0);
    await engine.close();
  });

  it.each([
    ['null', null, 'output "out" is not in the answer'],
    ['a set', new Set([1]), 'model "scorer" answered no list of values as output "out"'],
  ])('are told where a model answers %s for an output', async (_, out, text) => {
    const engine = await createEngine({
      configSource: createObjectSource({ shop: config }),
      featureStore: () => [{ price: 1 }],
      models: { scorer: () => ({ out, vec: [1, 2] }) as never },
    });
    const { rows } = await engine.rank('shop', { targets: [{ id: 'a' }] });
    expect(rows[0]?.error).toContain(text);
    await engine.close();
  });

  it('are told where a function answers nothing', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({ shop: config }),
      featureStore: () => ({}) as never,
      models: { scorer: () => undefined as never },
    });
    const { quality } = await engine.rank('shop', { targets: [{ id: 'a' }] });
    expect(quality.components.map(({ reason }) => reason)).toEqual([
      expect.stringContaining('it answered no list; expected one record per key'),
      expect.stringContaining('model "scorer" answered undefined, no list of values'),
    ]);
    await engine.close();
  });
});

describe('createEngine for embedders', () => {
  it('refuses a model whose function is not there, and two ways to give backends', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({ shop: config }),
      featureStore: () => [],
      models: { other: () => [] },
    });
    expect(engine.ready).toBe(false);
    expect(engine.readyReason).toBe('every model was refused');
    expect(engine.snapshot.models.get('shop')?.problems.map(({ message }) => message)).toContain(
      'the engine was given no model function "scorer"; there are other',
    );
    await engine.close();
    await expect(
      createEngine({
        configSource: createObjectSource({}),
        models: {},
        backends: { featureStore: null, model: () => null, compute: null, expressions: null },
      }),
    ).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_OPTIONS_INVALID' });
    await expect(createEngine({ configSource: createObjectSource({}), limits: { maxTargets: 0 } })).rejects.toMatchObject({
      code: 'INFERFLOW_ENGINE_OPTIONS_INVALID',
    });
  });

  it('fails the rows, not the process, when a function answers nonsense', async () => {
    const engine = await createEngine({
      configSource: createObjectSource({ shop: config }),
      featureStore: () => [{ price: 'expensive' }, null],
      models: { scorer: () => [1, 2, 3] },
    });
    const { rows, quality } = await engine.rank('shop', { targets: [{ id: 'a' }, { id: 'b' }] });
    expect(rows.map(({ score, error }) => [score, error !== ''])).toEqual([
      [null, true],
      [null, true],
    ]);
    expect(quality.components.map(({ status }) => status)).toEqual(['failed', 'failed']);
    await engine.close();
  });
});
