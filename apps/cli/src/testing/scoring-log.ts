import { createObjectSource } from '@inferflow/config';
import { type CallOptions, createEngine, type Engine, type FeatureFunction, type ModelFunctions } from '@inferflow/engine';
import { LogPipeline, LogSampling, type LogSink, type LogStream } from '@inferflow/logging';
import { LogTaps, ScoringEncoder, UserIdentity } from '@inferflow/logging/scoring';
import { createExpressionEngine } from '@inferflow/numerix';

/** price = the number in the id; size = its double; nothing of ids with an x. */
const store: FeatureFunction = ({ keys }) =>
  keys.map(([key = '']) =>
    key.includes('x') ? null : { price: Number(key.replace(/\D/g, '')), size: Number(key.replace(/\D/g, '')) * 2 },
  );

/** Sum of a row's inputs. */
const sum: ModelFunctions[string] = (inputs, { rowCount }) => {
  const scores = new Float32Array(rowCount);
  for (const { data } of Object.values(inputs)) {
    const width = data.length / rowCount;
    for (let at = 0; at < data.length; at++) {
      const row = Math.floor(at / width);
      scores[row] = (scores[row] as number) + Number(data[at]);
    }
  }
  return scores;
};
/** One score for a whole list. */
const listSum: ModelFunctions[string] = (inputs) => [
  Object.values(inputs).reduce((total, { data }) => total + Array.from(data as Float32Array).reduce((left, right) => left + right, 0), 0),
];

/** What a test may change of the candidate. */
export interface ModelChanges {
  readonly features?: readonly string[];
  readonly inputs?: readonly string[];
  readonly modelName?: string;
  readonly expression?: string;
}

/** Fetches price (and more), asks a model, blends with an expression; a list model scores pairs and slates. */
export function exampleModel({
  features = ['price'],
  inputs = ['it:g:price', 'boost'],
  modelName = 'sum',
  expression = 'score * 2 + 1',
}: ModelChanges = {}) {
  const predator = (component: string, model: string, columns: readonly string[], score: string, slate: boolean) => ({
    component,
    component_id: 'item',
    model_name: model,
    model_end_point: 'local',
    deadline: 5000,
    batch_size: 100,
    inputs: [{ name: 'x', features: columns, shape: [columns.length], data_type: 'FP32' }],
    outputs: [{ name: 'out', model_scores: [score], model_scores_dims: [[1]], data_type: 'FP32' }],
    ...(slate && { slate_component: true }),
  });
  return {
    dag_execution_config: {
      component_dependency: { f: ['feature_initializer'], ranker: ['f'], lister: ['ranker'], blend: ['ranker'] },
    },
    component_config: {
      cache_version: 1,
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
        predator('ranker', modelName, inputs, 'score', false),
        predator('lister', 'listSum', ['score', 'weight'], 'list_score', true),
      ],
      numerix_components: [
        {
          component: 'blend',
          component_id: 'item',
          score_col: 'final',
          data_type: 'DataTypeFP32',
          expression,
          score_mapping: { 'score@DataTypeFP32': 'score' },
        },
      ],
    },
    response_config: { features: ['item', 'score', 'final', 'list_score'], logging_perc: 0 },
  };
}

/** Runs requests through an engine and returns the ScoringLog messages of them. */
export async function logRequests(
  model: object,
  ask: (engine: Engine, options: CallOptions) => Promise<unknown>,
  onMessage: (message: Uint8Array, value: Uint8Array) => void,
  maxRecordBytes = 1_000_000,
): Promise<void> {
  const sink: LogSink = {
    name: 'memory',
    maxBatchBytes: 1 << 24,
    async deliver(_, batch) {
      for (const { value, messageStart, messageLength } of batch)
        onMessage(value.subarray(messageStart, messageStart + messageLength), value);
      return { isDelivered: true };
    },
    close: async () => {},
  };
  const settings: LogStream['settings'] = () => ({ format: 'proto', isCompressed: false, zstd: null });
  const scoring = new LogPipeline({
    streams: [{ sink, settings, topicOf: () => 't', lingerMs: 0, maxRecordBytes, queueBytes: 1 << 30 }],
    sampling: new LogSampling({ percentOf: () => 100, allowsAnonymous: true }),
    captureBytes: 1 << 30,
    kind: 'scoring',
    createEncoder: (observer) => new ScoringEncoder(observer, new UserIdentity()),
  });
  const engine = await createEngine({
    configSource: createObjectSource({ m: model } as Parameters<typeof createObjectSource>[0]),
    featureStore: store,
    models: { sum, other: sum, listSum },
    expressions: createExpressionEngine({ expressions: {} }),
    logTap: new LogTaps({ inference: null, scoring, headerNames: ['app-version-code'] }),
  });
  const { m } = Object.fromEntries(engine.snapshot.models);
  if (m?.state !== 'live') throw new Error(JSON.stringify(m?.problems));
  await ask(engine, { headers: { 'user-id': 'somebody', 'app-version-code': '7' } });
  await engine.close();
  await scoring.close(5000);
}
