import { create } from '@bufbuild/protobuf';
import { createTestBackend, ManualUpstream } from '@inferflow/components/testing';
import { createObjectSource } from '@inferflow/config';
import { PointWiseRequestSchema } from '@inferflow/proto';
import { afterEach, expect, it, vi } from 'vitest';
import { AdmissionGate } from './admission/admission-gate.js';
import { createEngine } from './create-engine.js';
import { modelComponent, modelConfig } from './testing/model-config.js';
import { text } from './testing/read-answer.js';

afterEach(() => vi.restoreAllMocks());

it('how fast a service refuses is not taken for its pace', async () => {
  const called = vi.spyOn(AdmissionGate.prototype, 'called');
  const upstream = new ManualUpstream();
  const engine = await createEngine({
    configSource: createObjectSource({
      m: modelConfig({ models: [modelComponent('ranker', { x: ['FP32', 'v'] })], answer: ['item'] }),
    }),
    backends: { featureStore: null, compute: null, expressions: null, model: () => createTestBackend(upstream, { deadlineMs: 5000 }) },
  });
  const request = create(PointWiseRequestSchema, {
    modelConfigId: 'm',
    targetInputSchema: [{ name: 'v' }],
    targets: [{ id: 'a', featureValues: [text('1')] }],
  });
  const times: number[] = [];
  for (const reason of ['overloaded', 'unavailable', 'deadline'] as const) {
    const answer = engine.inferPointWise(request, { deadlineMs: 5000 });
    await new Promise((resolve) => setImmediate(resolve));
    upstream.open[0]?.fail(reason);
    expect((await answer).targetScores[0]?.error).toContain(`ranker: ${reason}`);
    times.push(called.mock.calls.length);
  }
  expect(times).toEqual([0, 1, 2]);
  await engine.close(0);
});
