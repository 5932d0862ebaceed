import { createSocket, type Socket } from 'node:dgram';
import { createClient } from '@connectrpc/connect';
import { createGrpcTransport } from '@connectrpc/connect-node';
import { Inferflow, Predict } from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type FakeServices, startFakeServices } from './testing/fake-services.js';
import { type StockServer, startStockServer } from './testing/stock-server.js';

/** A model of all kinds of components; the model's name routes to the fake. */
function fullModel(port: number): object {
  const model = (component: string, score: string, isSlate: boolean) => ({
    component,
    component_id: 'item',
    model_name: 'm',
    model_end_point: `127.0.0.1:${port}`,
    deadline: 8000,
    batch_size: 2,
    inputs: [{ name: 'in', features: ['item:g:x'], shape: [1], data_type: 'FP64' }],
    outputs: [{ name: 'out', model_scores: [score], model_scores_dims: [[1]], data_type: 'FP32' }],
    slate_component: isSlate,
  });
  return {
    dag_execution_config: { component_dependency: { fs: ['feature_initializer'], p1: ['fs'], i1: ['p1'], s1: ['fs'] } },
    component_config: {
      cache_enabled: true,
      cache_ttl: 60,
      feature_components: [
        {
          component: 'fs',
          component_id: 'item',
          fs_keys: [{ schema: 'item', col: 'item' }],
          fs_request: { label: 'item', featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features: ['x', 'y'] }] },
          fs_flatten_resp_keys: ['item'],
          comp_cache_enabled: true,
        },
      ],
      predator_components: [model('p1', 'score', false), model('s1', 'list_score', true)],
      numerix_components: [
        {
          component: 'i1',
          component_id: 'item',
          score_col: 'final',
          data_type: 'DataTypeFP32',
          compute_id: '1',
          score_mapping: { 'a@DataTypeFP32': 'score' },
        },
      ],
    },
    response_config: { features: ['item', 'score', 'final', 'list_score'] },
  };
}

interface Sent {
  readonly name: string;
  readonly value: number;
  readonly type: string;
  readonly rate: string | undefined;
  readonly tags: string;
}

/** An agent that listens. */
class Agent {
  readonly lines: Sent[] = [];
  readonly #socket: Socket = createSocket('udp4');

  async open(): Promise<number> {
    this.#socket.on('message', (datagram) => {
      for (const line of datagram.toString().split('\n')) {
        const match = /^([^:]+):(-?[0-9.e+-]+)\|(c|g|ms|d|h)(?:\|@([0-9.]+))?(?:\|#(.*))?$/.exec(line);
        expect(match, line).not.toBeNull();
        const [, name = '', value = '', type = '', rate, tags = ''] = match ?? [];
        this.lines.push({ name, value: Number(value), type, rate, tags });
      }
    });
    await new Promise<void>((resolve) => this.#socket.bind(0, '127.0.0.1', resolve));
    return this.#socket.address().port;
  }

  close(): void {
    this.#socket.close();
  }
}

const globals = 'env:prod,service:ranking';
const C = (component: string) => `${globals},model-id,full,component-name,${component}`;
const store = 'ext-service:featurestore,endpoint:/FeatureService/retrieveFeatures';
const models = 'ext-service:predator,endpoint:/ModelInfer';
const compute = 'ext-service:numerix_service,endpoint:/NumerixService/Compute';
const rpc = (path: string, status: number) => `${globals},api:${path},status:${status}`;
const mode = (name: string, model = 'full') => `${globals},model-id,${model},inference-mode,${name}`;
const cache = 'cache_name:in_memory_cache_v1,service:';
const sdk = (service: string, method: string, code: number) =>
  `communication_protocol:grpc,external_service:${service},method:${method},grpc_status_code:${code},service:`;
const predatorSdk = (code: number) => sdk('externalservicepredator_', '/inference.GRPCInferenceService/ModelInfer', code);

describe('DogStatsD, from the stock server', () => {
  const agent = new Agent();
  let fakes: FakeServices;
  let stock: StockServer;
  let sent: Map<string, number>;
  beforeAll(async () => {
    fakes = await startFakeServices();
    stock = await startStockServer(
      { full: fullModel(fakes.port) },
      {
        APP_ENV: 'prod',
        APP_NAME: 'ranking',
        TELEGRAF_HOST: '127.0.0.1',
        TELEGRAF_PORT: String(await agent.open()),
        METRIC_SAMPLING_RATE: '1',
        EXTERNAL_SERVICE_ONFS_FS_HOST: `127.0.0.1:${fakes.port}`,
        EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE: '2',
        EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: '5000',
        EXTERNAL_SERVICE_PREDATOR_CALLER_ID: 'ranking-team',
        NUMERIX_CLIENT_V1_HOST: `127.0.0.1:${fakes.port}`,
      },
    );
    const transport = createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` });
    const predict = createClient(Predict, transport);
    const ids = ['a', 'b', 'c'];
    const targets = ids.map((id) => ({ id }));
    await predict.inferPointWise({ modelConfigId: 'full', targets });
    await predict.inferPairWise({ modelConfigId: 'full', targets, pairs: [{ firstTargetIndex: 0, secondTargetIndex: 2 }] });
    await predict.inferSlateWise({ modelConfigId: 'full', targets, slates: [{ targetIndices: [0, 1] }, { targetIndices: [2] }] });
    await createClient(Inferflow, transport).retrieveModelScore({ modelConfigId: 'full', entities: [{ entity: 'item', ids }] });
    for (const id of ['made up', 'also,made|up#', 'made up']) {
      await expect(predict.inferPointWise({ modelConfigId: id, targets })).rejects.toThrow();
    }
    await expect(predict.inferPointWise({ modelConfigId: 'full', targets: [] })).rejects.toThrow();
    fakes.failSmallChunks = true;
    await predict.inferPointWise({ modelConfigId: 'full', targets });
    fakes.failSmallChunks = false;
    fakes.status = 14;
    await predict.inferPointWise({ modelConfigId: 'full', targets: [{ id: 'new' }] });
    await stock.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    sent = new Map();
    for (const { name, value, type, tags } of agent.lines) {
      const key = `${name}|${type}|${tags}`;
      // Timings are counted, counts are summed, the last gauge stands.
      sent.set(key, type === 'c' ? (sent.get(key) ?? 0) + value : type === 'g' ? value : (sent.get(key) ?? 0) + 1);
    }
  });
  afterAll(async () => {
    agent.close();
    await fakes.close();
  });

  const count = (name: string, tags: string, value: number) => [`${name}|c|${tags}`, value] as const;
  const timing = (name: string, tags: string, value: number) => [`${name}|ms|${tags}`, value] as const;
  const predictOk = rpc('/Predict/InferPointWise', 0);

  it.each([
    count('inferflow.router.api.request.total', predictOk, 3),
    timing('inferflow.router.api.request.latency', predictOk, 3),
    count('inferflow.router.api.request.total', rpc('/Predict/InferPointWise', 3), 4),
    count('inferflow.router.api.request.total', rpc('/Inferflow/RetrieveModelScore', 0), 1),
    count('inferflow.retrievemodelscore.request.total', `${globals},model-id,full`, 1),
    count('inferflow.retrievemodelscore.request.batch.size', `${globals},model-id,full`, 3),
    timing('inferflow.retrievemodelscore.request.latency', `${globals},model-id,full`, 1),
    count('predict.infer.request.total', mode('pointwise'), 4),
    count('predict.infer.request.total', mode('pointwise', 'unknown'), 3),
    timing('predict.infer.request.latency', mode('pointwise'), 3),
    count('predict.infer.request.batch.size', mode('pointwise'), 7),
    count('predict.infer.request.total', mode('pairwise'), 1),
    count('predict.infer.request.batch.size', mode('pairwise'), 1),
    count('predict.infer.request.batch.size', mode('slatewise'), 2),
    count('inferflow.component.execution.total', C('fs'), 6),
    timing('inferflow.component.execution.latency', C('p1'), 6),
    count('inferflow.component.feature.count', C('fs'), 32),
    count('inferflow.component.inmemorycache.request.total', C('fs'), 16),
    count('inferflow.component.inmemorycache.request.miss.total', C('fs'), 4),
    timing('inferflow.datatype.conversion.execution.latency', C('p1'), 6),
    timing('inferflow.component.predator.execution.latency', C('p1'), 6),
    count('inferflow.matrix.byte.to.byte.conversion.count', C('p1'), 15),
    count('inferflow.external.api.request.total', `${C('fs')},${store}`, 3),
    count('inferflow.external.api.request.batch', `${C('fs')},${store}`, 4),
    timing('inferflow.external.api.request.latency', `${C('fs')},${store}`, 3),
    count('inferflow.external.api.request.total', `${C('p1')},${models}`, 11),
    timing('inferflow.external.api.request.latency', `${C('s1')},${models}`, 3),
    count('inferflow.external.api.request.total', `${C('i1')},${compute}`, 6),
    count('inferflow.component.execution.error', `${C('fs')},${store},error-type,featurestore-api-error`, 1),
    count('inferflow.component.execution.error', `${C('p1')},${models},error-type,predator-api-error`, 2),
    count('inferflow.component.execution.error', `${C('i1')},${compute},error-type,numerix-api-error`, 1),
    count('external_api_request_count', predatorSdk(0), 12),
    count('external_api_request_count', predatorSdk(13), 1),
    count('external_api_request_count', sdk('numerix_CLIENT_V1_', '/numerix.Numerix/Compute', 0), 5),
    count('external_api_request_count', 'model-name:m,caller-id:ranking-team,error_type:batch_processing_error,service:', 2),
  ])('%s', (key, value) => {
    expect(sent.get(key), [...sent].filter(([sentKey]) => sentKey.split('|')[0] === key.split('|')[0]).join('\n')).toBe(value);
  });

  it('has the gauges of the cache, without global tags', () => {
    expect(sent.get(`in_memory_cache_item_count|g|${cache}`)).toBe(3);
    expect(sent.get(`in_memory_cache_hit_rate|g|${cache}`)).toBeCloseTo(12 / 16, 6);
    for (const name of ['in_memory_cache_evacuate_count', 'in_memory_cache_expiry_count']) expect(sent.get(`${name}|g|${cache}`)).toBe(0);
  });

  it('has no other name, and no tag that a caller made up', () => {
    const names = new Set(agent.lines.map(({ name }) => name));
    const ofOriginal =
      /^(inferflow\.(router\.api|retrievemodelscore|component|datatype|matrix|external\.api)\.|predict\.infer\.|in_memory_cache_|external_api_request_count$)/;
    expect([...names].filter((name) => !ofOriginal.test(name))).toEqual([]);
    expect(agent.lines.filter(({ tags }) => tags.includes('made'))).toEqual([]);
    // As the Go client: a rate of 1 is not written.
    expect(agent.lines.filter(({ rate }) => rate !== undefined)).toEqual([]);
  });
});
