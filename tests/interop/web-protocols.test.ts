import { request as httpRequest } from 'node:http';
import { gzipSync } from 'node:zlib';
import { toBinary, toJson } from '@bufbuild/protobuf';
import { createClient, type Transport } from '@connectrpc/connect';
import * as node from '@connectrpc/connect-node';
import * as web from '@connectrpc/connect-web';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Inferflow, PointWiseRequestSchema, Predict } from '../../packages/proto/src/index.js';
import { RawGrpc } from './raw-grpc.js';
import { pairRequest, rightTotals, slateRequest, sumRequest, totalsOf, typedRequest } from './requests.js';
import { type ServerUnderTest, startServerUnderTest } from './server-under-test.js';

const origin = 'https://shop.example';
let server: ServerUnderTest;
let lean: ServerUnderTest;
beforeAll(async () => {
  server = await startServerUnderTest({ INFERFLOW_CORS_ORIGINS: `${origin},https://other.example` });
  lean = await startServerUnderTest({ INFERFLOW_LEAN_LISTENER: '1' });
});
afterAll(async () => {
  await server.close();
  await lean.close();
});

const gzip = { sendCompression: node.compressionGzip, compressMinBytes: 0 };
const transports: Record<string, () => Transport> = {
  'connect-web, Connect binary': () => web.createConnectTransport({ baseUrl: server.url, useBinaryFormat: true }),
  'connect-web, Connect JSON': () => web.createConnectTransport({ baseUrl: server.url, useBinaryFormat: false }),
  'connect-web, gRPC-Web': () => web.createGrpcWebTransport({ baseUrl: server.url }),
  'HTTP/1.1, Connect binary': () => node.createConnectTransport({ baseUrl: server.url, httpVersion: '1.1', useBinaryFormat: true }),
  'HTTP/2, Connect binary': () => node.createConnectTransport({ baseUrl: server.url, httpVersion: '2', useBinaryFormat: true }),
  'HTTP/2, Connect JSON': () => node.createConnectTransport({ baseUrl: server.url, httpVersion: '2', useBinaryFormat: false }),
  'HTTP/1.1, gRPC-Web': () => node.createGrpcWebTransport({ baseUrl: server.url, httpVersion: '1.1' }),
  'HTTP/2, gRPC-Web': () => node.createGrpcWebTransport({ baseUrl: server.url, httpVersion: '2' }),
  'HTTP/2, gRPC': () => node.createGrpcTransport({ baseUrl: server.url }),
  'HTTP/2, gRPC, compressed': () => node.createGrpcTransport({ baseUrl: server.url, ...gzip }),
  'lean listener, HTTP/2, gRPC': () => node.createGrpcTransport({ baseUrl: lean.url }),
  'lean listener, HTTP/2, gRPC, compressed': () => node.createGrpcTransport({ baseUrl: lean.url, ...gzip }),
  'lean listener, HTTP/1.1, Connect JSON': () =>
    node.createConnectTransport({ baseUrl: lean.url, httpVersion: '1.1', useBinaryFormat: false }),
  'lean listener, HTTP/1.1, gRPC-Web': () => node.createGrpcWebTransport({ baseUrl: lean.url, httpVersion: '1.1' }),
  'HTTP/1.1, Connect binary, compressed': () => node.createConnectTransport({ baseUrl: server.url, httpVersion: '1.1', ...gzip }),
  'HTTP/2, Connect JSON, compressed': () =>
    node.createConnectTransport({ baseUrl: server.url, httpVersion: '2', useBinaryFormat: false, ...gzip }),
  'HTTP/1.1, gRPC-Web, compressed': () => node.createGrpcWebTransport({ baseUrl: server.url, httpVersion: '1.1', ...gzip }),
};

describe.each(Object.entries(transports))('%s', (_, transport) => {
  it('serves all four methods', async () => {
    const predict = createClient(Predict, transport());
    expect(totalsOf(await predict.inferPointWise(sumRequest()))).toEqual(rightTotals);
    expect(totalsOf(await predict.inferPointWise(typedRequest()))).toEqual(rightTotals);
    expect((await predict.inferPairWise(pairRequest())).pairScores).toHaveLength(1);
    expect((await predict.inferSlateWise(slateRequest())).slateScores).toHaveLength(1);
    const { componentData } = await createClient(Inferflow, transport()).retrieveModelScore({
      modelConfigId: 'sum',
      entities: [{ entity: 'item_id', ids: ['one'], features: [] }],
    });
    expect(componentData.map(({ data }) => data[0])).toEqual(['item_id', 'one']);
  });
});

describe('compressed gRPC', () => {
  it.each(['stock', 'lean'])('of grpc-js is read by the %s listener', async (kind) => {
    const client = new RawGrpc(kind === 'lean' ? lean.port : server.port, { 'grpc.default_compression_algorithm': 2 });
    const large = sumRequest({ trackingId: 'a'.repeat(20_000) });
    const answer = await client.unary('/Predict/InferPointWise', toBinary(PointWiseRequestSchema, large));
    client.close();
    expect(answer).toMatchObject({ code: 0, message: '' });
  });
});

describe('a deadline that passes', () => {
  it('is DEADLINE_EXCEEDED or an answer over Connect, never a cancelled call', async () => {
    const codes = new Set<string>();
    for (const timeout of ['0', '0', '1', '1', '1', '1', '1', '1', '2', '2', '2', '2']) {
      const response = await fetch(`${server.url}/Predict/InferPointWise`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'connect-timeout-ms': timeout },
        body: JSON.stringify(toJson(PointWiseRequestSchema, sumRequest())),
      });
      codes.add(((await response.json()) as { code?: string }).code ?? 'answered');
    }
    expect([...codes].filter((code) => code !== 'deadline_exceeded' && code !== 'answered')).toEqual([]);
    expect(codes).toContain('deadline_exceeded');
  });
});

describe('a browser of another origin', () => {
  const preflight = (from: string, path = '/Predict/InferPointWise') =>
    fetchHead('OPTIONS', path, {
      origin: from,
      'access-control-request-method': 'POST',
      'access-control-request-headers':
        'content-type,connect-protocol-version,connect-timeout-ms,x-grpc-web,grpc-timeout,x-user-agent,x-request-id,parent_catalog_id',
    });

  it('is allowed to ask when its origin is listed, with every header that the protocols use', async () => {
    const { status, headers } = await preflight(origin);
    expect(status).toBeLessThan(300);
    expect(headers['access-control-allow-origin']).toBe(origin);
    expect(headers['access-control-allow-methods']).toMatch(/POST/);
    const allowed = String(headers['access-control-allow-headers']).toLowerCase();
    for (const name of [
      'content-type',
      'connect-protocol-version',
      'connect-timeout-ms',
      'x-grpc-web',
      'grpc-timeout',
      'x-user-agent',
      'x-request-id',
      'parent_catalog_id',
    ])
      expect(allowed).toContain(name);
  });

  it('is not allowed when its origin is not', async () => {
    const { headers } = await preflight('https://evil.example');
    expect(headers['access-control-allow-origin']).toBeUndefined();
  });

  it('may read answers and errors: the origin is echoed, status headers are exposed', async () => {
    const body = JSON.stringify(toJson(PointWiseRequestSchema, sumRequest()));
    const { status, headers } = await fetchHead('POST', '/Predict/InferPointWise', { origin, 'content-type': 'application/json' }, body);
    expect(status).toBe(200);
    expect(headers['access-control-allow-origin']).toBe(origin);
    expect(headers['vary']).toMatch(/origin/i);
    expect(String(headers['access-control-expose-headers']).toLowerCase()).toContain('grpc-status');
    const bad = await fetchHead(
      'POST',
      '/Predict/InferPointWise',
      { origin, 'content-type': 'application/json' },
      '{"modelConfigId":"nobody"}',
    );
    expect(bad.status).toBe(400);
    expect(bad.headers['access-control-allow-origin']).toBe(origin);
  });

  it('is any origin where the setting is *', async () => {
    const open = await startServerUnderTest({ INFERFLOW_CORS_ORIGINS: '*' });
    try {
      const { headers } = await fetch(`${open.url}/health/self`, { headers: { origin: 'https://anybody.example' } });
      expect(headers.get('access-control-allow-origin')).toBe('*');
    } finally {
      await open.close();
    }
  });

  it('of no origin at all gets no CORS header', async () => {
    expect((await fetchHead('GET', '/health/self', {})).headers['access-control-allow-origin']).toBeUndefined();
  });
});

describe('plain HTTP', () => {
  it('takes a gzip body under Connect JSON and answers uncompressed', async () => {
    const body = gzipSync(JSON.stringify(toJson(PointWiseRequestSchema, sumRequest())));
    const headers = { 'content-type': 'application/json', 'content-encoding': 'gzip', 'connect-protocol-version': '1' };
    const answer = await fetchHead('POST', '/Predict/InferPointWise', headers, body);
    expect(answer.status).toBe(200);
    expect(JSON.parse(answer.body).targetScores).toHaveLength(2);
  });

  it('serves health, metrics and 404', async () => {
    expect(await fetchHead('GET', '/health/self', {})).toMatchObject({ status: 200, body: 'true' });
    expect((await fetchHead('GET', '/health/live', {})).status).toBe(200);
    expect((await fetchHead('GET', '/health/ready', {})).status).toBe(200);
    // The scrape itself is no request.
    expect((await fetchHead('GET', '/metrics', {})).body).toContain('\ninferflow_requests_in_flight 0\n');
    expect((await fetchHead('GET', '/nothing/here', {})).status).toBe(404);
  });
});

interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** HTTP/1.1 with headers that `fetch` would not send. */
function fetchHead(method: string, path: string, headers: Readonly<Record<string, string>>, body?: string | Buffer): Promise<HttpAnswer> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port: server.port, method, path, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks).toString() }),
      );
    });
    request.on('error', reject);
    request.end(body);
  });
}
