import { create } from '@bufbuild/protobuf';
import { component, createFailure, createRegistry, defineComponent, readColumn, writeColumns } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { DataType } from '@inferflow/matrix';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { collectWarnings } from './testing/collect-warnings.js';
import { modelConfig } from './testing/model-config.js';
import { text } from './testing/read-answer.js';

const picky = defineComponent({
  type: 'picky',
  apiVersion: 1,
  parseConfig: () => null,
  create: (_config, deps) =>
    component({
      reads: { what: readColumn('what') },
      writes: { out: writeColumns([{ name: 'a', type: DataType.FP32 }]) },
      execute(run) {
        if (run.reads.what.text(0) === 'row') run.failRows(0, 1, createFailure('rejected', 'no', deps.componentName));
        else throw new Error('not this one');
      },
    }),
});

const warnings = collectWarnings();

it('a logger that throws costs nobody an answer, and is reported', async () => {
  let calls = 0;
  const broken = () => {
    calls++;
    throw new Error('the disk is full');
  };
  const config = modelConfig({ plugins: [{ component: 'rules', type: 'picky', config: {} }], answer: ['item', 'a'] });
  const engine = await createEngine({
    configSource: createObjectSource({ m: config }),
    registry: createRegistry().register(picky),
    logger: { info: broken, warn: broken, error: broken },
  });
  const ask = (modelConfigId: string, what: string, trackingId: string) =>
    engine.inferPointWise(
      create(PointWiseRequestSchema, {
        modelConfigId,
        trackingId,
        targetInputSchema: [{ name: 'what' }],
        targets: [{ id: 't', featureValues: [text(what)] }],
      }),
    );
  for (let i = 0; i < 40; i++) {
    expect((await ask('m', 'row', `${i}`)).targetScores[0]?.error).toContain('rules: rejected: no');
    expect((await ask('m', 'all', `${i}`)).targetScores[0]?.error).toContain('rules: exception');
    await expect(ask('unknown', 'row', `${i}`)).rejects.toMatchObject({ code: 'INFERFLOW_ENGINE_UNKNOWN_MODEL' });
  }
  expect(calls).toBeGreaterThan(2);
  expect(engine.inFlight).toBe(0);
  await new Promise((resolve) => setImmediate(resolve));
  expect(warnings.map(({ message }) => message)).toEqual(Array(calls).fill('the logger threw: the disk is full'));
  await engine.close(0);
});
