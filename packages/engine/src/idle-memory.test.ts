import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { create, toBinary } from '@bufbuild/protobuf';
import { createTestBackend, ManualUpstream } from '@inferflow/components/testing';
import { createObjectSource } from '@inferflow/config';
import { ModelInferResponseSchema, PointWiseRequestSchema } from '@inferflow/proto';
import { expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import { modelComponent, modelConfig } from './testing/model-config.js';
import { text } from './testing/read-answer.js';

it('keeps nothing of large answers once the requests are over, though their runs wait for the next ones', async () => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  const upstream = new ManualUpstream();
  const width = 50_000;
  const rows = 40;
  const outputs = [{ name: 'out', scores: ['score'], dims: [[width]] }];
  const engine = await createEngine({
    configSource: createObjectSource({
      m: modelConfig({ models: [modelComponent('ranker', { x: ['FP32', 'v'] }, { batchSize: rows, outputs })], answer: ['item'] }),
    }),
    backends: { featureStore: null, compute: null, expressions: null, model: () => createTestBackend(upstream, { deadlineMs: 5000 }) },
  });
  const request = create(PointWiseRequestSchema, {
    modelConfigId: 'm',
    targetInputSchema: [{ name: 'v' }],
    targets: Array.from({ length: rows }, (_, index) => ({ id: `${index}`, featureValues: [text('1')] })),
  });
  const answers = Array.from({ length: 16 }, () => engine.inferPointWise(request, { deadlineMs: 5000 }));
  await new Promise((resolve) => setImmediate(resolve));
  expect(upstream.open).toHaveLength(16);
  for (const call of [...upstream.open])
    call.answer(
      toBinary(
        ModelInferResponseSchema,
        create(ModelInferResponseSchema, {
          outputs: [{ name: 'out', datatype: 'FP32', shape: [BigInt(rows), BigInt(width)] }],
          rawOutputContents: [new Uint8Array(rows * width * 4)],
        }),
      ),
    );
  expect((await Promise.all(answers)).flatMap(({ targetScores }) => targetScores).every(({ error }) => error === '')).toBe(true);
  upstream.calls.length = 0;
  for (let round = 0; round < 4; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    collect();
  }
  // 16 answers of 8 MB, and as much again for the scores.
  expect(process.memoryUsage().arrayBuffers).toBeLessThan(100_000_000);
  await engine.close(0);
});
