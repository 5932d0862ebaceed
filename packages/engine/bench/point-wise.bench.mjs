// CPU of the engine alone for 100 targets × 40 fetched features and one model: `node bench/point-wise.bench.mjs` after a build.
// Store and model answer from memory at the end of the loop turn; sockets and the services themselves are not part of it.
import { create, toBinary } from '@bufbuild/protobuf';
import { createObjectSource } from '@inferflow/config';
import { createEngine } from '@inferflow/engine';
import { ModelInferResponseSchema, PointWiseRequestSchema, RetrieveResultSchema } from '@inferflow/proto';
import { createTelemetry } from '@inferflow/telemetry';
import { CallScope, createCallHead } from '@inferflow/transport';

const targetCount = 100;
const features = Array.from({ length: 40 }, (_, index) => `f${index}`);
const ids = Array.from({ length: targetCount }, (_, index) => `item-${1000 + index}`);
const columns = features.map((feature) => `it:g:${feature}`);
const config = {
  dag_execution_config: { component_dependency: { f: ['feature_initializer'], p: ['f'] } },
  component_config: {
    feature_components: [
      {
        component: 'f',
        component_id: 'item',
        fs_keys: [{ schema: 'id', col: 'item' }],
        fs_request: { label: 'it', featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features }] },
        fs_flatten_resp_keys: ['item'],
      },
    ],
    predator_components: [
      {
        component: 'p',
        component_id: 'item',
        model_name: 'm',
        model_end_point: 'models',
        deadline: 1000,
        batch_size: 100,
        inputs: [{ name: 'x', features: columns, shape: [features.length], data_type: 'FP32' }],
        outputs: [{ name: 'o', model_scores: ['s'], model_scores_dims: [[1]], data_type: 'DataTypeFP32' }],
      },
    ],
  },
  response_config: { features: ['item', 's'] },
};

const float = (value) => new Uint8Array(new Float32Array([value]).buffer);
const storeAnswer = (from) =>
  toBinary(
    RetrieveResultSchema,
    create(RetrieveResultSchema, {
      entityLabel: 'it',
      keysSchema: ['id'],
      featureSchemas: [{ featureGroupLabel: 'g', features: features.map((label, columnIdx) => ({ label, columnIdx })) }],
      rows: ids.slice(from, from + 50).map((id, row) => ({ keys: [id], columns: features.map((_, column) => float(row + column)) })),
    }),
  );
const storeAnswers = [storeAnswer(0), storeAnswer(50)];
const outputs = [{ name: 'o', datatype: 'FP32', shape: [BigInt(targetCount), 1n] }];
const modelAnswer = toBinary(
  ModelInferResponseSchema,
  create(ModelInferResponseSchema, { outputs, rawOutputContents: [new Uint8Array(targetCount * 4)] }),
);

const scratch = new Uint8Array(1 << 20);
const waiting = [];
let turn = 0;
function answerAll() {
  for (const call of waiting.splice(0)) {
    call.upstream = null;
    call.succeeded(call.head.path.startsWith('/retrieve') ? storeAnswers[turn++ % 2] : modelAnswer);
  }
}
const upstream = {
  start(call) {
    call.write(scratch, 0);
    waiting.push(call);
    if (waiting.length === 1) setImmediate(answerAll);
  },
  cancel() {},
  close: async () => {},
};
const heads = new Map();
const head = (path) => {
  if (!heads.has(path)) heads.set(path, createCallHead({ path, authority: 'bench' }));
  return heads.get(path);
};
const backend = { upstream, deadlineMs: 1000, batchSize: 50, description: 'bench', head };

const engine = await createEngine({
  configSource: createObjectSource({ m: config }),
  backends: { featureStore: backend, model: () => backend, compute: null, expressions: null },
  telemetry: createTelemetry({ prometheus: true, statsd: null }),
  featureCacheBytes: 0,
});
const message = toBinary(
  PointWiseRequestSchema,
  create(PointWiseRequestSchema, { modelConfigId: 'm', targets: ids.map((id) => ({ id })) }),
);
const [method] = engine.hotMethods(({ message: text }) => ({ code: 13, message: text }));
const answer = new Uint8Array(1 << 16);

function ask() {
  return new Promise((resolve, reject) => {
    const scope = new CallScope(performance.now() + 1000);
    method.handle({
      message,
      scope,
      header: () => undefined,
      headerValues: () => [],
      respond(body) {
        body.write(answer, 0);
        scope.end('done');
        resolve();
      },
      fail: (status) => reject(new Error(status.message)),
    });
  });
}

console.log(
  `edges: ${engine
    .explainPlan('m')
    .edges.map(({ read, how }) => `${read} ${how}`)
    .join(', ')}`,
);
for (let index = 0; index < 3000; index++) await ask();
const rounds = [];
for (let round = 0; round < 6; round++) {
  const before = process.cpuUsage();
  for (let index = 0; index < 3000; index++) await ask();
  const { user, system } = process.cpuUsage(before);
  rounds.push((user + system) / 3000);
}
console.log(`CPU per request: best of ${rounds.length}: ${Math.min(...rounds).toFixed(1)} µs`);
await engine.close();
