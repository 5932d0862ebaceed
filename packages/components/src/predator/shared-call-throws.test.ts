import { fromBinary } from '@bufbuild/protobuf';
import { ModelInferRequestSchema } from '@inferflow/proto';
import { expect, it, vi } from 'vitest';
import { createTestBackend, ManualUpstream, TestBench } from '../testing/index.js';
import { configOf, price } from './predator-component.fixture.js';
import { predatorDefinition } from './predator-component.js';

const calls = vi.hoisted(() => ({ toFail: 0 }));
vi.mock('./infer-call.js', async (original) => {
  const real = await original<typeof import('./infer-call.js')>();
  class InferCall extends real.InferCall {
    constructor(...settings: ConstructorParameters<typeof real.InferCall>) {
      super(...settings);
      if (calls.toFail > 0) {
        calls.toFail--;
        throw new Error('no memory');
      }
    }
  }
  return { ...real, InferCall };
});

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));

function createBench(batchSize: number) {
  const upstream = new ManualUpstream();
  const bench = new TestBench(predatorDefinition, {
    config: { ...configOf({ coalesce: true }), batchSize },
    columns: { price },
    backends: { model: () => createTestBackend(upstream, { deadlineMs: 60_000 }) },
  });
  const rowsSent = () =>
    upstream.calls.map(({ message }) => {
      const [raw] = fromBinary(ModelInferRequestSchema, message).rawInputContents;
      return [...new Float32Array((raw as Uint8Array).slice().buffer)];
    });
  const state = bench.createState();
  const begin = (...prices: number[]) => {
    const request = bench.createRequest({ columns: { price: prices } });
    request.begin(state);
    return request;
  };
  return { upstream, bench, state, begin, rowsSent };
}

type Bench = ReturnType<typeof createBench>;

/** The pooled run goes on as if nothing had happened: its next requests make their calls, and are told of theirs only. */
async function expectUnharmed({ begin, rowsSent, state, upstream }: Bench) {
  for (const value of [41, 42]) {
    const before = rowsSent().length;
    state.end();
    const request = begin(value);
    await turn();
    expect(request.ends).toBe(0);
    expect(rowsSent().slice(before)).toEqual([[value]]);
    upstream.calls.at(-1)?.fail('unavailable');
    expect(request).toMatchObject({ ends: 1, failure: { reason: 'unavailable' } });
  }
}

it('the first of two calls of a run cannot be made: its other rows are not sent, nor is it told of them', async () => {
  const bench = createBench(2);
  calls.toFail = 1;
  const request = bench.begin(1, 2, 3);
  await turn();
  expect(request).toMatchObject({ ends: 1, failure: { reason: 'exception' } });
  expect(bench.rowsSent()).toEqual([]);
  await expectUnharmed(bench);
});

it('two parts of a run in one call that fails, and the second try of the first cannot be made: it is not told of the other', async () => {
  const bench = createBench(10);
  const other = bench.bench.createRequest({ columns: { price: [101, 102, 103] } });
  other.begin(bench.bench.createState());
  const request = bench.begin(...Array.from({ length: 12 }, (_, index) => index));
  await turn();
  expect(bench.rowsSent().map(({ length }) => length)).toEqual([10, 5]);
  calls.toFail = 1;
  bench.upstream.calls[1]?.fail('unavailable');
  expect(request).toMatchObject({ ends: 1, failure: { reason: 'exception' } });
  expect(bench.rowsSent()).toHaveLength(2);
  await expectUnharmed(bench);
});
