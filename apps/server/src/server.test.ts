import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import https from 'node:https';
import net from 'node:net';
import { fileURLToPath } from 'node:url';
import { type Client, Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import { createConnectTransport, createGrpcTransport } from '@connectrpc/connect-node';
import { Health, HealthCheckResponse_ServingStatus, Inferflow, Predict } from '@inferflow/proto';
import { afterEach, describe, expect, it } from 'vitest';
import { ServerStartError } from './errors.js';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { cyclicModel, sumModel, sumRequest } from './testing/sum-model.js';

const open: StockServer[] = [];
afterEach(async () => {
  for (const stock of open.splice(0)) await stock.close();
});

async function start(...given: Parameters<typeof startStockServer>): Promise<StockServer> {
  const stock = await startStockServer(...given);
  open.push(stock);
  return stock;
}

const grpc = (stock: StockServer, headers?: Readonly<Record<string, string>>) => client(createGrpcTransport(optionsOf(stock, headers)));
const connect = (stock: StockServer, headers?: Readonly<Record<string, string>>) =>
  client(createConnectTransport({ ...optionsOf(stock, headers), httpVersion: '1.1' }));
const client = (transport: Transport): Client<typeof Predict> => createClient(Predict, transport);

function optionsOf(stock: StockServer, headers: Readonly<Record<string, string>> = {}) {
  return {
    baseUrl: `http://127.0.0.1:${stock.port}`,
    interceptors: [
      (next: (request: never) => Promise<never>) => (request: { readonly header: Headers }) => {
        for (const [name, value] of Object.entries(headers)) request.header.set(name, value);
        return next(request as never);
      },
    ] as never[],
  };
}

async function codeOf(call: Promise<unknown>): Promise<Code | 'answered'> {
  try {
    await call;
    return 'answered';
  } catch (error) {
    return ConnectError.from(error).code;
  }
}

const get = async (stock: StockServer, path: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(`http://127.0.0.1:${stock.port}${path}`, { headers });
  return { status: response.status, text: await response.text() };
};
const total = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).readFloatLE(0);

describe.each([
  ['stock', {}],
  ['lean', { INFERFLOW_LEAN_LISTENER: '1' }],
])('authentication, %s listener', (_kind, listener) => {
  const file = `ranker ${createHash('sha256').update('secret').digest('hex')}\n`;
  const good = { 'inferflow-caller-id': 'ranker', 'inferflow-auth-token': 'secret' };

  it('guards the fast path, the other protocols and the admin path alike; health stays open', async () => {
    const stock = await start({ sum: sumModel() }, { ...listener, INFERFLOW_AUTH_FILE: '$DIR/callers' }, { callers: file });
    for (const [headers, expected] of [
      [good, 'answered'],
      [{}, Code.Unauthenticated],
      [{ ...good, 'inferflow-auth-token': 'wrong' }, Code.Unauthenticated],
      [{ ...good, 'inferflow-caller-id': 'other' }, Code.Unauthenticated],
    ] as const) {
      expect(await codeOf(grpc(stock, headers).inferPointWise(sumRequest('sum')))).toBe(expected);
      expect(await codeOf(connect(stock, headers).inferPointWise(sumRequest('sum')))).toBe(expected);
      expect((await get(stock, '/metrics', headers)).status).toBe(expected === 'answered' ? 200 : 401);
    }
    expect((await get(stock, '/health/ready')).status).toBe(200);
    expect(JSON.stringify(stock.lines())).not.toContain('secret');
  });

  it('asks nothing of callers when it is off', async () => {
    const stock = await start({ sum: sumModel() });
    expect(await codeOf(grpc(stock).inferPointWise(sumRequest('sum')))).toBe('answered');
    expect((await get(stock, '/metrics')).status).toBe(200);
  });
});

describe('TLS on the listener', () => {
  const pem = (name: string) => fileURLToPath(new URL(`../../../packages/transport/src/testdata/${name}`, import.meta.url));
  const tls = { INFERFLOW_TLS_CERT: pem('server.pem'), INFERFLOW_TLS_KEY: pem('server.key') };
  const ca = readFileSync(pem('ca.pem'));

  it('tells a client that speaks plaintext to it, in a line of the log too, and not for every try', async () => {
    const stock = await start({ sum: sumModel() }, tls);
    const text = await new Promise<string>((resolve, reject) => {
      const socket = net.connect(stock.port, '127.0.0.1', () => socket.write('GET /health/live HTTP/1.1\r\nhost: x\r\n\r\n'));
      let got = '';
      socket.on('data', (chunk) => (got += chunk)).on('close', () => resolve(got));
      socket.on('error', reject);
    });
    expect(text).toMatch(/^HTTP\/1.1 400[\s\S]*this port speaks TLS, not plaintext: use https/);
    const session = http2.connect(`http://127.0.0.1:${stock.port}`);
    session.on('error', () => {});
    const [code, , debug] = await new Promise<[number, number, Buffer]>((resolve) =>
      session.on('goaway', (...all) => resolve(all as never)),
    );
    expect([code, String(debug)]).toEqual([
      http2.constants.NGHTTP2_INADEQUATE_SECURITY,
      expect.stringContaining('speaks TLS, not plaintext'),
    ]);
    session.destroy();
    expect(await codeOf(grpc(stock).inferPointWise(sumRequest('sum'), { timeoutMs: 2000 }))).not.toBe('answered');
    const lines = () => stock.lines().filter(({ msg }) => String(msg).includes('spoke plaintext to this port'));
    await expect.poll(() => lines().length).toBe(1);
    const metrics = await new Promise<string>((resolve, reject) => {
      https
        .get(`https://localhost:${stock.port}/metrics`, { ca }, (response) => {
          let got = '';
          response.on('data', (chunk) => (got += chunk)).on('end', () => resolve(got));
        })
        .on('error', reject);
    });
    expect(metrics).toMatch(/requests_refused_total\{[^}]*tls-mismatch[^}]*\} [3-9]/);
  });

  it('tells a client that speaks TLS to a plaintext port', async () => {
    const stock = await start({ sum: sumModel() });
    const call = client(createGrpcTransport({ baseUrl: `https://localhost:${stock.port}`, nodeOptions: { ca } })).inferPointWise(
      sumRequest('sum'),
    );
    expect(String(await call.catch((error: unknown) => error))).toContain('wrong version number');
    await expect.poll(() => stock.lines().filter(({ msg }) => String(msg).includes('spoke TLS to this port')).length).toBe(1);
  });

  it('serves gRPC and HTTPS, and no plaintext', async () => {
    const stock = await start({ sum: sumModel() }, tls);
    const baseUrl = `https://localhost:${stock.port}`;
    const answer = await client(createGrpcTransport({ baseUrl, nodeOptions: { ca } })).inferPointWise(sumRequest('sum'));
    expect(total(answer.targetScores[0]?.outputValues[1])).toBe(3);
    const status = await new Promise((resolve, reject) => {
      https.get(`${baseUrl}/health/self`, { ca }, (response) => resolve(response.resume().statusCode)).on('error', reject);
    });
    expect(status).toBe(200);
    expect(await codeOf(grpc(stock).inferPointWise(sumRequest('sum'), { timeoutMs: 2000 }))).not.toBe('answered');
    expect(await codeOf(client(createGrpcTransport({ baseUrl })).inferPointWise(sumRequest('sum')))).not.toBe('answered');
  });

  it('asks for a client certificate when it has an authority for them', async () => {
    const stock = await start({ sum: sumModel() }, { ...tls, INFERFLOW_TLS_CLIENT_CA: pem('ca.pem') });
    const baseUrl = `https://localhost:${stock.port}`;
    const mine = { ca, cert: readFileSync(pem('client.pem')), key: readFileSync(pem('client.key')) };
    const call = (nodeOptions: object) => codeOf(client(createGrpcTransport({ baseUrl, nodeOptions })).inferPointWise(sumRequest('sum')));
    expect(await call(mine)).toBe('answered');
    expect(await call({ ca })).not.toBe('answered');
  });

  it('says which file is missing', async () => {
    await expect(startStockServer({}, { ...tls, INFERFLOW_TLS_KEY: '/no/such.key' })).rejects.toMatchObject({
      code: 'INFERFLOW_SERVER_LISTEN_FAILED',
      problems: [expect.stringContaining('INFERFLOW_TLS_KEY')],
    });
  });
});

describe('limits', () => {
  const limited = {
    INFERFLOW_MAX_TARGETS: '3',
    INFERFLOW_MAX_SLATES: '2',
    INFERFLOW_MAX_FEATURES: '4',
    INFERFLOW_MAX_MESSAGE_BYTES: '4096',
  };
  const rows = (count: number) => Array.from({ length: count }, (_, row) => [`t${row}`, '1', '1'] as const);

  it('refuse what passes them with RESOURCE_EXHAUSTED on every protocol, and nothing else', async () => {
    const stock = await start({ sum: sumModel() }, limited);
    const slates = (count: number) => ({ ...sumRequest('sum'), slates: Array.from({ length: count }, () => ({ targetIndices: [0] })) });
    const columns = (count: number) => ({
      ...sumRequest('sum'),
      contextFeatures: Array.from({ length: count }, (_, at) => ({ name: `c${at}`, value: Uint8Array.of(49) })),
    });
    for (const call of [grpc(stock), connect(stock)]) {
      expect(await codeOf(call.inferPointWise(sumRequest('sum', rows(3))))).toBe('answered');
      expect(await codeOf(call.inferPointWise(sumRequest('sum', rows(4))))).toBe(Code.ResourceExhausted);
      expect(await codeOf(call.inferSlateWise(slates(2)))).toBe('answered');
      expect(await codeOf(call.inferSlateWise(slates(3)))).toBe(Code.ResourceExhausted);
      expect(await codeOf(call.inferPointWise(columns(2)))).toBe('answered');
      expect(await codeOf(call.inferPointWise(columns(9)))).toBe(Code.ResourceExhausted);
      expect(await codeOf(call.inferPointWise(sumRequest('sum', [['x'.repeat(5000), '1', '1']])))).toBe(Code.ResourceExhausted);
      expect(await codeOf(call.inferPointWise(sumRequest('sum')))).toBe('answered');
    }
  });
});

describe('readiness', () => {
  const check = (stock: StockServer, service = '') =>
    createClient(Health, createGrpcTransport({ baseUrl: `http://127.0.0.1:${stock.port}` })).check({ service });

  it('follows the models: not ready without a good one, ready as soon as there is one', async () => {
    const stock = await start({ broken: cyclicModel });
    expect(await get(stock, '/health/self')).toEqual({ status: 200, text: 'true' });
    expect((await get(stock, '/health/live')).status).toBe(200);
    const ready = await get(stock, '/health/ready');
    expect([ready.status, JSON.parse(ready.text)]).toEqual([503, { ready: false, reason: 'every model was refused' }]);
    expect((await check(stock)).status).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
    stock.setModel('sum', sumModel());
    await expect.poll(async () => (await get(stock, '/health/ready')).status, { timeout: 5000 }).toBe(200);
    expect((await check(stock, 'Predict')).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    expect(await codeOf(check(stock, 'Nobody'))).toBe(Code.NotFound);
  });

  it('a model without a good version answers FAILED_PRECONDITION with the reason; one that is gone is unknown', async () => {
    const stock = await start({ broken: cyclicModel, sum: sumModel() });
    const predict = grpc(stock);
    expect(await codeOf(predict.inferPointWise(sumRequest('broken')))).toBe(Code.FailedPrecondition);
    expect(await codeOf(predict.inferPointWise(sumRequest('sum')))).toBe('answered');
    stock.setModel('sum', cyclicModel);
    await expect.poll(() => stock.server.engine.snapshot.models.get('sum')?.state, { timeout: 5000 }).toBe('rejected');
    expect(await codeOf(predict.inferPointWise(sumRequest('sum')))).toBe('answered');
    stock.setModel('sum', undefined);
    await expect.poll(() => codeOf(predict.inferPointWise(sumRequest('sum'))), { timeout: 5000 }).toBe(Code.InvalidArgument);
  });

  it('says NOT_SERVING while it drains', async () => {
    const stock = await startStockServer({ sum: sumModel() }, { INFERFLOW_DRAIN_DELAY_MS: '1200' });
    expect((await check(stock)).status).toBe(HealthCheckResponse_ServingStatus.SERVING);
    const closed = stock.close();
    expect((await check(stock)).status).toBe(HealthCheckResponse_ServingStatus.NOT_SERVING);
    expect((await get(stock, '/health/ready')).status).toBe(503);
    expect(await codeOf(grpc(stock).inferPointWise(sumRequest('sum')))).toBe('answered');
    await closed;
  });
});

describe('what is not served', () => {
  it('is UNIMPLEMENTED for gRPC and 404 for everybody else', async () => {
    const stock = await start({ sum: sumModel() });
    expect((await get(stock, '/nothing')).status).toBe(404);
    const session = http2.connect(`http://127.0.0.1:${stock.port}`);
    const statusOf = (path: string, type: string) =>
      new Promise<string>((resolve, reject) => {
        const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': type, te: 'trailers' });
        stream.on('response', (headers) => resolve(String(headers['grpc-status'] ?? headers[':status'])));
        stream.on('error', reject);
        stream.resume().end();
      });
    expect(await statusOf('/Predict/Nothing', 'application/grpc')).toBe('12');
    expect(await statusOf('/nobody.Service/Method', 'application/grpc+proto')).toBe('12');
    expect(await statusOf('/Predict/Nothing', 'application/json')).toBe('404');
    session.close();
  });
});

describe('the log', () => {
  it('is JSON with levels; a failed request has its id in it, and no value of a request is', async () => {
    const model = sumModel({
      component_config: {
        error_logging_percent: 100,
        numerix_components: [
          {
            component: 'sum',
            component_id: 'item',
            score_col: 'total',
            data_type: 'DataTypeFP32',
            expression: 'a b /',
            score_mapping: { 'a@DataTypeFP32': 'a', 'b@DataTypeFP32': 'b' },
          },
        ],
      },
      dag_execution_config: { component_dependency: { sum: ['feature_initializer'] } },
      response_config: { features: ['item', 'total'] },
    });
    const stock = await start({ sum: model });
    const predict = grpc(stock, { 'x-request-id': 'req-41', 'user-id': 'person-99' });
    await predict.inferPointWise({ ...sumRequest('sum', [['person-17', '123456', '0']]), trackingId: 'track-5' });
    const line = stock.lines().find(({ requestId }) => requestId === 'req-41');
    expect(line).toMatchObject({ level: 'warn', modelConfigId: 'sum', method: 'InferPointWise', component: 'sum', service: 'test' });
    expect(typeof line?.['time']).toBe('string');
    expect(JSON.stringify(stock.lines())).not.toMatch(/person-|123456/);
  });
});

describe('starting', () => {
  const problemsOf = async (environment: Readonly<Record<string, string>>): Promise<readonly string[]> => {
    try {
      await (await startStockServer({ sum: sumModel() }, environment)).close();
    } catch (error) {
      if (error instanceof ServerStartError) return error.problems;
      throw error;
    }
    return [];
  };

  it('is refused when both names of a setting are set and differ, or two sources of configuration are', async () => {
    const problems = await problemsOf({
      EXTERNAL_SERVICE_ONFS_FS_HOST: 'a:1',
      externalServiceOnFs_host: 'b:1',
      ETCD_SERVER: 'http://etcd:2379',
      APP_PORT: 'many',
    });
    expect(problems).toHaveLength(3);
    expect(problems.join('\n')).toMatch(/externalServiceOnFs_host[\s\S]*APP_PORT|APP_PORT[\s\S]*externalServiceOnFs_host/);
  });

  it('is refused when a host says local and nothing is embedded for it', async () => {
    expect(await problemsOf({ EXTERNAL_SERVICE_ONFS_FS_HOST: 'local' })).toEqual([expect.stringContaining('local')]);
  });

  it('refuses only the model whose service is not configured', async () => {
    const fetching = {
      dag_execution_config: { component_dependency: { f: ['feature_initializer'] } },
      component_config: {
        feature_components: [
          {
            component: 'f',
            component_id: 'item',
            fs_keys: [{ schema: 'item', col: 'item' }],
            fs_request: { label: 'item', featureGroups: [{ label: 'g', data_type: 'DataTypeFP32', features: ['x'] }] },
            fs_flatten_resp_keys: ['item'],
          },
        ],
      },
      response_config: { features: ['item', 'item:g:x'] },
    };
    const stock = await start({ fetching, sum: sumModel() });
    expect(stock.server.engine.snapshot.models.get('fetching')?.state).toBe('rejected');
    const error = await grpc(stock)
      .inferPointWise(sumRequest('fetching'))
      .catch((reason: unknown) => ConnectError.from(reason));
    expect(error).toMatchObject({ code: Code.FailedPrecondition });
    expect(await codeOf(grpc(stock).inferPointWise(sumRequest('sum')))).toBe('answered');
  });

  it('says on which port it cannot listen', async () => {
    const stock = await start({ sum: sumModel() });
    expect(await problemsOf({ APP_PORT: String(stock.port) })).toEqual([expect.stringMatching(/APP_PORT=\d+: .*EADDRINUSE/)]);
  });
});

describe('RetrieveModelScore over the fast path and as JSON', () => {
  it('gives the same rows', async () => {
    const stock = await start({ sum: sumModel() });
    const request = {
      modelConfigId: 'sum',
      entities: [
        {
          entity: 'item',
          ids: ['x', 'y'],
          features: [
            { name: 'a', idsFeatureValue: ['1', '2'] },
            { name: 'b', idsFeatureValue: ['3', '4'] },
          ],
        },
      ],
    };
    const fast = await createClient(Inferflow, createGrpcTransport(optionsOf(stock))).retrieveModelScore(request);
    const json = await createClient(
      Inferflow,
      createConnectTransport({ ...optionsOf(stock), httpVersion: '1.1', useBinaryFormat: false }),
    ).retrieveModelScore(request);
    const rows = [
      ['item', 'total', 'together'],
      ['x', '4', ''],
      ['y', '6', ''],
    ];
    expect(fast.componentData.map(({ data }) => data)).toEqual(rows);
    expect(json.componentData.map(({ data }) => data)).toEqual(rows);
  });
});
