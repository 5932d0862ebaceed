import { fromBinary } from '@bufbuild/protobuf';
import { CellStatus, DataType } from '@inferflow/matrix';
import { ModelInferRequestSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { createTestBackend, type ManualCall, ManualUpstream, TestBench } from '../testing/index.js';
import { answerOf, configOf, floats, input } from './predator-component.fixture.js';
import { predatorDefinition } from './predator-component.js';

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const columnsOf = (values: readonly (readonly number[])[]) => ({ v: { type: DataType.FP32Vector, values } });

/** A compat model of three elements a row, and requests with vectors of their own. */
function world(coalesce: boolean, batchSize?: number) {
  const upstream = new ManualUpstream();
  const bench = new TestBench(predatorDefinition, {
    config: configOf({ coalesce, batchSize, inputs: [input({ features: ['v'], shape: [3] })] }),
    columns: columnsOf([[1, 2, 3]]),
    backends: { model: () => createTestBackend(upstream) },
    compat: true,
  });
  const start = (...vectors: number[][]) => {
    const request = bench.createRequest({ columns: columnsOf(vectors) });
    const state = bench.createState();
    request.begin(state);
    /** Per row, the score; null = failed. */
    const scores = () =>
      vectors.map((_, row) =>
        state.written?.status(row, 0) === CellStatus.fresh ? state.written.memory.view.getFloat32(row * 4, true) : null,
      );
    const faults = () => Array.from({ length: state.faults.count }, (_, at) => [state.faults.from(at), state.faults.failure(at).reason]);
    return { request, scores, faults };
  };
  return { upstream, start };
}

const sentBy = ({ message }: ManualCall) => fromBinary(ModelInferRequestSchema, message);
const rowsOf = (call: ManualCall) => {
  const [raw] = sentBy(call).rawInputContents;
  return [...new Float32Array((raw as Uint8Array).slice().buffer)];
};

/** As every model server does: a tensor must have the length that its shape says; the sum of each row is its score. */
function answer(call: ManualCall): void {
  const values = rowsOf(call);
  const [rows = 0, width = 0] = (sentBy(call).inputs[0]?.shape ?? []).map(Number);
  if (values.length !== rows * width) {
    call.fail('rejected', 3);
    return;
  }
  const sums = Array.from({ length: rows }, (_, row) =>
    values.slice(row * width, (row + 1) * width).reduce((sum, value) => sum + value, 0),
  );
  call.answer(answerOf([{ name: 'o', datatype: 'FP32', shape: [rows, 1], raw: floats(sums) }]));
}

describe('vectors of another length than the shape, of a compat model', () => {
  it('are sent as they are, in a call that no other request is in', async () => {
    const { upstream, start } = world(true);
    const long = start([1, 2, 3, 4]);
    const good = [start([7, 8, 9]), start([1, 1, 1])];
    const short = start([5, 6]);
    await turn();
    expect(upstream.calls.map(rowsOf)).toEqual([
      [1, 2, 3, 4],
      [5, 6],
      [7, 8, 9, 1, 1, 1],
    ]);
    for (const call of [...upstream.open]) answer(call);
    expect(good.map(({ scores }) => scores())).toEqual([[24], [3]]);
    expect([long, short].map(({ request }) => request.failure?.reason)).toEqual(['rejected', 'rejected']);
  });

  it.each([false, true])('are not sent when those of one request make up for each other (coalesce: %s)', async (coalesce) => {
    const { upstream, start } = world(coalesce, 3);
    const { request, scores, faults } = start([1, 2, 3, 4], [7, 8, 9], [5, 6], [1, 1, 1], [2, 2, 2], [3, 3, 3], [4]);
    await turn();
    expect(upstream.calls.map(rowsOf)).toEqual([[1, 1, 1, 2, 2, 2, 3, 3, 3], [4]]);
    for (const call of [...upstream.open]) answer(call);
    expect(scores()).toEqual([null, null, null, 3, 6, 9, null]);
    expect(faults()).toEqual([
      [0, 'shape'],
      [6, 'rejected'],
    ]);
    expect(request.failure).toBe(null);
  });
});
