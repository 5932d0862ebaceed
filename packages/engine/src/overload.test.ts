import { create, toBinary } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { ModelInferResponseSchema, PointWiseRequestSchema, SlateWiseRequestSchema } from '@inferflow/proto';
import { CallScope, createCallHead, createLocalUpstream, type LocalUpstreamOptions, type Upstream } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { createEngine } from './create-engine.js';
import type { EngineError } from './errors.js';
import { featureComponent, modelComponent, modelConfig } from './testing/model-config.js';

const config = modelConfig({
  features: [featureComponent('f_item', { fp32_m: ['DataTypeFP32', 'price'] })],
  models: [modelComponent('ranker', { x: ['FP32', 'it:fp32_m:price'] }, { model: 'same' })],
  waits: { ranker: ['f_item'] },
  answer: ['item', 'score'],
});

/** An engine whose feature store works through its calls one after the other, each for so long; it has 200 ms for each. */
function engineWithStoreOf(callMs: number) {
  let free = Promise.resolve();
  return createEngine({
    configSource: createObjectSource({ m: config }),
    featureStore: async ({ keys, signal }) => {
      const mine = free;
      let done = () => {};
      free = new Promise((resolve) => {
        done = resolve;
      });
      await mine;
      for (const until = performance.now() + callMs; !signal.aborted && performance.now() < until; );
      // Timers and the answers of others get their turn.
      setImmediate(done);
      return keys.map(() => ({ price: 3 }));
    },
    models: { same: ({ x }) => Array.from(x?.data as Float32Array) },
    featureCacheBytes: 0,
    shareFetches: false,
  });
}

const slateCount = 6;
const text = (value: string) => new TextEncoder().encode(value);
const askSlates = create(SlateWiseRequestSchema, {
  modelConfigId: 'm',
  targetInputSchema: [{ name: 'v' }],
  targets: [{ id: 't', featureValues: [text('1')] }],
  slates: Array.from({ length: slateCount }, () => ({ targetIndices: [0] })),
});

/** A model that takes so long for every call, and how many it had at once. */
function modelOf(callMs: number, options: LocalUpstreamOptions) {
  const outputs = [{ name: 'out', datatype: 'FP32', shape: [1n, 1n] }];
  const answer = toBinary(ModelInferResponseSchema, create(ModelInferResponseSchema, { outputs, rawOutputContents: [new Uint8Array(4)] }));
  let most = 0;
  const upstream = createLocalUpstream(
    'model',
    async () => {
      most = Math.max(most, upstream.running);
      await new Promise((resolve) => callMs < Number.POSITIVE_INFINITY && setTimeout(resolve, callMs));
      return answer;
    },
    options,
  );
  return { upstream, most: () => most };
}

/** An engine whose model scores slates, one per call. */
function engineWithModel(upstream: Upstream) {
  const ranker = modelComponent('ranker', { x: ['FP32', 'v'] }, { model: 'same', slate: true, deadlineMs: 200 });
  const head = (path: string) => createCallHead({ path, authority: 'local' });
  const backend = { upstream, deadlineMs: 200, batchSize: 100, description: 'model', head };
  return createEngine({
    configSource: createObjectSource({ m: modelConfig({ models: [ranker], answer: ['score'] }) }),
    backends: { featureStore: null, compute: null, expressions: null, model: () => backend },
  });
}

const ask = (id: string) => create(PointWiseRequestSchema, { modelConfigId: 'm', targets: [{ id }] });

describe('an engine under more requests than it can answer', () => {
  it('defaults nothing because of a queue of its own: what is begun has its upstreams for itself', async () => {
    const engine = await engineWithStoreOf(1.5);
    for (let turn = 0; turn < 20; turn++) await engine.inferPointWise(ask('warm'));
    // All at once, their calls would take 384 ms.
    const answers = await Promise.all(Array.from({ length: 256 }, (_, at) => engine.inferPointWise(ask(`i${at}`), { deadlineMs: 20_000 })));
    expect(answers.filter(({ targetScores }) => targetScores[0]?.error !== '')).toHaveLength(0);
    expect(engine.inFlight).toBe(0);
    await engine.close();
  });

  it('defaults nothing because a service has no room for all their calls', async () => {
    const model = modelOf(20, { maxInFlight: 8 });
    const engine = await engineWithModel(model.upstream);
    const answers = await Promise.all(Array.from({ length: 64 }, () => engine.inferSlateWise(askSlates, { deadlineMs: 20_000 })));
    expect(model.most()).toBe(8);
    expect(answers.flatMap(({ slateScores }) => slateScores.filter(({ error }) => error !== ''))).toEqual([]);
    await engine.close();
  });

  it('answers in time a request whose calls all stand in line, and takes them out of it', async () => {
    const model = modelOf(Number.POSITIVE_INFINITY, { maxInFlight: 2 });
    const engine = await engineWithModel(model.upstream);
    const long = engine.inferSlateWise(askSlates, { deadlineMs: 20_000 });
    const others = model.upstream.inFlight;
    expect(others).toBeGreaterThan(2);
    const ends = engine.inferSlateWise(askSlates, { deadlineMs: 150 });
    expect(model.upstream.inFlight).toBeGreaterThan(others);
    const short = await ends;
    expect(short.slateScores.map(({ error }) => error)).toEqual(short.slateScores.map(() => expect.stringContaining('ran out of time')));
    expect(model.upstream.inFlight).toBe(others);
    await engine.close(0);
    await long.catch(() => {});
  });

  it('refuses early, with a hint, what would be too late; what it takes is answered in time', async () => {
    const engine = await engineWithStoreOf(2);
    const answered: number[] = [];
    const refused: EngineError[] = [];
    const refusedAfter: number[] = [];
    let withError = 0;
    const send = async (at: number) => {
      const started = performance.now();
      try {
        const answer = await engine.inferPointWise(ask(`i${at}`), { deadlineMs: 400 });
        if (answer.targetScores[0]?.error === '') answered.push(performance.now() - started);
        else withError++;
      } catch (error) {
        refused.push(error as EngineError);
        refusedAfter.push(performance.now() - started);
      }
    };
    const all: Promise<void>[] = [];
    // Three times what the store can do.
    for (const until = performance.now() + 1500; performance.now() < until; ) {
      for (let at = 0; at < 15; at++) all.push(send(at));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await Promise.all(all);
    expect(answered.length).toBeGreaterThan(20);
    expect(refused.length).toBeGreaterThan(20);
    // A machine that stands still for a moment may cost some of them their time; hardly any answer rests on defaults.
    expect(withError).toBeLessThan((answered.length + refused.length) / 10);
    const early = refused.filter(({ code }) => code === 'INFERFLOW_ENGINE_OVERLOADED');
    expect(early.length).toBeGreaterThan(refused.length / 2);
    for (const { kind, retryAfterMs } of early) expect([kind, retryAfterMs > 0]).toEqual(['resource_exhausted', true]);
    refusedAfter.sort((a, b) => a - b);
    expect(refusedAfter[refusedAfter.length >> 1]).toBeLessThan(300);
    await engine.close();
  });

  it('lets go of what its caller cancels while it waits', async () => {
    const engine = await engineWithStoreOf(5);
    const controller = new AbortController();
    const all = Array.from({ length: 100 }, (_, at) =>
      engine
        .inferPointWise(ask(`i${at}`), at >= 60 ? { signal: controller.signal } : {})
        .then(() => 'ok')
        .catch((error: EngineError) => error.kind),
    );
    controller.abort();
    const ends = await Promise.all(all);
    expect(ends.slice(0, 60).every((end) => end === 'ok')).toBe(true);
    expect(ends.slice(60).every((end) => end === 'cancelled')).toBe(true);
    expect(engine.inFlight).toBe(0);
    await engine.close();
  });

  it('tells a request that waited what is wrong with it, and goes on with the next', async () => {
    const engine = await engineWithStoreOf(2);
    const before = Array.from({ length: 60 }, (_, at) => engine.inferPointWise(ask(`i${at}`), { deadlineMs: 20_000 }));
    const bad = engine.inferPointWise(create(PointWiseRequestSchema, { modelConfigId: 'm' })).catch((error: EngineError) => error.code);
    const after = engine.inferPointWise(ask('last'), { deadlineMs: 20_000 });
    expect(engine.inFlight).toBe(62);
    expect(await bad).toBe('INFERFLOW_ENGINE_INVALID_REQUEST');
    const answers = await Promise.all([...before, after]);
    expect(answers.every(({ targetScores }) => targetScores[0]?.error === '')).toBe(true);
    expect(engine.inFlight).toBe(0);
    await engine.close();
  });

  it('ends what waits when it is closed without grace', async () => {
    const engine = await engineWithStoreOf(5);
    const all = Array.from({ length: 80 }, (_, at) => engine.inferPointWise(ask(`i${at}`)).catch((error: EngineError) => error.code));
    await engine.close(0);
    expect(new Set(await Promise.all(all))).toEqual(new Set(['INFERFLOW_ENGINE_NOT_READY']));
    expect(engine.inFlight).toBe(0);
  });

  it('tells each caller once when it is closed, though callers leave while others are told', async () => {
    const engine = await engineWithStoreOf(5);
    const message = toBinary(PointWiseRequestSchema, ask('i'));
    const scopes = Array.from({ length: 80 }, () => new CallScope(performance.now() + 5000));
    const told = scopes.map(() => 0);
    const [inferPointWise] = engine
      .hotMethods(({ message }) => ({ code: 14, message }))
      .filter(({ path }) => path.endsWith('InferPointWise'));
    scopes.forEach((scope, at) => {
      const tell = () => {
        told[at] = (told[at] as number) + 1;
        scopes[(at + 1) % scopes.length]?.end('cancelled');
      };
      inferPointWise?.handle({ message, scope, header: () => undefined, headerValues: () => [], respond: tell, fail: tell });
    });
    await engine.close(0);
    expect(engine.inFlight).toBe(0);
    expect(told.every((times) => times === 1)).toBe(true);
  });
});
