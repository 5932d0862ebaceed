import { create } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { RequestDetails, RequestRecord } from './log-tap.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';

const model = modelConfig({
  features: [featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'price'] })],
  models: [
    modelComponent('ranker', { x: ['FP32', 'it:fp32_m:price'] }, { model: 'sum' }),
    modelComponent('broken', { x: ['FP32', 'it:fp32_m:price'] }, { model: 'bad', score: 'other' }),
  ],
  waits: { ranker: ['f_item'], broken: ['f_item'] },
  answer: ['item', 'score', 'other'],
});

describe('RequestRecord.details', () => {
  it('says how each component ended, whom it called, who filled which block, and which rows have errors', async () => {
    const taken: { readonly details: RequestDetails; readonly record: RequestRecord }[] = [];
    const engine = await createEngine({
      configSource: createObjectSource({ m: model }),
      featureStore: ({ keys }) => keys.map(([key = '']) => ({ price: Number(key) })),
      models: {
        sum: (inputs) => (inputs['x'] as { readonly data: Float32Array }).data,
        bad: () => {
          throw new Error('no');
        },
      },
      logTap: {
        wants: () => true,
        taken: (record) => void taken.push({ details: record.details(), record }),
      },
    });
    await engine.inferPointWise(
      create(PointWiseRequestSchema, { modelConfigId: 'm', trackingId: 't', targets: [{ id: '3' }, { id: '4' }] }),
      { headers: { 'user-id': 'u' } },
    );
    const { details, record } = taken[0] as (typeof taken)[number];
    expect(details.components.map(({ componentName, kind, status, calls }) => [componentName, kind, status, calls?.modelName])).toEqual([
      ['f_item', 'feature', 'ok', ''],
      ['ranker', 'predator', 'ok', 'sum'],
      ['broken', 'predator', 'failed', ''],
    ]);
    expect(details.components[1]?.calls).toMatchObject({ service: 'the model functions', count: 1, failed: 0 });
    expect(details.components[2]).toMatchObject({ calls: { count: 1, failed: 1 }, reason: expect.stringContaining('exception') });
    expect(details.targetBlocks.map((block) => [block?.origin, block?.componentName])).toEqual([
      ['rows', ''],
      ['context', ''],
      ['constant', ''],
      ['component', 'f_item'],
      ['component', 'ranker'],
      ['component', 'broken'],
    ]);
    const header = details.targetBlocks[1]?.headerSlots.map((slot) => record.matrix.layout.shapes[1]?.slots[slot]?.name);
    expect(header).toEqual(['user_id']);
    expect(details.responseColumns).toEqual(['item', 'score', 'other']);
    expect(details.targetErrors?.map((error) => Buffer.from(error ?? []).toString())).toEqual([
      expect.stringContaining('broken'),
      expect.stringContaining('broken'),
    ]);
    expect(() => record.details()).toThrow('while `taken` runs');
    record.release();
    await engine.close();
  });
});
