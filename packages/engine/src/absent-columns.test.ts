import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { InferflowRequestProtoSchema, PointWiseRequestSchema, type Quality, SlateWiseRequestSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { Engine } from './engine.js';
import { modelComponent, modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';
import { text } from './testing/read-answer.js';

const telemetry = createTelemetry({ prometheus: true, statsd: null });
let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({
    configSource: createObjectSource({
      m: modelConfig({
        models: [
          modelComponent('ranker', { x: ['FP32', 'price', 'age', 'sent'] }),
          modelComponent('slates', { x: ['FP32', 'price', 'size'] }, { slate: true, score: 'slate_score' }),
        ],
        plugins: [plugin('p', 'zero', 'price', 'v')],
        answer: ['item', 'score', 'note', 'slate_score'],
      }),
    }),
    models: {
      ranker: (_inputs, { rowCount }) => ({ out: new Float32Array(rowCount) }),
      slates: (_inputs, { rowCount }) => ({ out: new Float32Array(rowCount) }),
    },
    registry: registryOf({
      zero: (run) => {
        for (let row = 0; row < run.rowCount; row++) run.output(row, 0);
      },
    }),
    telemetry,
  });
});
afterAll(() => engine.close());

const absentOf = (quality: Quality | undefined) =>
  Object.fromEntries((quality?.absentColumns ?? []).map(({ component, columns }) => [component, columns]));

describe('columns that nobody writes and the request does not send', () => {
  it('are listed by reader, count as missing and are no row error', async () => {
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'm',
        targetInputSchema: [{ name: 'sent' }],
        targets: [
          { id: 'a', featureValues: [text('1')] },
          { id: 'b', featureValues: [text('')] },
        ],
      }),
    );
    expect(absentOf(answer.quality)).toEqual({ ranker: ['price', 'age'], p: ['price'], '': ['note'] });
    // price, age and note of two rows, and one value that was left empty
    expect(answer.quality?.cells?.missing).toBe(7);
    expect(answer.targetScores.map(({ error }) => error)).toEqual(['', '']);
  });

  it('are none when everything is sent', async () => {
    const names = ['price', 'age', 'sent', 'note'];
    const answer = await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'm',
        contextFeatures: names.map((name) => ({ name, value: text('1') })),
        targets: [{ id: 'a' }],
      }),
    );
    expect(answer.quality?.absentColumns).toEqual([]);
    expect(answer.quality?.cells?.missing).toBe(0);
  });

  it('are found for slates and in the text API, and told by rank()', async () => {
    const slates = await engine.inferSlateWise(
      create(SlateWiseRequestSchema, {
        modelConfigId: 'm',
        slateInputSchema: [{ name: 'size', dataType: 4 }],
        targets: [{ id: 'a' }],
        slates: [{ targetIndices: [0], featureValues: [new Uint8Array(4)] }],
      }),
    );
    expect(absentOf(slates.quality)).toEqual({ ranker: ['price', 'age', 'sent'], slates: ['price'], p: ['price'], '': ['note'] });
    const scores = await engine.retrieveModelScore(
      create(InferflowRequestProtoSchema, { modelConfigId: 'm', entities: [{ entity: 'item', ids: ['a'] }] }),
    );
    expect(absentOf(scores.quality)).toEqual({ ranker: ['price', 'age', 'sent'], p: ['price'], '': ['note'] });
    const ranked = await engine.rank('m', { targets: [{ id: 'a', features: { price: 1, note: 'x' } }] });
    expect(ranked.quality.absentColumns).toEqual({ ranker: ['age', 'sent'] });
  });

  it('are counted by model, component and column; names of callers are no labels', async () => {
    const before = counted(await telemetry.prometheusText());
    await engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId: 'm',
        targetInputSchema: [{ name: 'made-up' }],
        targets: [{ id: 'a', featureValues: [text('1')] }],
      }),
    );
    const page = await telemetry.prometheusText();
    const after = counted(page);
    expect(page).not.toContain('made-up');
    const grown = [...after].filter(([series, count]) => count > (before.get(series) ?? 0)).map(([series]) => series);
    expect(grown.sort()).toEqual(
      [
        'model_id="m",column="note"',
        'model_id="m",component_name="p",column="price"',
        'model_id="m",component_name="ranker",column="age"',
        'model_id="m",component_name="ranker",column="price"',
        'model_id="m",component_name="ranker",column="sent"',
      ].sort(),
    );
  });
});

function counted(page: string): Map<string, number> {
  return new Map(
    [...page.matchAll(/^inferflow_absent_column_total\{(.*)\} (\d+)$/gm)].map(([, labels, count]) => [labels as string, Number(count)]),
  );
}
