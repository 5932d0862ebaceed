import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { PredatorComponentConfig } from '@inferflow/config';
import { ModelInferRequestSchema, ModelInferResponseSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createTestBackend, type ManualCall, ManualUpstream, TestBench } from '../testing/index.js';
import { predatorDefinition } from './predator-component.js';

const price = [1, 2, 3, 4, 5];
const config: PredatorComponentConfig = {
  kind: 'predator',
  componentName: 'p',
  onFailure: 'default',
  componentId: 'item',
  modelName: 'm',
  modelVersion: '1',
  endpoint: 'host',
  endpoints: [],
  deadlineMs: undefined,
  batchSize: undefined,
  calibration: '',
  inputs: [{ name: 'x', features: ['price'], shape: [1], dataType: 'FP32', dataTypeText: 'FP32' }],
  outputs: [{ name: 'o', dataType: 'FP32', dataTypeText: 'FP32', scores: [{ name: 's', dims: [1] }] }],
  scope: 'target',
  slateCalls: 'per_slate',
  coalesce: true,
  broadcastSingleScore: false,
};

/** The first input of a call as numbers, one per row. */
function rowsOf(call: ManualCall | undefined): number[] {
  const [raw] = fromBinary(ModelInferRequestSchema, (call as ManualCall).message).rawInputContents;
  return [...new Float32Array((raw as Uint8Array).slice().buffer)];
}

function answerWith(values: readonly number[]): Uint8Array {
  const outputs = [{ name: 'o', datatype: 'FP32', shape: [BigInt(values.length), 1n] }];
  const rawOutputContents = [new Uint8Array(Float32Array.from(values).buffer)];
  return toBinary(ModelInferResponseSchema, create(ModelInferResponseSchema, { outputs, rawOutputContents }));
}

describe('common calls', () => {
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  function shared(options: Partial<PredatorComponentConfig> = {}) {
    const upstream = new ManualUpstream();
    const bench = new TestBench(predatorDefinition, {
      config: { ...config, ...options },
      columns: { price },
      backends: { model: () => createTestBackend(upstream) },
    });
    const start = () => {
      const request = bench.createRequest();
      const state = bench.createState();
      request.begin(state);
      const scores = () =>
        Array.from({ length: request.matrix.rowCount }, (_, row) => state.written?.memory.view.getFloat32(row * 4, true));
      return { request, state, scores };
    };
    return { upstream, start };
  }
  const answer = (upstream: ManualUpstream, index: number) =>
    upstream.calls[index]?.answer(answerWith(rowsOf(upstream.calls[index]).map((value) => value * 2)));

  it('hold the rows of requests that come at once, each gets its own', async () => {
    const { upstream, start } = shared();
    const runs = [start(), start(), start()];
    expect(upstream.calls).toHaveLength(0);
    await turn();
    expect(upstream.calls.map((call) => rowsOf(call).length)).toEqual([15]);
    answer(upstream, 0);
    for (const { request, scores } of runs) {
      expect([request.ends, request.failure]).toEqual([1, null]);
      expect(scores()).toEqual([2, 4, 6, 8, 10]);
    }
  });

  it('are cut at the batch size', async () => {
    const { upstream, start } = shared({ batchSize: 8 });
    start();
    start();
    await turn();
    expect(upstream.calls.map((call) => rowsOf(call).length)).toEqual([5, 5]);
  });

  it('go on without a request that ended, and end with the last one', async () => {
    const { upstream, start } = shared();
    const [first, second, third] = [start(), start(), start()];
    third.request.cancel(third.state);
    await turn();
    expect(rowsOf(upstream.calls[0])).toHaveLength(10);
    first.request.cancel(first.state);
    first.state.end();
    answer(upstream, 0);
    expect(second.scores()).toEqual([2, 4, 6, 8, 10]);
    const last = start();
    await turn();
    last.request.cancel(last.state);
    expect([upstream.cancelled, last.state.busy]).toEqual([1, false]);
  });

  it('let each member try once alone when they fail', async () => {
    const { upstream, start } = shared();
    const runs = [start(), start()];
    await turn();
    upstream.calls[0]?.fail('unavailable');
    expect(upstream.calls).toHaveLength(3);
    answer(upstream, 1);
    upstream.calls[2]?.fail('unavailable');
    expect(runs.map(({ request }) => request.failure?.reason)).toEqual([undefined, 'unavailable']);
    const single = start();
    await turn();
    upstream.calls[3]?.fail('unavailable');
    expect(single.request.failure?.reason).toBe('unavailable');
  });

  it('leave out rows that did not come', async () => {
    const { upstream, start } = shared();
    const runs = [start(), start()];
    await turn();
    upstream.calls[0]?.answer(answerWith([1, 2, 3, 4, 5, 6, 7]));
    expect(runs[0]?.scores()).toEqual([1, 2, 3, 4, 5]);
    expect(runs[1]?.scores()).toEqual([6, 7, 0, 0, 0]);
    expect([runs[1]?.state.faults.from(0), runs[1]?.state.faults.to(0)]).toEqual([2, 5]);
  });
});
