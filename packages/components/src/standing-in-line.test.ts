import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import type { NumerixComponentConfig } from '@inferflow/config';
import { CellStatus, DataType } from '@inferflow/matrix';
import { NumerixRequestProtoSchema, NumerixResponseProtoSchema } from '@inferflow/proto';
import { createCallHead, createLocalUpstream, GrpcError, UnaryCall, type Upstream } from '@inferflow/transport';
import { describe, expect, it } from 'vitest';
import { featureDefinition } from './feature/feature-component.js';
import * as store from './feature/feature-store.fixture.js';
import { numerixDefinition } from './numerix/numerix-component.js';
import * as models from './predator/predator-component.fixture.js';
import { predatorDefinition } from './predator/predator-component.js';
import { createTestBackend, ManualUpstream, type TestBackendOptions, TestBench, type TestOptions } from './testing/index.js';

const columns = { item: ['i0', 'i1', 'i2', 'i3'], price: [1, 2, 3, 4] };
const slate = { targets: [[0, 1], [2], [3]] };

function scoresFor(message: Uint8Array): Uint8Array {
  const { rows } = models.decode(message);
  return models.answerOf([{ name: 'o', datatype: 'FP32', shape: [rows, 1], raw: models.floats(Array(rows).fill(7)) }]);
}

function featuresFor(message: Uint8Array): Uint8Array {
  return store.answerTo(store.decodeQuery(message), store.cellOf);
}

function resultsFor(message: Uint8Array): Uint8Array {
  const rows = fromBinary(NumerixRequestProtoSchema, message).entityScoreData?.entityScores ?? [];
  const computationScores = rows.map(({ matrixFormat }) => ({
    matrixFormat: {
      case: 'byteData' as const,
      value: { values: [...(matrixFormat.value?.values ?? []).slice(0, 1), models.floats([7])] as Uint8Array[] },
    },
  }));
  const value = { schema: ['item', 'final'], computationScores };
  return toBinary(NumerixResponseProtoSchema, create(NumerixResponseProtoSchema, { response: { case: 'computationScoreData', value } }));
}

const compute: NumerixComponentConfig = {
  kind: 'numerix',
  componentName: 'n',
  onFailure: 'default',
  componentId: 'item',
  scoreColumn: 'final',
  dataType: DataType.FP32,
  dataTypeText: 'DataTypeFP32',
  computeId: 'sum',
  variables: [{ variable: 'x', dataType: DataType.FP32, dataTypeText: 'DataTypeFP32', column: 'price' }],
  scope: 'slate',
};

interface Kind {
  readonly name: string;
  readonly answer: (message: Uint8Array) => Uint8Array;
  readonly bench: (upstream: Upstream, options?: TestBackendOptions) => TestBench;
}

const backendOf = (upstream: Upstream, options?: TestBackendOptions) =>
  createTestBackend(upstream, { deadlineMs: 60_000, batchSize: 2, ...options });
const modelBench = (own: Partial<TestOptions>) => (upstream: Upstream, options?: TestBackendOptions) =>
  new TestBench(predatorDefinition, {
    config: models.configOf(),
    columns,
    backends: { model: () => backendOf(upstream, options) },
    ...own,
  });
const storeBench = (own: Partial<TestOptions>) => (upstream: Upstream, options?: TestBackendOptions) =>
  new TestBench(featureDefinition, {
    config: store.configOf({}),
    columns,
    backends: { featureStore: backendOf(upstream, options) },
    ...own,
  });
const computeBench = (upstream: Upstream, options?: TestBackendOptions) =>
  new TestBench(numerixDefinition, { config: compute, columns, slate, backends: { compute: backendOf(upstream, options) } });

const kinds: readonly Kind[] = [
  { name: 'a model, slates', answer: scoresFor, bench: modelBench({ config: models.configOf({ scope: 'slate' }), slate }) },
  { name: 'a model, targets', answer: scoresFor, bench: modelBench({}) },
  { name: 'a model, common calls', answer: scoresFor, bench: modelBench({ config: models.configOf({ coalesce: true }) }) },
  { name: 'features', answer: featuresFor, bench: storeBench({ shareFetches: false }) },
  { name: 'features, common calls', answer: featuresFor, bench: storeBench({}) },
  { name: 'a computation', answer: resultsFor, bench: computeBench },
];

const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function begin(bench: TestBench) {
  const request = bench.createRequest();
  const state = bench.createState();
  request.begin(state);
  const isRight = () => {
    const block = state.written;
    return block !== null && state.faults.count === 0 && block.counts[CellStatus.fresh] === block.rowCount * block.shape.slots.length;
  };
  return { request, state, isRight };
}

/** A call of somebody else, which takes the only place until it is let go. */
class Occupant extends UnaryCall {
  static readonly path = '/test.Service/Occupy';
  constructor() {
    super(createCallHead({ path: Occupant.path, authority: 'test' }), Number.POSITIVE_INFINITY);
  }
  get byteLength(): number {
    return 0;
  }
  write(): void {}
  succeeded(): void {}
  failed(): void {}
}

/** A service of one call at once, whose place is taken. */
function occupied(answer: (message: Uint8Array) => Uint8Array) {
  const upstream = createLocalUpstream(
    'test service',
    (path, message) => (path === Occupant.path ? new Promise<never>(() => {}) : answer(message)),
    { maxInFlight: 1 },
  );
  const occupant = new Occupant();
  upstream.start(occupant);
  return { upstream, letGo: () => upstream.cancel(occupant) };
}

describe.each(kinds)('$name: a service without room', ({ answer, bench: benchOf }) => {
  it('is asked with one call at a time while others stand in line, and with all when they do not', async () => {
    const upstream = new ManualUpstream();
    upstream.isCrowded = true;
    const { request, isRight } = begin(benchOf(upstream));
    await turn();
    expect(upstream.open).toHaveLength(1);
    upstream.open[0]?.answer(answer(upstream.open[0].message));
    await turn();
    expect(upstream.calls).toHaveLength(2);
    upstream.isCrowded = false;
    for (const call of upstream.open) call.answer(answer(call.message));
    await turn();
    for (const call of upstream.open) call.answer(answer(call.message));
    expect([request.ends, request.failure, isRight()]).toEqual([1, null, true]);
  });

  it('costs no call its time, and no row its value', async () => {
    const { upstream, letGo } = occupied(answer);
    const bench = benchOf(upstream, { deadlineMs: 60 });
    const requests = [begin(bench), begin(bench), begin(bench)];
    await sleep(200);
    expect(requests.map(({ request }) => request.ends)).toEqual([0, 0, 0]);
    letGo();
    for (const { request, isRight } of requests) {
      await request.ended;
      expect([request.failure, isRight()]).toEqual([null, true]);
    }
    expect(upstream.inFlight).toBe(0);
  });

  it('says so of calls that were refused for want of it', async () => {
    const upstream = createLocalUpstream('test service', () => new Promise<never>(() => {}), { maxInFlight: 1, maxInLine: 0 });
    upstream.start(new Occupant());
    const { request, state } = begin(benchOf(upstream));
    await request.ended;
    expect(request.failure?.reason).toBe('overloaded');
    expect(state.calls.count).toBeGreaterThan(0);
    expect(state.calls).toMatchObject({ failed: state.calls.count, overloaded: state.calls.count });
  });

  it('does not keep a request that is over', async () => {
    const { upstream, letGo } = occupied(answer);
    const bench = benchOf(upstream);
    const [gone, stays] = [begin(bench), begin(bench)];
    await turn();
    gone.request.cancel(gone.state, 'deadline');
    stays.request.cancel(stays.state);
    expect([gone.request.ends, gone.state.busy, upstream.inFlight]).toEqual([1, false, 1]);
    const last = begin(bench);
    letGo();
    await last.request.ended;
    expect(last.isRight()).toBe(true);
  });
});

describe.each(kinds.filter(({ name }) => name.endsWith('common calls')))('$name that stood in line', ({ answer, bench: benchOf }) => {
  it('and failed are tried again alone, as if there had been no line', async () => {
    let calls = 0;
    const { upstream, letGo } = occupied((message) => {
      if (++calls === 1) throw new GrpcError(14, 'not now');
      return answer(message);
    });
    const bench = benchOf(upstream, { deadlineMs: 60, batchSize: 8 });
    const requests = [begin(bench), begin(bench)];
    await sleep(200);
    expect(requests.map(({ request }) => request.ends)).toEqual([0, 0]);
    letGo();
    for (const { request, isRight } of requests) {
      await request.ended;
      expect([request.failure, isRight()]).toEqual([null, true]);
    }
  });
});
