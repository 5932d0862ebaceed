// The built-in components alone, 100 rows × 40 FP32 features, without sockets: node packages/components/bench/components.mjs (after a build).
import { builtIns, ComponentRunState } from '@inferflow/components';
import { createTestBackend, TestBench } from '@inferflow/components/testing';
import { DataType } from '@inferflow/matrix';

const rows = 100;
const features = 40;
const batch = 50;
const definition = (type) => builtIns.find((entry) => entry.type === type);

/** An upstream that keeps calls until `flush` answers them, with answers prepared by `answerTo`. */
class PreparedUpstream {
  #calls = [];
  #message = new Uint8Array(1 << 20);
  #answerTo;

  constructor(answerTo) {
    this.#answerTo = answerTo;
  }

  start(call) {
    call.upstream = this;
    call.write(this.#message, 0);
    this.#calls.push(call);
  }

  flush() {
    while (this.#calls.length > 0) {
      const call = this.#calls.shift();
      call.upstream = null;
      call.succeeded(this.#answerTo(this.#message, call.byteLength));
    }
  }

  cancel() {}
}

const bytesOf = (field, bytes) => [
  field * 8 + 2,
  ...(bytes.length < 128 ? [bytes.length] : [(bytes.length & 127) | 128, bytes.length >> 7]),
  ...bytes,
];
const text = (value) => [...new TextEncoder().encode(value)];

function storeAnswer(first, count) {
  const schema = bytesOf(3, [
    ...bytesOf(1, text('g')),
    ...Array.from({ length: features }, (_, column) => bytesOf(2, [...bytesOf(1, text(`f${column}`)), 16, column])).flat(),
  ]);
  const answered = Array.from({ length: count }, (_, row) => {
    const cells = Array.from({ length: features }, (_, column) => bytesOf(2, new Uint8Array(Float32Array.of(row + column).buffer))).flat();
    return bytesOf(4, [...bytesOf(1, text(`item${first + row}`)), ...cells]);
  }).flat();
  return Uint8Array.from([...bytesOf(1, text('item')), ...bytesOf(2, text('id')), ...schema, ...answered]);
}

const scores = new Uint8Array(new Float32Array(rows).buffer);
const modelAnswer = Uint8Array.from([
  ...bytesOf(5, [...bytesOf(1, text('o')), ...bytesOf(2, text('FP32')), ...bytesOf(3, [rows, 1])]),
  ...bytesOf(6, scores),
]);

const names = Array.from({ length: features }, (_, column) => `item:g:f${column}`);
const featureConfig = {
  kind: 'feature',
  componentName: 'fs',
  componentId: 'x',
  compositeId: false,
  keys: [{ schema: 'id', column: 'item' }],
  entityLabel: 'item',
  groups: [{ label: 'g', dataType: DataType.FP32, features: names.map((_, column) => `f${column}`) }],
  cache: { enabled: false, ttlSeconds: 60, staleIfErrorSeconds: 0 },
  batchSize: 50,
  columns: names.map((name, column) => ({
    name,
    requestLabel: `f${column}`,
    group: 0,
    dataType: DataType.FP32,
    groupDataType: DataType.FP32,
  })),
};
const modelConfig = {
  kind: 'predator',
  modelName: 'm',
  modelVersion: '1',
  endpoint: 'host',
  endpoints: [],
  scope: 'target',
  slateCalls: 'per_slate',
  broadcastSingleScore: false,
  inputs: [{ name: 'x', features: names, shape: [features], dataType: 'FP32' }],
  outputs: [{ name: 'o', dataType: 'FP32', scores: [{ name: 's', dims: [1] }] }],
};

function measure(name, bench, upstream, rounds) {
  const state = new ComponentRunState(bench.binding, 0);
  const run = (count) => {
    const requests = Array.from({ length: count }, () => bench.createRequest());
    globalThis.gc?.();
    const before = process.memoryUsage().heapUsed;
    const start = performance.now();
    for (const request of requests) {
      request.begin(state);
      upstream.flush();
      state.end();
    }
    const took = performance.now() - start;
    const bytes = process.memoryUsage().heapUsed - before;
    if (requests.some((request) => request.failure !== null || request.ends !== 1))
      throw new Error(`${name} failed: ${requests[0].failure?.message}`);
    for (const request of requests) request.release();
    return { took, bytes };
  };
  let best = Number.POSITIVE_INFINITY;
  let bytes = 0;
  for (let round = 0; round < rounds; round++) {
    const result = run(batch);
    if (result.took < best) best = result.took;
    bytes = result.bytes;
  }
  console.log(`${name.padEnd(44)} ${((best * 1000) / batch).toFixed(1).padStart(8)} µs ${(bytes / batch).toFixed(0).padStart(8)} B`);
}

const items = Array.from({ length: rows }, (_, row) => `item${row}`);
const answers = [storeAnswer(0, 50), storeAnswer(50, 50)];
let turn = 0;
const store = new PreparedUpstream(() => answers[turn++ % 2]);
const featureBench = new TestBench(definition('feature'), {
  config: featureConfig,
  columns: { item: items },
  backends: { featureStore: createTestBackend(store) },
});
measure('feature: 2 calls of 50 keys', featureBench, store, 200);
const model = new PreparedUpstream(() => modelAnswer);
const columns = Object.fromEntries(names.map((name) => [name, { type: DataType.FP32, values: items.map((_, row) => row) }]));
const modelBench = new TestBench(definition('predator'), {
  config: modelConfig,
  columns,
  backends: { model: () => createTestBackend(model) },
});
measure('predator: 1 call of 100 rows', modelBench, model, 200);
