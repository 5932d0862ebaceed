import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { PredatorComponentConfig } from '@inferflow/config';
import { CellStatus, DataType } from '@inferflow/matrix';
import { ModelInferRequestSchema, ModelInferResponseSchema } from '@inferflow/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTestBackend, type ManualCall, ManualUpstream, TestBench } from '../testing/index.js';
import { configOf, price } from './predator-component.fixture.js';
import { predatorDefinition } from './predator-component.js';

const config = configOf({ coalesce: true });
const vector = (values: readonly number[]) => ({ v: { type: DataType.FP32Vector, values: [values] } });
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index);
const doubled = (values: readonly number[]) => values.map((value) => value * 2);

/** The first input of a call as numbers, one per row. */
function rowsOf(call: { readonly message: Uint8Array } | undefined): number[] {
  const [raw] = fromBinary(ModelInferRequestSchema, (call as ManualCall).message).rawInputContents;
  return [...new Float32Array((raw as Uint8Array).slice().buffer)];
}

function answerWith(values: readonly number[]): Uint8Array {
  const outputs = [{ name: 'o', datatype: 'FP32', shape: [BigInt(values.length), 1n] }];
  const rawOutputContents = [new Uint8Array(Float32Array.from(values).buffer)];
  return toBinary(ModelInferResponseSchema, create(ModelInferResponseSchema, { outputs, rawOutputContents }));
}

type Options = Partial<PredatorComponentConfig> & { readonly callMs?: number; readonly compat?: boolean };

/** One component, a model that answers when told to, and requests with rows of their own. */
function world({ callMs = 60_000, compat = false, ...options }: Options = {}) {
  const upstream = new ManualUpstream();
  const bench = new TestBench(predatorDefinition, {
    config: { ...config, ...options },
    columns: { price },
    backends: { model: () => createTestBackend(upstream, { deadlineMs: callMs }) },
    compat,
  });
  return { upstream, start: (values: readonly number[] = price, budgetMs?: number) => begin(bench, values, budgetMs) };
}

function begin(bench: TestBench, values: readonly number[], budgetMs?: number) {
  const request = bench.createRequest({ columns: { price: values }, ...(budgetMs === undefined ? {} : { deadlineMs: budgetMs }) });
  const state = bench.createState();
  const startedAt = performance.now();
  request.begin(state);
  /** Per row, the score; null = failed. */
  const scores = () =>
    values.map((_, row) =>
      state.written?.status(row, 0) === CellStatus.fresh ? state.written.memory.view.getFloat32(row * 4, true) : null,
    );
  return { request, state, values, scores, startedAt };
}

function answer(call: ManualCall | undefined): void {
  call?.answer(answerWith(doubled(rowsOf(call))));
}

describe('common calls', () => {
  it('hold the rows of requests that come at once, each gets its own', async () => {
    const { upstream, start } = world();
    const runs = [start(), start([7, 8]), start([9])];
    expect(upstream.calls).toHaveLength(0);
    await turn();
    expect(upstream.calls.map(rowsOf)).toEqual([[1, 2, 3, 4, 5, 7, 8, 9]]);
    answer(upstream.calls[0]);
    for (const { request, values, scores } of runs) {
      expect([request.ends, request.failure]).toEqual([1, null]);
      expect(scores()).toEqual(doubled(values));
    }
  });

  it('are cut at the batch size, and split rows of a request only where that saves a call', async () => {
    const calls = async (batchSize: number, lengths: readonly number[]) => {
      const { upstream, start } = world({ batchSize });
      const runs = lengths.map((length, index) => start(range(index * 100, index * 100 + length)));
      await turn();
      const sizes = upstream.calls.map((call) => rowsOf(call).length);
      for (const call of upstream.calls) answer(call);
      for (const { values, scores } of runs) expect(scores()).toEqual(doubled(values));
      return sizes;
    };
    expect(await calls(8, [5, 5])).toEqual([5, 5]);
    expect(await calls(8, [5, 5, 5])).toEqual([8, 7]);
    expect(await calls(8, [5, 3, 8, 2])).toEqual([8, 8, 2]);
    expect(await calls(3, [10])).toEqual([3, 3, 3, 1]);
    expect(await calls(50, [30, 30, 30, 30, 30])).toEqual([50, 50, 50]);
  });

  it('go on without a request that ended, and end with the last one', async () => {
    const { upstream, start } = world();
    const [first, second, third] = [start([1]), start([2, 3]), start([4])];
    third.request.cancel(third.state);
    await turn();
    expect(upstream.calls.map(rowsOf)).toEqual([[1, 2, 3]]);
    first.request.cancel(first.state);
    first.state.end();
    answer(upstream.calls[0]);
    expect(second.scores()).toEqual([4, 6]);
    const last = [start(), start()];
    await turn();
    for (const { request, state } of last) request.cancel(state);
    expect([upstream.cancelled, last[0]?.state.busy, upstream.open.length]).toEqual([1, false, 0]);
  });

  it('let each member try once alone when they fail', async () => {
    const { upstream, start } = world();
    const runs = [start([1]), start([2])];
    await turn();
    upstream.calls[0]?.fail('unavailable');
    expect(upstream.calls.map(rowsOf)).toEqual([[1, 2], [1], [2]]);
    answer(upstream.calls[1]);
    upstream.calls[2]?.fail('unavailable');
    expect(runs.map(({ request }) => request.failure?.reason)).toEqual([undefined, 'unavailable']);
    const single = start();
    await turn();
    upstream.calls[3]?.fail('unavailable');
    expect(single.request.failure?.reason).toBe('unavailable');
    expect(upstream.calls).toHaveLength(4);
  });

  it.each([
    ['fewer rows', answerWith([1, 2, 3, 4])],
    ['one row for all', answerWith([1])],
    ['more rows', answerWith([1, 2, 3, 4, 5, 6, 7, 8, 9])],
    ['garbage', Uint8Array.of(0x0a, 0x7f)],
    ['nothing', new Uint8Array(0)],
  ])('count as failed when they are answered with %s', async (_what, message) => {
    const { upstream, start } = world();
    const runs = [start([1, 2, 3]), start([4, 5])];
    await turn();
    upstream.calls[0]?.answer(message);
    for (const call of upstream.open) answer(call);
    expect(runs.map(({ scores }) => scores())).toEqual([
      [2, 4, 6],
      [8, 10],
    ]);
  });

  it('of a compat model leave each request the one row that stands for all of its own', async () => {
    const { upstream, start } = world({ broadcastSingleScore: true, compat: true });
    const runs = [start([1, 2, 3]), start([4, 5])];
    await turn();
    expect(upstream.calls.map(rowsOf)).toEqual([[1, 2, 3, 4, 5]]);
    upstream.calls[0]?.answer(answerWith([1]));
    upstream.calls[1]?.answer(answerWith([7]));
    upstream.calls[2]?.answer(answerWith([8]));
    expect(runs.map(({ scores }) => scores())).toEqual([
      [7, 7, 7],
      [8, 8],
    ]);
  });

  it.each([
    ['one row stands for all', { broadcastSingleScore: true }],
    ['it is off', { coalesce: false }],
  ])('are not made where %s', (_why, options) => {
    const { upstream, start } = world(options);
    start([1]);
    start([2]);
    expect(upstream.calls.map(rowsOf)).toEqual([[1], [2]]);
  });

  it('are not made of rows whose shapes differ', async () => {
    const upstream = new ManualUpstream();
    const inputs = [{ name: 'x', features: ['v'], shape: [-1], dataType: 'FP32', dataTypeText: 'FP32' }];
    const bench = new TestBench(predatorDefinition, {
      config: { ...config, inputs },
      columns: vector([1, 2]),
      backends: { model: () => createTestBackend(upstream) },
    });
    for (const values of [
      [1, 2],
      [3, 4],
      [5, 6, 7],
    ])
      bench.createRequest({ columns: vector(values) }).begin(bench.createState());
    await turn();
    expect(upstream.calls.map(({ message }) => fromBinary(ModelInferRequestSchema, message).inputs[0]?.shape)).toEqual([
      [2n, 2n],
      [1n, 3n],
    ]);
    expect(upstream.calls.map(rowsOf)).toEqual([
      [1, 2, 3, 4],
      [5, 6, 7],
    ]);
  });

  it('carry the latest deadline of their members, of which each goes at its own', async () => {
    const { upstream, start } = world();
    const short = start([1], 20);
    const long = start([2], 20_000);
    await turn();
    expect(upstream.calls[0]?.call.deadline).toBe(long.request.scope.deadline);
    await short.request.ended;
    expect(short.request.failure).toMatchObject({ reason: 'deadline', grpcCode: 4 });
    expect(performance.now() - short.startedAt).toBeGreaterThanOrEqual(19);
    expect(long.request.ends).toBe(0);
    answer(upstream.calls[0]);
    expect(long.scores()).toEqual([4]);
    expect([short.request.ends, long.request.ends]).toEqual([1, 1]);
  });

  it('give a second try no more time than the first one had', async () => {
    const { upstream, start } = world({ callMs: 500 });
    start([1]);
    start([2]);
    await turn();
    const first = upstream.calls[0]?.call.deadline as number;
    await new Promise((resolve) => setTimeout(resolve, 5));
    upstream.calls[0]?.fail('unavailable');
    expect(upstream.open.map(({ call }) => call.deadline <= first)).toEqual([true, true]);
  });
});

describe('a wait for further requests', () => {
  it('lasts as long as configured, and ends early when a call is full', async () => {
    const { upstream, start } = world({ batchSize: 4, coalesceWaitMs: 50 });
    const startedAt = performance.now();
    start([1]);
    await turn();
    if (performance.now() - startedAt < 40) expect(upstream.calls).toHaveLength(0);
    start([2]);
    while (upstream.calls.length === 0) await turn();
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(49);
    expect(upstream.calls.flatMap(rowsOf)).toContain(1);
    const full = world({ batchSize: 4, coalesceWaitMs: 60_000 });
    full.start([1, 2]);
    full.start([3, 4]);
    await turn();
    expect(full.upstream.calls.map(rowsOf)).toEqual([[1, 2, 3, 4]]);
  });

  it('takes no more than half of the time that a call has', async () => {
    const { upstream, start } = world({ coalesceWaitMs: 60_000 });
    const { request, scores } = start([1], 1200);
    while (upstream.calls.length === 0) await turn();
    expect(performance.now()).toBeLessThan(request.scope.deadline);
    answer(upstream.calls[0]);
    expect(scores()).toEqual([2]);
  });

  it('ends for a request that is over', async () => {
    const { upstream, start } = world({ coalesceWaitMs: 10 });
    const gone = start([1]);
    gone.request.cancel(gone.state);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([upstream.calls.length, gone.request.ends, gone.state.busy]).toEqual([0, 1, false]);
  });
});

describe('requests at random', () => {
  const request = fc.record({
    rows: fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 9 }),
    startsAt: fc.nat(4),
    cancelsAt: fc.oneof({ arbitrary: fc.constant(99), weight: 3 }, { arbitrary: fc.nat(8), weight: 1 }),
  });
  const run = fc.record({
    requests: fc.array(request, { minLength: 1, maxLength: 9 }),
    batchSize: fc.integer({ min: 1, max: 12 }),
    /** The model refuses calls with one of these values, and answers calls with one of those with a row too few. */
    poison: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 2 }),
    short: fc.array(fc.integer({ min: 1, max: 30 }), { maxLength: 1 }),
    order: fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
    answersPerTurn: fc.nat(2),
  });

  it('each get what they would alone, or better, end exactly once, and hurt nobody', async () => {
    await fc.assert(
      fc.asyncProperty(run, async ({ requests, batchSize, poison, short, order, answersPerTurn }) => {
        const { upstream, start } = world({ batchSize });
        const started: { given: (typeof requests)[number]; made: ReturnType<typeof start>; isCancelled: boolean }[] = [];
        let ended = 0;
        const end = () => {
          const { open } = upstream;
          const call = open[(order[ended++ % order.length] as number) % open.length] as ManualCall;
          const rows = rowsOf(call);
          if (rows.some((value) => poison.includes(value))) call.fail('rejected', 3);
          else if (rows.some((value) => short.includes(value))) call.answer(answerWith(doubled(rows).slice(1)));
          else answer(call);
        };
        let needed = 0;
        for (let step = 0; step < 9 || upstream.open.length > 0; step++) {
          const now = requests.filter(({ startsAt }) => startsAt === step);
          for (const given of now) started.push({ given, made: start(given.rows), isCancelled: false });
          const before = upstream.calls.length;
          const rows = now.reduce((sum, given) => sum + given.rows.length, 0);
          if (step % 2 === 1) {
            await turn();
            expect(upstream.calls.length - before).toBe(Math.ceil(rows / batchSize));
          }
          needed += Math.ceil(rows / batchSize);
          for (const entry of started) {
            if (entry.given.cancelsAt !== step || entry.made.request.ends > 0) continue;
            entry.made.request.cancel(entry.made.state);
            entry.isCancelled = true;
          }
          await turn();
          for (let count = step < 9 ? answersPerTurn : 99; count > 0 && upstream.open.length > 0; count--) end();
        }
        const isBad = (value: number) => poison.includes(value) || short.includes(value);
        for (const { made, isCancelled } of started) {
          expect([made.request.ends, made.state.busy]).toEqual([1, false]);
          if (isCancelled) continue;
          if (!made.values.some(isBad)) {
            expect(made.request.failure).toBeNull();
            expect(made.scores()).toEqual(doubled(made.values));
            continue;
          }
          if (short.length > 0) continue;
          made.scores().forEach((score, row) => {
            const value = made.values[row] as number;
            if (isBad(value)) expect(score).toBeNull();
            else expect([null, value * 2]).toContain(score);
          });
        }
        for (const call of upstream.calls) expect(rowsOf(call).length).toBeLessThanOrEqual(batchSize);
        if (poison.length + short.length === 0) expect(upstream.calls.length).toBeLessThanOrEqual(needed);
      }),
      { numRuns: 300 },
    );
  });

  it('end at their own deadlines, however long a call lasts that they share', async () => {
    const calls: { message: Uint8Array; answer: (message: Uint8Array) => void }[] = [];
    const backend = createTestBackend(
      (_path, message) => new Promise<Uint8Array>((resolve) => void calls.push({ message: message.slice(), answer: resolve })),
      { deadlineMs: 60_000 },
    );
    const bench = new TestBench(predatorDefinition, {
      config: { ...config, batchSize: 5 },
      columns: { price },
      backends: { model: () => backend },
    });
    const requests = [15, 60, 30, 45, 15, 20_000].map((budget, index) => begin(bench, [index, index + 1], budget));
    for (const { request, startedAt, scores } of requests.slice(0, -1)) {
      await request.ended;
      expect(performance.now()).toBeGreaterThanOrEqual(Math.min(request.scope.deadline, startedAt + 60) - 1);
      expect(request.failure?.reason).toBe('deadline');
      expect(scores()).toEqual([null, null]);
    }
    const last = requests.at(-1) as ReturnType<typeof begin>;
    expect(last.request.ends).toBe(0);
    for (const call of calls) call.answer(answerWith(doubled(rowsOf(call))));
    await last.request.ended;
    expect(last.scores()).toEqual([10, 12]);
    for (const { request, state } of requests) expect([request.ends, state.busy]).toEqual([1, false]);
  });
});
