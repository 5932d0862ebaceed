import { createSocket, type Socket } from 'node:dgram';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createTelemetry, type StatsdOptions, type TelemetryOptions } from './create-telemetry.js';
import { metricTable } from './metric-table.js';
import type { Telemetry } from './telemetry.js';

let agent: Socket;
let received: string[];
let arrived: () => void;
let telemetry: Telemetry | undefined;

beforeEach(async () => {
  received = [];
  arrived = () => {};
  agent = createSocket('udp4');
  agent.on('message', (packet) => {
    received.push(...packet.toString().split('\n'));
    arrived();
  });
  await new Promise<void>((resolve) => agent.bind(0, '127.0.0.1', resolve));
});

afterEach(async () => {
  await telemetry?.close();
  telemetry = undefined;
  agent.close();
});

function start(statsd: Partial<StatsdOptions> = {}, options: TelemetryOptions = {}): Telemetry {
  const { port } = agent.address();
  telemetry = createTelemetry({
    ...options,
    statsd: { host: '127.0.0.1', port, env: 'prod', service: 'inferflow', samplingRate: 1, ...statsd },
  });
  return telemetry;
}

/** The next `count` lines the agent gets after a flush. */
async function lines(count: number): Promise<string[]> {
  telemetry!.flush();
  if (received.length < count)
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`only ${received.length} of ${count} lines came: ${received.slice(0, 20).join(' ; ')}`)),
        3000,
      );
      arrived = () => {
        if (received.length < count) return;
        clearTimeout(timer);
        resolve();
      };
    });
  return received.splice(0);
}

const component = { model_id: 'movies', component_name: 'ranker' };
const predator = { ...component, ext_service: 'predator', endpoint: '/ModelInfer' };

describe('DogStatsD', () => {
  it('sends exactly the lines of the original, bare tags behind the global ones', async () => {
    start();
    telemetry!.counter('requests', { api: '/Inferflow/RetrieveModelScore', status: '0' }).add(1);
    telemetry!.counter('retrieveModelScoreBatchSize', { model_id: 'movies' }).add(100);
    telemetry!.counter('predictRequests', { model_id: 'movies', inference_mode: 'pointwise' }).add(1);
    telemetry!.counter('componentExecutions', component).add(1);
    telemetry!.counter('componentErrors', { ...component, error_type: 'invalid-component-config' }).add(1);
    telemetry!.counter('componentErrors', { ...predator, error_type: 'predator-api-error' }).add(1);
    telemetry!.counter('externalRequests', predator).add(3);
    telemetry!.counter('loggingErrors', { model_id: 'movies', error: 'schema_not_found' }).add(1);
    telemetry!.counter('loggingErrors', { model_id: 'movies', error_type: 'kafka-v2-error' }).add(1);
    telemetry!.counter('schemaErrors', { model_id: 'movies' }).add(1);
    telemetry!.gauge('cacheHitRate').set(0.75);
    telemetry!.counter('sdkCalls', { external_service: 'externalservicepredator_', method: '/a.B/C', grpc_status_code: '0' }).add(1);
    telemetry!.histogram('componentLatency', component).observeMs(1.25);
    const expected = [
      'inferflow.router.api.request.total:1|c|#env:prod,service:inferflow,api:/Inferflow/RetrieveModelScore,status:0',
      'inferflow.retrievemodelscore.request.batch.size:100|c|#env:prod,service:inferflow,model-id,movies',
      'predict.infer.request.total:1|c|#env:prod,service:inferflow,model-id,movies,inference-mode,pointwise',
      'inferflow.component.execution.total:1|c|#env:prod,service:inferflow,model-id,movies,component-name,ranker',
      'inferflow.component.execution.error:1|c|#env:prod,service:inferflow,model-id,movies,component-name,ranker,error-type,invalid-component-config',
      'inferflow.component.execution.error:1|c|#env:prod,service:inferflow,model-id,movies,component-name,ranker,ext-service:predator,endpoint:/ModelInfer,error-type,predator-api-error',
      'inferflow.external.api.request.total:3|c|#env:prod,service:inferflow,model-id,movies,component-name,ranker,ext-service:predator,endpoint:/ModelInfer',
      'inferflow.logging.error:1|c|#env:prod,service:inferflow,model-id,movies,error,schema_not_found',
      'inferflow.logging.error:1|c|#env:prod,service:inferflow,model-id,movies,error-type:kafka-v2-error',
      'inferflow_config_schema_parsing_error:1|c|#env:prod,service:inferflow,model-id,movies',
      'in_memory_cache_hit_rate:0.75|g|#cache_name:in_memory_cache_v1,service:',
      'external_api_request_count:1|c|#communication_protocol:grpc,external_service:externalservicepredator_,method:/a.B/C,grpc_status_code:0,service:',
      'inferflow.component.execution.latency:1.250000|ms|#env:prod,service:inferflow,model-id,movies,component-name,ranker',
    ];
    expect((await lines(expected.length)).sort()).toEqual([...expected].sort());
  });

  it('adds counts up between flushes, sends a zero that was added, and nothing that was not', async () => {
    start();
    const errors = telemetry!.counter('conversionCount', component);
    const name = 'inferflow.matrix.byte.to.byte.conversion.count';
    const tags = '|c|#env:prod,service:inferflow,model-id,movies,component-name,ranker';
    telemetry!.counter('componentExecutions', component);
    errors.add(2);
    errors.add(3);
    expect(await lines(1)).toEqual([`${name}:5${tags}`]);
    errors.add(0);
    expect(await lines(1)).toEqual([`${name}:0${tags}`]);
    telemetry!.flush();
    errors.add(1);
    expect(await lines(1)).toEqual([`${name}:1${tags}`]);
  });

  it('flushes by itself every two seconds', async () => {
    start();
    telemetry!.counter('componentExecutions', component).add(1);
    await new Promise<void>((resolve) => {
      arrived = resolve;
    });
    expect(received).toHaveLength(1);
  }, 5000);

  it('samples timings, tells the rate, and leaves counts exact', async () => {
    const numbers = [0.05, 0.2, 0.09, 0.1];
    start({ samplingRate: 0.1 }, { random: () => numbers.shift()! });
    const latency = telemetry!.histogram('retrieveModelScoreLatency', { model_id: 'm' });
    for (const ms of [1, 2, 3, 4]) latency.observeMs(ms);
    telemetry!.counter('loggingSent', { model_id: 'm' }).add(4);
    const tags = '#env:prod,service:inferflow,model-id,m';
    expect((await lines(3)).sort()).toEqual([
      `inferflow.logging.kafka_sent:4|c|${tags}`,
      `inferflow.retrievemodelscore.request.latency:1.000000|ms|@0.1|${tags}`,
      `inferflow.retrievemodelscore.request.latency:3.000000|ms|@0.1|${tags}`,
    ]);
    expect(await telemetry!.prometheusText()).toContain('inferflow_retrievemodelscore_latency_seconds_count{model_id="m"} 4');
  });

  it('sends no timing at rate 0', async () => {
    start({ samplingRate: 0 });
    telemetry!.histogram('retrieveModelScoreLatency', { model_id: 'm' }).observeMs(1);
    telemetry!.counter('loggingSent', { model_id: 'm' }).add(1);
    expect(await lines(1)).toEqual(['inferflow.logging.kafka_sent:1|c|#env:prod,service:inferflow,model-id,m']);
  });

  const other = Object.values(networkInterfaces())
    .flat()
    .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

  it.each([
    { where: 'this machine', host: '127.0.0.1', from: 1432, most: 8192 },
    // Where a machine has no other address this is the first case again, and says less.
    { where: 'any other address, that fit a frame', host: other ?? '127.0.0.1', from: 0, most: other === undefined ? 8192 : 1432 },
  ])('loses none of thousands of timings in packets to $where', async ({ host, from, most }) => {
    agent.close();
    agent = createSocket('udp4');
    let longest = 0;
    agent.on('message', (packet) => {
      received.push(...packet.toString().split('\n'));
      longest = Math.max(longest, packet.length);
      arrived();
    });
    await new Promise<void>((resolve) => agent.bind(0, '0.0.0.0', resolve));
    start({ host });
    const latency = telemetry!.histogram('retrieveModelScoreLatency', { model_id: 'm' });
    for (let round = 0; round < 1000; round++) latency.observeMs(round / 1000);
    const all = await lines(1000);
    expect(new Set(all).size).toBe(1000);
    expect(longest).toBeGreaterThan(from);
    expect(longest).toBeLessThanOrEqual(most);
  });

  it('fills the buffer of a packet again only when the packet has left', async () => {
    start();
    const latency = telemetry!.histogram('retrieveModelScoreLatency', { model_id: 'm' });
    for (let turn = 0; turn < 10; turn++) {
      // More packets in a turn than buffers are kept.
      for (let round = 0; round < 1000; round++) latency.observeMs(turn * 1000 + round);
      telemetry!.flush();
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    expect(new Set(await lines(10_000)).size).toBe(10_000);
  });

  it('lets no label value break a line', async () => {
    start();
    telemetry!.counter('loggingSent', { model_id: 'a,b|c\nd: e' }).add(1);
    telemetry!.counter('sdkFailedChunks', { model_name: 'a:b c,d', caller_id: 'x@y#z' }).add(1);
    expect((await lines(2)).sort()).toEqual([
      'external_api_request_count:1|c|#model-name:a_b_c_d,caller-id:x_y_z,error_type:batch_processing_error,service:',
      'inferflow.logging.kafka_sent:1|c|#env:prod,service:inferflow,model-id,a_b_c_d: e',
    ]);
  });

  it('sends own metrics only when asked to', async () => {
    start();
    telemetry!.counter('cells', { ...component, status: 'failed' }).add(1);
    telemetry!.counter('loggingSent', { model_id: 'm' }).add(1);
    expect(await lines(1)).toHaveLength(1);
    await telemetry!.close();
    start({ ownMetrics: true });
    telemetry!.counter('cells', { ...component, status: 'failed' }).add(1);
    expect(await lines(1)).toEqual(['inferflow.cells:1|c|#env:prod,service:inferflow,model_id:movies,component_name:ranker,status:failed']);
  });

  it('sends what a forgotten child had gathered', async () => {
    start();
    telemetry!.counter('loggingSent', { model_id: 'gone' }).add(7);
    telemetry!.forget('model_id', new Set(['gone']));
    expect(await lines(1)).toEqual(['inferflow.logging.kafka_sent:7|c|#env:prod,service:inferflow,model-id,gone']);
  });

  it('sends what is left when it is closed', async () => {
    start();
    telemetry!.counter('loggingSent', { model_id: 'm' }).add(1);
    const last = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    await telemetry!.close();
    await last;
    expect(received).toHaveLength(1);
  });

  it('finds an agent by name, and keeps what gathers until it is found', async () => {
    start({ host: 'localhost' });
    telemetry!.counter('loggingSent', { model_id: 'm' }).add(1);
    expect(await lines(1)).toHaveLength(1);
  });

  it('survives an agent that cannot be found, and counts it', async () => {
    start({ host: 'no-such-host.invalid' });
    telemetry!.counter('loggingSent', { model_id: 'm' }).add(1);
    telemetry!.flush();
    await expect
      .poll(() => telemetry!.prometheusText(), { timeout: 10_000 })
      .toMatch(/telemetry_failure_total\{reason="statsd_address"\} [1-9]/);
  });

  it('has the name of the original for every metric that is not our own, each once but the two kinds of SDK counts', () => {
    const names = metricTable.filter(({ statsd }) => statsd !== null && statsd.client !== 'own').map(({ statsd }) => statsd!.name);
    const repeated = names.filter((name, index) => names.indexOf(name) !== index);
    expect(repeated).toEqual(['external_api_request_count']);
  });
});
