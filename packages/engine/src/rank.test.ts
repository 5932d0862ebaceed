import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
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
