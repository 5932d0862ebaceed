import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { DataType, encodeValue } from '@inferflow/matrix';
import {
  ComponentOutcome_Status,
  InferflowRequestProtoSchema,
  PairWiseRequestSchema,
  PointWiseRequestSchema,
  SlateWiseRequestSchema,
} from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { FeatureFunction } from './embed/feature-function.js';
import type { ModelFunctions } from './embed/model-functions.js';
import { expressionComponent, featureComponent, modelComponent, modelConfig } from './testing/model-config.js';
import { readRows, text } from './testing/read-answer.js';

/** price = number in the id; brand = letter of the id; ids with an x are unknown. */
const store: FeatureFunction = ({ keys }) =>
  keys.map(([key = '']) =>
    key.includes('x') ? null : { price: Number(key.replace(/\D/g, '')), 'string_m:brand': key.replace(/\d/g, ''), size: 2n, share: 0.5 },
  );

/** Sum of all numbers of a row, plus the lengths of texts. */
const sum: ModelFunctions[string] = (inputs, { rowCount }) => {
  const scores = new Float32Array(rowCount);
  for (const { data } of Object.values(inputs)) {
    const width = data.length / rowCount;
    for (let at = 0; at < data.length; at++) {
      const value = data[at];
      scores[Math.floor(at / width)] = (scores[Math.floor(at / width)] ?? 0) + (typeof value === 'string' ? value.length : Number(value));
    }
  }
  return scores;
};
/** One score for the whole call. */
const slateSum: ModelFunctions[string] = (inputs) => [
  Object.values(inputs).reduce((total, { data }) => total + Array.from(data as Float32Array).reduce((a, b) => a + b, 0), 0),
];

const item = featureComponent('f_item', {
  fp32_m: ['DataTypeFP32', 'price'],
  string_m: ['DataTypeString', 'brand'],
  int64_m: ['DataTypeInt64', 'size'],
});
const PRICE = 'it:fp32_m:price';
const BRAND = 'it:string_m:brand';
const SIZE = 'it:int64_m:size';

const models = {
  plain: modelConfig({
    features: [item],
    models: [modelComponent('ranker', { x: ['FP32', PRICE, 'boost'], t: ['BYTES', BRAND] }, { model: 'sum' })],
    expressions: [expressionComponent('blend', 'double', { 'a@DataTypeFP32': 'score' })],
    waits: { ranker: ['f_item'], blend: ['ranker'] },
    answer: ['item', 'final', 'score', PRICE, BRAND, SIZE, 'boost', 'nobody'],
  }),
  slates: modelConfig({
    features: [item],
    models: [
      modelComponent('ranker', { x: ['FP32', PRICE] }, { model: 'sum' }),
      modelComponent('listwise', { x: ['FP32', 'score', 'position'] }, { model: 'slateSum', score: 's_score', slate: true }),
    ],
    waits: { ranker: ['f_item'], listwise: ['ranker'] },
    answer: ['item', 'score', 's_score'],
  }),
  typed: modelConfig({
    models: [modelComponent('ranker', { a: ['FP32', 'a'], n: ['INT64', 'n'] }, { model: 'sum' })],
    answer: ['item', 'score', 'a', 'n'],
    extra: { request_values: 'typed' },
  }),
  calibrated: modelConfig({
    features: [
      featureComponent(
        'f_cal',
        { fp32_k: ['DataTypeFP32', 'share'] },
        {
          entity: 'calib',
          keys: [
            ['model', 'pctr_model'],
            ['config', 'inferflow_config_id'],
          ],
        },
      ),
    ],
    models: [modelComponent('ranker', { x: ['FP32', 'boost'] }, { model: 'sum', calibration: 'pctr' })],
    waits: { f_cal: ['ranker'] },
    answer: ['item', 'score', 'pctr_model', 'inferflow_config_id', 'calib:fp32_k:share'],
    modelSchemaPercent: 100,
  }),
  broken: {
    dag_execution_config: { component_dependency: { a: ['b'], b: ['a'] } },
    component_config: {},
    response_config: { features: ['item'] },
  },
  nothing: {
    dag_execution_config: { component_dependency: { n: ['feature_initializer'] } },
    component_config: {
      numerix_components: [
        { component: 'n', component_id: 'item', score_col: 's', data_type: 'FP32', score_mapping: { 'a@FP32': 'a' }, compute_id: 'double' },
      ],
    },
    response_config: { features: ['item'] },
  },
};

function start(extra: Partial<Parameters<typeof createEngine>[0]> = {}) {
  return createEngine({
    configSource: createObjectSource(models),
    featureStore: store,
    models: { sum, slateSum },
    expressions: { double: ({ a = new Float32Array() }) => a.map((value) => value * 2) },
    ...extra,
  });
}

const targets = (...ids: string[]) => ids.map((id) => ({ id }));

describe('createEngine', () => {
  it('answers a pointwise request: features, a model, an expression', async () => {
    const engine = await start();
    expect(engine.snapshot.models.get('plain')?.problems.filter(({ severity }) => severity === 'error')).toEqual([]);
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'plain',
        contextFeatures: [{ name: 'boost', value: text('0.5'), dataType: DataType.FP32 }],
        targets: targets('ab10', 'c7', 'ab10'),
      }),
    );
    expect(readRows(answer)).toEqual([
      { item: 'ab10', final: 25, score: 12.5, [PRICE]: 10, [BRAND]: 'ab', [SIZE]: 2n, boost: '0.5', nobody: null },
      { item: 'c7', final: 17, score: 8.5, [PRICE]: 7, [BRAND]: 'c', [SIZE]: 2n, boost: '0.5', nobody: null },
      { item: 'ab10', final: 25, score: 12.5, [PRICE]: 10, [BRAND]: 'ab', [SIZE]: 2n, boost: '0.5', nobody: null },
    ]);
    expect(answer.targetScores.map(({ error }) => error)).toEqual(['', '', '']);
    expect(answer.quality?.components.map(({ name, status }) => [name, status])).toEqual([
      ['f_item', ComponentOutcome_Status.OK],
      ['ranker', ComponentOutcome_Status.OK],
      ['blend', ComponentOutcome_Status.OK],
    ]);
    // Fetched once for two rows counts once: 2 identities × 3 features, and two scores of three rows.
    // Nobody has `nobody`, in three rows.
    expect(answer.quality?.cells).toMatchObject({ provided: 4, fresh: 6 + 3 + 3, missing: 3, failed: 0 });
    await engine.close();
  });

  it('counts defaults for what the sources do not have, without calling them errors', async () => {
    const engine = await start();
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'plain',
        contextFeatures: [{ name: 'boost', value: text('1') }],
        targets: targets('a1', 'x9'),
      }),
    );
    expect(readRows(answer).map((row) => [row['score'], row[PRICE]])).toEqual([
      [3, 1],
      [1, null],
    ]);
    expect(answer.targetScores.map(({ error }) => error)).toEqual(['', '']);
    expect(answer.quality?.inputsDefaulted.map(({ component, count }) => [component, count])).toEqual([['ranker', 2]]);
    // Three features of one identity, and `nobody` of two rows.
    expect(answer.quality?.cells?.missing).toBe(3 + 2);
    await engine.close();
  });

  it('answers texts, broadcasts single ids, and takes entities from headers', async () => {
    const engine = await start();
    const answer = await engine.retrieveModelScore(
      create(InferflowRequestProtoSchema, {
        modelConfigId: 'plain',
        entities: [
          { entity: 'item', ids: ['a1', 'b2'] },
          { entity: 'boost', ids: ['3'] },
        ],
      }),
    );
    expect(answer.componentData.map(({ data }) => data)).toEqual([
      ['item', 'final', 'score', PRICE, BRAND, SIZE, 'boost', 'nobody'],
      ['a1', '10', '5', '1', 'a', '2', '3', ''],
      ['b2', '12', '6', '2', 'b', '2', '3', ''],
    ]);
    await engine.close();
  });

  it('answers slates and pairs; slate features reach slate components', async () => {
    const engine = await start();
    const slateInputSchema = [{ name: 'position', dataType: DataType.FP32 }];
    const position = (value: number) => [encodeValue(DataType.FP32, value)];
    const slates = await engine.inferSlateWise(
      create(SlateWiseRequestSchema, {
        modelConfigId: 'slates',
        targets: targets('a1', 'a2', 'a4'),
        slateInputSchema,
        slates: [
          { targetIndices: [0, 2], featureValues: position(10) },
          { targetIndices: [], featureValues: position(1) },
          { targetIndices: [1, 1, 2], featureValues: position(100) },
        ],
      }),
    );
    expect(readRows(slates).map((row) => row['score'])).toEqual([1, 2, 4]);
    expect(slates.slateOutputSchema.map(({ name }) => name)).toEqual(['s_score']);
    expect(slates.slateScores.map(({ outputValues }) => outputValues[0]?.length)).toEqual([4, 0, 4]);
    const scoreOf = (bytes: Uint8Array | undefined) =>
      bytes === undefined ? null : new DataView(bytes.buffer, bytes.byteOffset).getFloat32(0, true);
    expect(scoreOf(slates.slateScores[0]?.outputValues[0])).toBe(1 + 4 + 20);
    expect(scoreOf(slates.slateScores[2]?.outputValues[0])).toBe(2 + 2 + 4 + 300);
    expect(slates.slateScores.map(({ error }) => error)).toEqual(['', 'no targets: nothing to score', '']);

    const pairs = await engine.inferPairWise(
      create(PairWiseRequestSchema, {
        modelConfigId: 'slates',
        targets: targets('a1', 'a2'),
        pairInputSchema: slateInputSchema,
        pairs: [{ firstTargetIndex: 1, secondTargetIndex: 0, featureValues: position(1) }],
      }),
    );
    expect(scoreOf(pairs.pairScores[0]?.outputValues[0])).toBe(5);
    await engine.close();
  });

  it('skips slate components where there are no slates', async () => {
    const engine = await start();
    const answer = await engine.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'slates', targets: targets('a1') }));
    expect(readRows(answer)).toEqual([{ item: 'a1', score: 1, s_score: null }]);
    expect(answer.targetScores[0]?.error).toBe('');
    expect(answer.quality?.components.at(-1)).toMatchObject({ name: 'listwise', status: ComponentOutcome_Status.SKIPPED });
    await engine.close();
  });

  it('reads typed values by their declared type, as a typed model asks', async () => {
    const engine = await start();
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'typed',
        targetInputSchema: [
          { name: 'a', dataType: DataType.FP32 },
          { name: 'n', dataType: DataType.Int64 },
        ],
        targets: [
          { id: 'p', featureValues: [encodeValue(DataType.FP32, 1.5), encodeValue(DataType.Int64, 7n)] },
          { id: 'q', featureValues: [encodeValue(DataType.FP32, 2.5), new Uint8Array(0)] },
        ],
      }),
    );
    expect(readRows(answer)).toEqual([
      { item: 'p', score: 8.5, a: 1.5, n: 7n },
      { item: 'q', score: 2.5, a: 2.5, n: null },
    ]);
    expect(answer.targetScores[1]?.error).toBe('');
    expect(answer.quality?.inputsDefaulted.map(({ component, count }) => [component, count])).toEqual([['ranker', 1]]);
    await engine.close();
  });

  it('offers calibration columns, and model inputs in front of the answer where sampling says so', async () => {
    const engine = await start();
    const answer = await engine.retrieveModelScore(
      create(InferflowRequestProtoSchema, {
        modelConfigId: 'calibrated',
        entities: [{ entity: 'item', ids: ['a', 'b'], features: [{ name: 'boost', idsFeatureValue: ['1', '2'] }] }],
      }),
    );
    expect(answer.componentData.map(({ data }) => data)).toEqual([
      ['boost', 'item', 'score', 'pctr_model', 'inferflow_config_id', 'calib:fp32_k:share'],
      ['1', 'a', '1', 'sum', 'calibrated', '0.5'],
      ['2', 'b', '2', 'sum', 'calibrated', '0.5'],
    ]);
    await engine.close();
  });

  it('answers the header row alone for an entity without ids, and asks nobody', async () => {
    let asked = 0;
    const engine = await start({
      featureStore: (query) => {
        asked++;
        return store(query);
      },
    });
    const answer = await engine.retrieveModelScore(
      create(InferflowRequestProtoSchema, { modelConfigId: 'plain', entities: [{ entity: 'item', ids: [] }] }),
    );
    expect(answer.componentData).toHaveLength(1);
    expect(asked).toBe(0);
    await engine.close();
  });

  it('leaves quality and our row errors out where the request says so, and adds the config hash on request', async () => {
    const engine = await start();
    // A row without a key is not asked for, so its inputs are lost.
    const request = { modelConfigId: 'plain', entities: [{ entity: 'item', ids: ['x1', ''] }] };
    const full = await engine.retrieveModelScore(create(InferflowRequestProtoSchema, { ...request, options: { includeConfigHash: true } }));
    expect(full.quality?.configHash).toBe(engine.snapshot.models.get('plain')?.config?.hash);
    expect(full.rowErrors.map(({ row, error }) => [row, error])).toEqual([
      [1, 'ranker: an input that could not be had was filled with its default'],
    ]);
    const bare = await engine.retrieveModelScore(create(InferflowRequestProtoSchema, { ...request, options: { omitQuality: true } }));
    expect(bare.quality).toBeUndefined();
    expect(bare.rowErrors).toEqual([]);
    expect(bare.componentData).toEqual(full.componentData);
    await engine.close();
  });

  it('takes a model that fetches nothing and calls no model for an unknown one, as the original does', async () => {
    const engine = await start();
    await expect(
      engine.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'nothing', targets: targets('a') })),
    ).rejects.toMatchObject({
      code: 'INFERFLOW_ENGINE_UNKNOWN_MODEL',
      message: 'model config not found or invalid for id: nothing',
      violations: [{ field: 'model_config_id' }, { field: '$.component_config' }],
    });
    await engine.close();
  });

  it('keeps a model with a bad configuration apart', async () => {
    const engine = await start();
    expect(engine.ready).toBe(true);
    await expect(
      engine.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'broken', targets: targets('a') })),
    ).rejects.toMatchObject({
      code: 'INFERFLOW_ENGINE_MODEL_REFUSED',
      kind: 'failed_precondition',
    });
    await engine.close();
    expect(engine.ready).toBe(false);
  });
});
