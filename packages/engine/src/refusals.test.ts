import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { DataType, encodeValue } from '@inferflow/matrix';
import { InferflowRequestProtoSchema, PairWiseRequestSchema, PointWiseRequestSchema, SlateWiseRequestSchema } from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { Engine } from './engine.js';
import type { EngineError } from './errors.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';
import { text } from './testing/read-answer.js';

const copy = registryOf({
  copy: (run) => {
    for (let row = 0; row < run.rowCount; row++) run.output(row, run.input(row));
  },
});
const base = { plugins: [plugin('p', 'copy', 'v', 'a')], answer: ['item', 'a'] };

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({
    configSource: createObjectSource({
      text: modelConfig(base),
      typed: modelConfig({ ...base, extra: { request_values: 'typed' } }),
      lenient: modelConfig({ ...base, extra: { compat: 'go-1.0' } }),
      slates: modelConfig({ plugins: [{ ...plugin('s', 'copy', 'v', 'a'), slate_component: true }], answer: ['item', 'a'] }),
    }),
    registry: copy,
    limits: { maxTargets: 5, maxSlates: 4, maxFeatures: 6, maxMessageBytes: 2000, maxSlateTargets: 10, maxCells: 30 },
  });
});
afterAll(() => engine.close());

async function errorOf(call: Promise<unknown>): Promise<EngineError> {
  try {
    await call;
  } catch (error) {
    return error as EngineError;
  }
  throw new Error('the request was answered');
}
const point = (init: MessageInitShape<typeof PointWiseRequestSchema>) =>
  errorOf(engine.inferPointWise(create(PointWiseRequestSchema, init)));
const pair = (init: MessageInitShape<typeof PairWiseRequestSchema>) => errorOf(engine.inferPairWise(create(PairWiseRequestSchema, init)));
const slate = (init: MessageInitShape<typeof SlateWiseRequestSchema>) =>
  errorOf(engine.inferSlateWise(create(SlateWiseRequestSchema, init)));
const score = (init: MessageInitShape<typeof InferflowRequestProtoSchema>) =>
  errorOf(engine.retrieveModelScore(create(InferflowRequestProtoSchema, init)));
const fields = (error: EngineError) => error.violations.map(({ field }) => field);
const a = { id: 'a' };

describe('refused requests', () => {
  it.each([
    ['pointwise without targets', () => point({ modelConfigId: 'text' }), 'pointwise request must have at least one target', ['targets']],
    [
      'pairs: neither pairs nor targets',
      () => pair({ modelConfigId: 'text' }),
      'pairwise request must have at least one pair',
      ['pairs', 'targets'],
    ],
    [
      'pairs without targets',
      () => pair({ modelConfigId: 'text', pairs: [{}] }),
      'pairwise request must have at least one target',
      ['targets'],
    ],
    [
      'pairs with all indices wrong',
      () =>
        pair({
          modelConfigId: 'text',
          targets: [a, a],
          pairs: [
            { firstTargetIndex: 0, secondTargetIndex: 1 },
            { firstTargetIndex: 2, secondTargetIndex: -1 },
          ],
        }),
      'pairwise request has out-of-range first_target_index=2 at pair index 1 (target count=2)',
      ['pairs[1].first_target_index', 'pairs[1].second_target_index'],
    ],
    [
      'slates without slates',
      () => slate({ modelConfigId: 'text', targets: [a] }),
      'slatewise request must have at least one slate',
      ['slates'],
    ],
    [
      'slates with a wrong index',
      () => slate({ modelConfigId: 'text', targets: [a], slates: [{ targetIndices: [0] }, { targetIndices: [0, 7] }] }),
      'slatewise request has out-of-range target index=7 at slates[1].target_indices[1] (target count=1)',
      ['slates[1].target_indices[1]'],
    ],
    [
      'an unknown model',
      () => point({ modelConfigId: 'nobody', targets: [a] }),
      'model config not found or invalid for id: nobody',
      ['model_config_id'],
    ],
    [
      'an unknown model, text API',
      () => score({ modelConfigId: 'nobody', entities: [{ entity: 'item', ids: ['a'] }] }),
      'something went wrong!',
      ['model_config_id'],
    ],
    ['no entity', () => score({ modelConfigId: 'text' }), 'RetrieveModelScore request must have at least one entity', ['entities']],
    [
      'a feature name given twice',
      () => point({ modelConfigId: 'text', targets: [a], targetInputSchema: [{ name: 'v' }, { name: 'v' }] }),
      'feature name "v" is given twice, at target_input_schema[0] and target_input_schema[1]',
      ['target_input_schema[1].name'],
    ],
    [
      'a context feature given twice',
      () => point({ modelConfigId: 'text', targets: [a], contextFeatures: [{ name: 'v' }, { name: 'v' }] }),
      /given twice/,
      ['context_features[1].name'],
    ],
    [
      'a feature named like the id column',
      () => point({ modelConfigId: 'text', targets: [a], targetInputSchema: [{ name: 'item' }] }),
      /id column/,
      ['target_input_schema[0].name'],
    ],
    [
      'a reserved slate feature, after what the original would say',
      () =>
        slate({
          modelConfigId: 'text',
          targets: [a],
          slates: [{ targetIndices: [3] }],
          slateInputSchema: [{ name: 'slate_target_indices' }],
        }),
      /^slatewise request has out-of-range/,
      ['slates[0].target_indices[0]', 'slate_input_schema[0].name'],
    ],
    [
      'a name that a slate component could mean twice',
      () =>
        slate({
          modelConfigId: 'slates',
          targets: [a],
          slates: [{ targetIndices: [0] }],
          targetInputSchema: [{ name: 'v' }],
          slateInputSchema: [{ name: 'v' }],
        }),
      /exists per target and per slate/,
      ['slate_input_schema'],
    ],
    [
      'typed values of wrong width and number, and an unknown type',
      () =>
        point({
          modelConfigId: 'typed',
          targetInputSchema: [
            { name: 'v', dataType: DataType.FP32 },
            { name: 'w', dataType: DataType.Int16Vector, vectorDim: 2 },
          ],
          targets: [
            { id: 'a', featureValues: [text('0.55'), new Uint8Array(4)] },
            { id: 'b', featureValues: [text('0.5'), new Uint8Array(3)] },
            { id: 'c', featureValues: [encodeValue(DataType.FP32, 1)] },
          ],
          contextFeatures: [{ name: 'c', dataType: DataType.Int64, value: text('1') }],
        }),
      'targets[1].feature_values[0] has 3 bytes; DataTypeFP32 takes 4 bytes',
      ['targets[1].feature_values[0]', 'targets[1].feature_values[1]', 'targets[2].feature_values', 'context_features[0].value'],
    ],
    [
      'an unknown type of a typed model',
      () =>
        point({
          modelConfigId: 'typed',
          targets: [a],
          targetInputSchema: [
            { name: 'v', dataType: 77 as never },
            { name: 'w', vectorDim: -1 },
          ],
        }),
      /data_type 77/,
      [
        'target_input_schema[0].data_type',
        'target_input_schema[1].data_type',
        'target_input_schema[1].vector_dim',
        'targets[0].feature_values',
      ],
    ],
    [
      'id lists and value lists of other lengths',
      () =>
        score({
          modelConfigId: 'text',
          entities: [
            { entity: 'item', ids: ['1', '2', '3'], features: [{ name: 'v', idsFeatureValue: ['1'] }] },
            { entity: 'seller', ids: ['x', 'y'] },
          ],
        }),
      /has 1 values; it needs one per row, 3/,
      ['entities[0].features[0].ids_feature_value', 'entities[1].ids'],
    ],
    [
      'a schema and values that are wrong: both at once',
      () =>
        point({
          modelConfigId: 'typed',
          targetInputSchema: [
            { name: 'v', dataType: 99 as never },
            { name: 'w', dataType: DataType.FP32 },
          ],
          contextFeatures: [{ name: 'c', dataType: DataType.FP64, value: new Uint8Array(3) }],
          targets: [
            { id: 'a', featureValues: [new Uint8Array(1), new Uint8Array(3)] },
            { id: 'b', featureValues: [] },
          ],
        }),
      /data_type 99/,
      ['target_input_schema[0].data_type', 'targets[0].feature_values[1]', 'targets[1].feature_values', 'context_features[0].value'],
    ],
    [
      'a slate schema and slate values that are wrong: both at once',
      () =>
        slate({
          modelConfigId: 'typed',
          targets: [a],
          slateInputSchema: [
            { name: 's', dataType: DataType.FP32 },
            { name: 's', dataType: DataType.FP32 },
          ],
          slates: [{ targetIndices: [5], featureValues: [new Uint8Array(2), new Uint8Array(4)] }],
        }),
      /out-of-range target index=5/,
      ['slates[0].target_indices[0]', 'slate_input_schema[1].name', 'slates[0].feature_values[0]'],
    ],
    [
      'names used twice in the text API',
      () =>
        score({
          modelConfigId: 'text',
          entities: [
            { entity: 'item', ids: ['1'], features: [{ name: 'v', idsFeatureValue: ['1'] }] },
            { entity: 'item', ids: ['2'], features: [{ name: 'v', idsFeatureValue: ['1'] }] },
          ],
        }),
      /name "item" at entities\[1\]\.entity is given twice/,
      ['entities[1].entity', 'entities[1].features[0].name'],
    ],
  ])('%s', async (_name, call, message, expectedFields) => {
    const error = await call();
    expect(error.kind).toBe('invalid_argument');
    expect(error.message).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
    expect(fields(error)).toEqual(expectedFields);
    expect(error.violations.every(({ description }) => description !== '')).toBe(true);
  });

  it.each([
    ['targets', () => point({ modelConfigId: 'text', targets: Array.from({ length: 6 }, () => a) }), /6 targets; the limit is 5/],
    [
      'slates',
      () => slate({ modelConfigId: 'text', targets: [a], slates: Array.from({ length: 5 }, () => ({})) }),
      /5 pairs or slates; the limit is 4/,
    ],
    [
      'slate members',
      () => slate({ modelConfigId: 'text', targets: [a], slates: [{ targetIndices: new Array<number>(11).fill(0) }] }),
      /11 target indices/,
    ],
    [
      'features',
      () =>
        point({ modelConfigId: 'text', targets: [a], targetInputSchema: Array.from({ length: 7 }, (_, index) => ({ name: `f${index}` })) }),
      /7 features/,
    ],
    [
      'cells',
      () =>
        point({
          modelConfigId: 'text',
          targets: new Array(5).fill(a),
          targetInputSchema: Array.from({ length: 6 }, (_, index) => ({ name: `f${index}` })),
        }),
      /35 values/,
    ],
    ['ids', () => score({ modelConfigId: 'text', entities: [{ entity: 'item', ids: new Array<string>(6).fill('x') }] }), /6 ids/],
    [
      'entities',
      () => score({ modelConfigId: 'text', entities: Array.from({ length: 7 }, (_, index) => ({ entity: `e${index}`, ids: ['x'] })) }),
      /7 entities and features/,
    ],
    [
      'message bytes',
      () => point({ modelConfigId: 'text', targets: [{ id: 'x'.repeat(3000) }] }),
      /message of \d+ bytes; the limit is 2000/,
    ],
  ])('%s above the limit', async (_name, call, message) => {
    const error = await call();
    expect(error).toMatchObject({ code: 'INFERFLOW_ENGINE_LIMIT_EXCEEDED', kind: 'resource_exhausted' });
    expect(error.message).toMatch(message);
  });

  it('lists a bounded number of violations and counts the rest', async () => {
    const error = await slate({ modelConfigId: 'text', targets: [a], slates: new Array(4).fill({ targetIndices: [9] }) });
    expect(error.violations).toHaveLength(4);
    const many = await createEngine({
      configSource: createObjectSource({ text: modelConfig(base) }),
      registry: registryOf({ copy: () => {} }),
    });
    const flood = await errorOf(
      many.inferSlateWise(
        create(SlateWiseRequestSchema, {
          modelConfigId: 'text',
          targets: [a],
          slates: [{ targetIndices: new Array<number>(5000).fill(9) }],
        }),
      ),
    );
    expect(flood.violations).toHaveLength(41);
    expect(flood.violations.at(-1)?.description).toBe('and 4960 more');
    await many.close();
  });

  it('keeps what it says small enough for metadata, however long the names of the caller are', async () => {
    const engineOfMany = await createEngine({
      configSource: createObjectSource({ text: modelConfig(base) }),
      registry: registryOf({ copy: () => {} }),
    });
    const name = 'ä'.repeat(200_000);
    const twice = await errorOf(
      engineOfMany.inferPointWise(
        create(PointWiseRequestSchema, { modelConfigId: 'text', targets: [a], targetInputSchema: [{ name }, { name }] }),
      ),
    );
    expect(twice).toMatchObject({ kind: 'invalid_argument', violations: [{ field: 'target_input_schema[1].name' }] });
    expect(twice.message).toMatch(/^feature name "ä+…$/);
    const many = await errorOf(
      engineOfMany.inferPointWise(
        create(PointWiseRequestSchema, {
          modelConfigId: 'text',
          targets: [a],
          targetInputSchema: Array.from({ length: 300 }, () => ({ name: 'n'.repeat(400) })),
        }),
      ),
    );
    const listed = many.violations.length - 1;
    expect(many.violations.at(-1)?.description).toBe(`and ${299 - listed} more`);
    expect(JSON.stringify(many.violations).length).toBeLessThan(7000);
    await engineOfMany.close();
    const refused = await createEngine({
      configSource: createObjectSource({ text: modelConfig({ ...base, waits: { p: ['x'.repeat(50_000)] } }) }),
      registry: registryOf({ copy: () => {} }),
    });
    const why = await errorOf(refused.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'text', targets: [a] })));
    expect(why).toMatchObject({ kind: 'failed_precondition' });
    expect(why.message.length + JSON.stringify(why.violations).length).toBeLessThan(7000);
    await refused.close();
  });

  it('refuses bytes that are no request, without a stack trace', async () => {
    const call = { header: () => undefined, headerValues: () => [], deadline: Number.POSITIVE_INFINITY };
    for (const bytes of [
      Uint8Array.of(0xff, 0xff),
      Uint8Array.of(10, 200),
      toBinary(PointWiseRequestSchema, create(PointWiseRequestSchema, { modelConfigId: 'text', targets: [a] })).slice(0, -1),
    ]) {
      const error = await errorOf(engine.handle('InferPointWise', bytes, call));
      expect(error.code).toBe('INFERFLOW_ENGINE_MALFORMED_REQUEST');
      expect(error.stack?.split('\n')).toHaveLength(1);
    }
    const badTarget = Uint8Array.of(10, 4, ...text('text'), 42, 2, 10, 200);
    expect((await errorOf(engine.handle('InferPointWise', badTarget, call))).message).toContain('targets is malformed');
  });

  it('is lenient with lengths where compat asks for it', async () => {
    const answer = await engine.retrieveModelScore(
      create(InferflowRequestProtoSchema, {
        modelConfigId: 'lenient',
        entities: [
          { entity: 'item', ids: ['1', '2', '3'], features: [{ name: 'v', idsFeatureValue: ['1'] }] },
          { entity: 'seller', ids: ['x', 'y', 'z', 'more'] },
        ],
      }),
    );
    expect(answer.componentData.map(({ data }) => data[0])).toEqual(['item', '1', '2', '3']);
  });
});
