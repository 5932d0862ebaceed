import { create, toBinary } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { InferflowRequestProtoSchema, PairWiseRequestSchema, PointWiseRequestSchema, SlateWiseRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { CallOptions, Engine } from './engine.js';
import { modelConfig } from './testing/model-config.js';
import { plugin, registryOf } from './testing/plugins.js';

const point = create(PointWiseRequestSchema, { modelConfigId: 'm', targets: [{ id: 't' }] });
const handled = (deadline: unknown) => ({ header: () => undefined, headerValues: () => [], deadline: deadline as number });

/** A model that never answers. */
const start = () =>
  createEngine({
    configSource: createObjectSource({ m: modelConfig({ plugins: [plugin('p', 'never', 'v', 'a')], answer: ['item', 'a'] }) }),
    registry: registryOf({ never: () => new Promise<void>(() => {}) }),
  });

describe('a deadline that is no number', () => {
  const calls: [string, (engine: Engine, options: CallOptions) => Promise<unknown>][] = [
    ['inferPointWise', (engine, options) => engine.inferPointWise(point, options)],
    ['inferPairWise', (engine, options) => engine.inferPairWise(create(PairWiseRequestSchema, { modelConfigId: 'm' }), options)],
    ['inferSlateWise', (engine, options) => engine.inferSlateWise(create(SlateWiseRequestSchema, { modelConfigId: 'm' }), options)],
    ['retrieveModelScore', (engine, options) => engine.retrieveModelScore(create(InferflowRequestProtoSchema), options)],
    ['rank', (engine, { deadlineMs }) => engine.rank('m', { targets: [{ id: 't' }], deadlineMs: deadlineMs as number })],
    ['handle', (engine, { deadlineMs }) => engine.handle('InferPointWise', toBinary(PointWiseRequestSchema, point), handled(deadlineMs))],
  ];
  it.each(calls)('is refused: %s', async (_name, call) => {
    const engine = await start();
    for (const deadlineMs of [Number.NaN, '5s'] as number[]) {
      await expect(call(engine, { deadlineMs })).rejects.toMatchObject({
        code: 'INFERFLOW_ENGINE_OPTIONS_INVALID',
        message: expect.stringContaining('must be a number of milliseconds'),
      });
    }
    expect(engine.inFlight).toBe(0);
    await engine.close();
  });

  it('is not one that has passed', async () => {
    const engine = await start();
    for (const deadlineMs of [0, -1, Number.NEGATIVE_INFINITY])
      await expect(engine.inferPointWise(point, { deadlineMs })).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_DEADLINE_EXCEEDED' });
    await engine.close();
  });
});
