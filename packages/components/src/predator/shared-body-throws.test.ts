import { fromBinary } from '@bufbuild/protobuf';
import { ModelInferRequestSchema } from '@inferflow/proto';
import { expect, it, vi } from 'vitest';
import { createTestBackend, ManualUpstream, TestBench } from '../testing/index.js';
import { configOf, price } from './predator-component.fixture.js';
import { predatorDefinition } from './predator-component.js';

const bodies = vi.hoisted(() => ({ toFail: 1 }));
vi.mock('./shared-infer-call.js', async (original) => {
  const real = await original<typeof import('./shared-infer-call.js')>();
  const writeSharedBody: typeof real.writeSharedBody = (...rows) => {
    if (bodies.toFail-- > 0) throw new Error('no memory');
    return real.writeSharedBody(...rows);
  };
  return { ...real, writeSharedBody };
});

it('the body of a common call that cannot be written: each tries alone, and the calls after it are made', async () => {
  const upstream = new ManualUpstream();
  const bench = new TestBench(predatorDefinition, {
    config: { ...configOf({ coalesce: true }), batchSize: 2 },
    columns: { price },
    backends: { model: () => createTestBackend(upstream, { deadlineMs: 60_000 }) },
  });
  for (const value of [1, 2, 3, 4]) bench.createRequest({ columns: { price: [value] } }).begin(bench.createState());
  await new Promise<void>((resolve) => setImmediate(resolve));
  const rows = upstream.calls.map(({ message }) => {
    const [raw] = fromBinary(ModelInferRequestSchema, message).rawInputContents;
    return [...new Float32Array((raw as Uint8Array).slice().buffer)];
  });
  expect(rows).toEqual([[1], [2], [3, 4]]);
});
