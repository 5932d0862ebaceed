import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { CellStatus, DataType, encodeValue } from '@inferflow/matrix';
import { RetrieveQuerySchema, RetrieveResultSchema } from '@inferflow/proto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTestBackend, type ManualCall, ManualUpstream, TestBench } from '../testing/index.js';
import { featureDefinition } from './feature-component.js';
import { configOf, turn } from './feature-store.fixture.js';

const config = configOf({ groups: [{ label: 'fp32', type: DataType.FP32, features: ['a'] }] });

const numberOf = (key: string) => Number(key.slice(1)) + 0.5;
const keysOf = (call: { readonly message: Uint8Array }) =>
  fromBinary(RetrieveQuerySchema, call.message).keys.map((key) => key.cols[0] as string);

function answerTo(call: { readonly message: Uint8Array }): Uint8Array {
  const keys = keysOf(call);
  return toBinary(
    RetrieveResultSchema,
    create(RetrieveResultSchema, {
      keysSchema: ['id'],
      entityLabel: 'item',
      featureSchemas: [{ featureGroupLabel: 'fp32', features: [{ label: 'a', columnIdx: 0 }] }],
      rows: keys.map((key) => ({ keys: [key], columns: [encodeValue(DataType.FP32, numberOf(key))] })),
    }),
  );
}

interface World {
  readonly batchSize?: number;
  readonly deadlineMs?: number;
  readonly maxParallelBatches?: number;
}

/** One source, a store that answers when told to, and requests with keys of their own. */
function world({ batchSize = 0, deadlineMs = 60_000, maxParallelBatches = 64 }: World = {}) {
  const upstream = new ManualUpstream();
  const bench = new TestBench(featureDefinition, {
    config,
    columns: { item: ['k0'] },
    backends: { featureStore: createTestBackend(upstream, { batchSize, deadlineMs }) },
    maxParallelBatches,
  });
  return { upstream, start: (keys: readonly string[], budgetMs?: number) => begin(bench, keys, budgetMs) };
}

function begin(bench: TestBench, keys: readonly string[], budgetMs?: number) {
  const request = bench.createRequest({ columns: { item: keys }, ...(budgetMs === undefined ? {} : { deadlineMs: budgetMs }) });
  const state = bench.createState();
  const startedAt = performance.now();
  request.begin(state);
  /** Per row, the value; null = failed, undefined = anything else. */
  const rows = () => {
    const block = state.written;
    if (block === null) return [];
    return keys.map((_, row) => {
      const at = block.rowMapAt < 0 ? (block.rowCount === 1 ? 0 : row) : (block.memory.words[block.rowMapAt + row] as number);
      const status = block.status(at, 0);
      if (status === CellStatus.fresh) return block.memory.view.getFloat32(at * 4, true);
      return status === CellStatus.failed ? null : undefined;
    });
  };
  return { request, state, keys, rows, startedAt };
}

const right = (keys: readonly string[]) => keys.map(numberOf);
const range = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => `k${from + index}`);
const keyLists = fc.array(fc.array(fc.nat(11), { minLength: 1, maxLength: 9 }), { minLength: 1, maxLength: 7 });

describe('misses of one turn', () => {
  it('of different requests go out in common batches, cut at the batch size', async () => {
    const { upstream, start } = world({ batchSize: 4 });
    const requests = [start(range(0, 3)), start(range(3, 6)), start(range(2, 8)), start(range(7, 10))];
    await turn();
    expect(upstream.calls.map(keysOf)).toEqual([range(0, 4), range(4, 8), range(8, 10)]);
    for (const call of upstream.calls) call.answer(answerTo(call));
    for (const { request, keys, rows } of requests) {
      expect([request.ends, request.failure]).toEqual([1, null]);
      expect(rows()).toEqual(right(keys));
    }
  });

  it('take no more calls than their different keys need, whoever asks for what', async () => {
    await fc.assert(
      fc.asyncProperty(keyLists, fc.integer({ min: 1, max: 7 }), async (lists, batchSize) => {
        const { upstream, start } = world({ batchSize });
        const requests = lists.map((list) => start(list.map((key) => `k${key}`)));
        await turn();
        const different = new Set(lists.flat()).size;
        expect(upstream.calls).toHaveLength(Math.ceil(different / batchSize));
        const asked = upstream.calls.flatMap(keysOf);
        expect(new Set(asked).size).toBe(asked.length);
        expect(Math.max(...upstream.calls.map((call) => keysOf(call).length))).toBeLessThanOrEqual(batchSize);
        for (const call of upstream.calls) call.answer(answerTo(call));
        for (const { request, keys, rows } of requests) {
          expect([request.ends, request.failure]).toEqual([1, null]);
          expect(rows()).toEqual(right(keys));
        }
      }),
      { numRuns: 100 },
    );
  });

  it('leave without keys that only requests wanted which are over, and not at all when nobody is left', async () => {
    const { upstream, start } = world({ batchSize: 8 });
    const gone = start(['k1', 'k2', 'k3']);
    const stays = start(['k3', 'k4']);
    gone.request.cancel(gone.state);
    await turn();
    expect(upstream.calls.map(keysOf)).toEqual([['k3', 'k4']]);
    const next = start(['k4', 'k5']);
    (upstream.calls[0] as ManualCall).answer(answerTo(upstream.calls[0] as ManualCall));
    expect(stays.rows()).toEqual([3.5, 4.5]);
    await turn();
    expect(upstream.calls.map(keysOf)).toEqual([['k3', 'k4'], ['k5']]);
    (upstream.calls[1] as ManualCall).answer(answerTo(upstream.calls[1] as ManualCall));
    expect(next.rows()).toEqual([4.5, 5.5]);
    const nobody = start(['k6']);
    nobody.request.cancel(nobody.state);
    await turn();
    expect(upstream.calls).toHaveLength(2);
    expect([gone.request.ends, nobody.request.ends, nobody.state.busy]).toEqual([1, 1, false]);
  });

  it('keep to the keys that one request may have under way, and lose no time by a batch that others began', async () => {
    const { upstream, start } = world({ batchSize: 2, maxParallelBatches: 2 });
    start(['k90']);
    const { rows, keys } = start(range(0, 7));
    await turn();
    expect(upstream.calls.map((call) => keysOf(call).length)).toEqual([2, 2, 1]);
    while (upstream.open.length > 0) {
      for (const call of upstream.open) call.answer(answerTo(call));
      await turn();
    }
    expect(rows()).toEqual(right(keys));
  });
});

describe('a shared call', () => {
  it('carries the latest deadline of its members', async () => {
    const { upstream, start } = world();
    const budgets = [400, 9000, 2000];
    const requests = budgets.map((budget, index) => start([`k${index}`, 'k9'], budget));
    await turn();
    expect(upstream.calls.map((call) => call.call.deadline)).toEqual([Math.max(...requests.map(({ request }) => request.scope.deadline))]);
    const [, longest] = requests;
    longest?.request.cancel(longest.state);
    for (const { request, state } of requests) request.cancel(state);
    expect(upstream.cancelled).toBe(1);
  });

  it('lets a member go at its own deadline, and goes on for the others', async () => {
    const { upstream, start } = world();
    const short = start(['k1', 'k2'], 20);
    const long = start(['k2', 'k3'], 20_000);
    await turn();
    await short.request.ended;
    expect(short.request.failure).toMatchObject({ reason: 'deadline', grpcCode: 4 });
    expect(short.rows()).toEqual([null, null]);
    expect(performance.now() - short.startedAt).toBeGreaterThanOrEqual(19);
    expect(long.request.ends).toBe(0);
    const [call] = upstream.calls;
    call?.answer(answerTo(call));
    expect(long.rows()).toEqual([2.5, 3.5]);
    expect(short.request.ends).toBe(1);
  });

  it('that a request joined under way is tried again when the time of who began it is up', async () => {
    const { upstream, start } = world();
    const first = start(['k1'], 10_000);
    await turn();
    const second = start(['k1'], 20_000);
    upstream.calls[0]?.fail('deadline', 4);
    expect(upstream.calls.length).toBeGreaterThan(1);
    const last = upstream.calls.at(-1) as ManualCall;
    expect(last.call.deadline).toBe(second.request.scope.deadline);
    last.answer(answerTo(last));
    expect(second.rows()).toEqual([1.5]);
    first.request.cancel(first.state);
  });

  it('is retried once per request, alone, and not again', async () => {
    const { upstream, start } = world();
    const requests = [start(['k1', 'k2']), start(['k2', 'k3']), start(['k4'])];
    await turn();
    upstream.calls[0]?.fail('unavailable');
    expect(upstream.calls.slice(1).map(keysOf)).toEqual([['k1', 'k2'], ['k2', 'k3'], ['k4']]);
    // Nobody joins a second try: what it asks for may be why the first one failed.
    const other = start(['k2']);
    await turn();
    expect(upstream.calls.slice(4).map(keysOf)).toEqual([['k2']]);
    for (const call of upstream.open.slice(0, 3)) call.fail('rejected', 3);
    expect(requests.map(({ request }) => request.failure?.reason)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(upstream.calls).toHaveLength(5);
    const last = upstream.calls[4] as ManualCall;
    last.answer(answerTo(last));
    expect(other.rows()).toEqual([2.5]);
  });

  it('with an answer that cannot be decoded counts as failed', async () => {
    const { upstream, start } = world();
    const requests = [start(['k1']), start(['k2'])];
    await turn();
    upstream.calls[0]?.answer(Uint8Array.of(0x22, 0x7f, 1));
    for (const call of upstream.open) call.answer(answerTo(call));
    expect(requests.map(({ rows }) => rows())).toEqual([[1.5], [2.5]]);
  });
});

describe('requests at random', () => {
  const request = fc.record({
    keys: fc.array(fc.nat(14), { minLength: 1, maxLength: 8 }),
    startsAt: fc.nat(4),
    cancelsAt: fc.oneof({ arbitrary: fc.constant(99), weight: 3 }, { arbitrary: fc.nat(8), weight: 1 }),
  });
  const run = fc.record({
    requests: fc.array(request, { minLength: 1, maxLength: 9 }),
    batchSize: fc.integer({ min: 1, max: 6 }),
    maxParallelBatches: fc.integer({ min: 1, max: 4 }),
    /** The store refuses calls with one of these keys. */
    poison: fc.array(fc.nat(14), { maxLength: 2 }),
    /** Which open call ends next. */
    order: fc.array(fc.nat(), { minLength: 60, maxLength: 60 }),
    answersPerTurn: fc.nat(2),
  });

  it('each get what they would alone, or better, end exactly once, and hurt nobody', async () => {
    await fc.assert(
      fc.asyncProperty(run, async ({ requests, batchSize, maxParallelBatches, poison, order, answersPerTurn }) => {
        const { upstream, start } = world({ batchSize, maxParallelBatches });
        const bad = new Set(poison.map((key) => `k${key}`));
        const started: { given: (typeof requests)[number]; made: ReturnType<typeof start>; isCancelled: boolean }[] = [];
        let ended = 0;
        const end = () => {
          const { open } = upstream;
          const call = open[(order[ended++ % order.length] as number) % open.length] as ManualCall;
          if (keysOf(call).some((key) => bad.has(key))) call.fail('rejected', 3);
          else call.answer(answerTo(call));
        };
        for (let step = 0; step < 9 || upstream.open.length > 0; step++) {
          for (const given of requests)
            if (given.startsAt === step) started.push({ given, made: start(given.keys.map((key) => `k${key}`)), isCancelled: false });
          if (step % 2 === 1) await turn();
          for (const entry of started) {
            if (entry.given.cancelsAt !== step || entry.made.request.ends > 0) continue;
            entry.made.request.cancel(entry.made.state);
            entry.isCancelled = true;
          }
          if (step % 2 === 0) await turn();
          for (let count = step < 9 ? answersPerTurn : 99; count > 0 && upstream.open.length > 0; count--) end();
          await turn();
        }
        for (const { made, isCancelled } of started) {
          expect([made.request.ends, made.state.busy]).toEqual([1, false]);
          if (isCancelled) continue;
          if (!made.keys.some((key) => bad.has(key))) {
            expect(made.request.failure).toBeNull();
            expect(made.rows()).toEqual(right(made.keys));
            continue;
          }
          made.rows().forEach((value, row) => {
            const key = made.keys[row] as string;
            if (bad.has(key)) expect(value).toBeNull();
            else expect([null, numberOf(key)]).toContain(value);
          });
          expect(made.request.failure?.reason ?? 'rejected').toBe('rejected');
        }
        for (const call of upstream.calls) {
          const keys = keysOf(call);
          expect(keys.length).toBeLessThanOrEqual(batchSize);
          expect(new Set(keys).size).toBe(keys.length);
        }
        const alone = started.reduce((sum, { made }) => sum + new Set(made.keys).size, 0);
        const asked = upstream.calls.reduce((sum, call) => sum + keysOf(call).length, 0);
        if (bad.size === 0) expect(asked).toBeLessThanOrEqual(alone);
      }),
      { numRuns: 300 },
    );
  });

  it('end at their own deadlines, however long a call lasts that they share', async () => {
    const calls: { message: Uint8Array; answer: (message: Uint8Array) => void }[] = [];
    const backend = createTestBackend(
      (_path, message) => new Promise<Uint8Array>((answer) => void calls.push({ message: message.slice(), answer })),
      { batchSize: 5, deadlineMs: 60_000 },
    );
    const bench = new TestBench(featureDefinition, { config, columns: { item: ['k0'] }, backends: { featureStore: backend } });
    const requests = [15, 60, 30, 45, 15, 20_000].map((budget, index) => begin(bench, range(index, index + 3), budget));
    for (const { request, startedAt, rows } of requests.slice(0, -1)) {
      await request.ended;
      expect(performance.now()).toBeGreaterThanOrEqual(Math.min(request.scope.deadline, startedAt + 60) - 1);
      expect(request.failure?.reason).toBe('deadline');
      expect(rows()).toEqual([null, null, null]);
    }
    const last = requests.at(-1) as ReturnType<typeof begin>;
    expect(last.request.ends).toBe(0);
    for (const { message, answer } of calls) answer(answerTo({ message }));
    await last.request.ended;
    expect(last.rows()).toEqual(right(range(5, 8)));
    for (const { request, state } of requests) expect([request.ends, state.busy]).toEqual([1, false]);
  });
});
