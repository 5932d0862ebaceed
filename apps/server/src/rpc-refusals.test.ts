import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { create, fromJsonString, type JsonValue, toBinary, toJson } from '@bufbuild/protobuf';
import { Code, ConnectError, createClient } from '@connectrpc/connect';
import { compressionGzip, createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { PointWiseRequestSchema, Predict } from '@inferflow/proto';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { jsonProblems } from './json-problems.js';
import { type StockServer, startStockServer } from './testing/stock-server.js';
import { sumModel, sumRequest } from './testing/sum-model.js';

let stock: StockServer;
beforeAll(async () => {
  stock = await startStockServer({ sum: sumModel() });
});
afterAll(() => stock.close());

const path = '/Predict/InferPointWise';
const good = () => toJson(PointWiseRequestSchema, create(PointWiseRequestSchema, sumRequest('sum'))) as Record<string, JsonValue>;

async function send(init: RequestInit, at = path) {
  const response = await fetch(`http://127.0.0.1:${stock.port}${at}`, init);
  const text = await response.text();
  const json = text.startsWith('{') ? JSON.parse(text) : null;
  const violations = (json?.details ?? []).flatMap((detail: { debug?: { fieldViolations?: { field: string; description: string }[] } }) =>
    (detail.debug?.fieldViolations ?? []).map(({ field, description }) => `${field}: ${description}`),
  );
  return { status: response.status, headers: response.headers, text, json, violations };
}
const json = (body: unknown, headers: Record<string, string> = {}) =>
  send({
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: typeof body === 'string' || body instanceof Uint8Array ? (body as string) : JSON.stringify(body),
  });

/** Sends bytes as they are; what came until the connection closed. */
function raw(bytes: string | Buffer): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(stock.port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.setTimeout(3000, () => socket.destroy(new Error('no answer')));
    socket.on('data', (chunk) => (text += chunk)).on('close', () => resolve(text));
    socket.on('error', reject);
  });
}

describe('what the RPC library refuses by itself', () => {
  it('says which content types are taken', async () => {
    for (const headers of [{}, { 'content-type': 'application/x-www-form-urlencoded' }] as Record<string, string>[]) {
      const { status, headers: got, json: body } = await send({ method: 'POST', headers, body: '{}' });
      expect(status).toBe(415);
      expect(got.get('accept-post')).toContain('application/json');
      expect(body.message).toContain("-H 'content-type: application/json'");
    }
  });

  it('says that procedures are posted', async () => {
    const { status, headers, json: body } = await send({});
    expect([status, headers.get('allow')]).toEqual([405, 'POST']);
    expect(body.message).toContain('POST');
  });

  it('refuses JSON members that the message does not have, all of them, with what was meant', async () => {
    const {
      status,
      json: body,
      violations,
    } = await json({
      ...good(),
      targetInput: [],
      targets: [{ id: 'x', featureValue: [] }, { id: 3 }],
      contextFeatures: [{ name: 'a', dataType: 'DataTypeFp32' }],
    });
    expect([status, body.code]).toEqual([400, 'invalid_argument']);
    expect(body.details[0].debug.reason).toBe('INFERFLOW_ENGINE_MALFORMED_REQUEST');
    for (const expected of [
      'context_features[0].data_type: is not a name of DataType; did you mean "DataTypeFP32"?',
      'targets[0].featureValue: Target has no field "featureValue"; did you mean "featureValues"?',
      'targets[1].id: expected a string, got a number',
    ])
      expect(violations).toContain(expected);
    expect(violations).toContainEqual(
      expect.stringMatching(/^targetInput: PointWiseRequest has no field "targetInput"; .*targetInputSchema/),
    );
    expect(violations).toHaveLength(4);
  });

  it('explains compressed JSON too, and never repeats values', async () => {
    const { json: body } = await json(gzipSync(JSON.stringify({ ...good(), targets: 'secret-id' })), { 'content-encoding': 'gzip' });
    expect(body.message).toBe('targets: expected a list, got a string');
    const { text } = await json('{"modelConfigId": "sum", "tenantId": secret-id}');
    expect(text).toContain('the request is not JSON');
    expect(text).not.toContain('secret-id');
    expect((await json('')).json.message).toBe('the request has no body');
  });

  it('takes JSON names and names of the schema, and answers', async () => {
    const { modelConfigId, ...rest } = good();
    expect((await json({ model_config_id: modelConfigId!, ...rest, tenantId: null })).status).toBe(200);
  });

  it('calls bytes that are no message the caller’s mistake, over every protocol', async () => {
    const before = (await send({}, '/metrics')).text.match(/requests_refused_total\{[^}]*malformed[^}]*\} (\d+)/)?.[1] ?? '0';
    const garbage = Buffer.from([0x0a, 0xff, 0xff]);
    const binary = await send({ method: 'POST', headers: { 'content-type': 'application/proto' }, body: garbage });
    expect([binary.status, binary.json.code]).toEqual([400, 'invalid_argument']);
    const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, 3]), garbage]);
    const web = await send({ method: 'POST', headers: { 'content-type': 'application/grpc-web+proto' }, body: frame });
    expect(web.text).toMatch(/grpc-status: 3\r\n/);
    const packed = gzipSync(garbage);
    const head = `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nte: trailers\r\ncontent-type: application/grpc\r\ngrpc-encoding: gzip`;
    const grpc = await raw(
      Buffer.concat([
        Buffer.from(`${head}\r\ncontent-length: ${packed.length + 5}\r\n\r\n`),
        Buffer.from([1, 0, 0, 0, packed.length]),
        packed,
      ]),
    );
    expect(grpc).toMatch(/grpc-status: 3\r\n/i);
    const after = (await send({}, '/metrics')).text.match(/requests_refused_total\{[^}]*malformed[^}]*\} (\d+)/)?.[1];
    expect(Number(after)).toBeGreaterThanOrEqual(Number(before) + 3);
  });

  it('takes fields that it does not know in binary requests: newer clients are welcome', async () => {
    const body = Buffer.concat([
      toBinary(PointWiseRequestSchema, create(PointWiseRequestSchema, sumRequest('sum'))),
      Buffer.from([0xc2, 0x3e, 1, 0]),
    ]);
    const { status } = await send({ method: 'POST', headers: { 'content-type': 'application/proto' }, body });
    expect(status).toBe(200);
  });

  it('leaves good requests and the engine’s own refusals as they are', async () => {
    const baseUrl = `http://127.0.0.1:${stock.port}`;
    const transports = [
      createConnectTransport({
        baseUrl,
        httpVersion: '1.1',
        useBinaryFormat: false,
        sendCompression: compressionGzip,
        compressMinBytes: 1,
      }),
      createConnectTransport({ baseUrl, httpVersion: '2', useBinaryFormat: true }),
      createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
      createGrpcTransport({ baseUrl, sendCompression: compressionGzip, compressMinBytes: 1 }),
      createGrpcTransport({ baseUrl, useBinaryFormat: false }),
    ];
    for (const transport of transports) {
      const client = createClient(Predict, transport);
      expect((await client.inferPointWise(sumRequest('sum'))).targetScores).toHaveLength(1);
      const error = ConnectError.from(await client.inferPointWise(sumRequest('nobody')).catch((thrown: unknown) => thrown));
      expect([error.code, error.details.length]).toEqual([Code.InvalidArgument, 2]);
    }
  });
});

describe('plain HTTP', () => {
  it('says at / what is where', async () => {
    const { status, json: body } = await send({}, '/');
    expect(status).toBe(200);
    expect(body).toMatchObject({ name: 'inferflow', health: expect.arrayContaining(['/health/ready']), metrics: '/metrics' });
    expect(body.version).toMatch(/^\d+\.\d+/);
    expect(body.rpc.post).toContain(path);
    expect((await send({}, '/nowhere')).text).toContain('GET /');
  });

  it('answers requests without a host or with none that could be one', async () => {
    const body = JSON.stringify(good());
    const rest = `content-type: application/json\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`;
    expect(await raw(`POST ${path} HTTP/1.0\r\n${rest}`)).toMatch(/^HTTP\/1.1 200/);
    expect(await raw(`POST ${path} HTTP/1.1\r\nhost: a b%%zz\r\n${rest}`)).toMatch(/^HTTP\/1.1 400[\s\S]*Host header/);
    expect(stock.lines().filter(({ level }) => level === 'error')).toEqual([]);
  });
});

describe('bodies that are too large', () => {
  it('are refused so that a caller who sends them whole and asks for no further request gets to know', async () => {
    const length = 5 * 1024 * 1024;
    const answer = await new Promise<string>((resolve, reject) => {
      const socket = net.connect(stock.port, '127.0.0.1');
      const timer = setTimeout(() => socket.destroy(new Error('no answer')), 5000);
      let text = '';
      socket.on('error', reject).pause();
      socket.write(
        `POST ${path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n\r\n`,
      );
      // Nothing is read before everything has been sent, as simple clients do.
      socket.write(Buffer.alloc(length, 32), () => {
        socket.on('data', (chunk) => {
          text += chunk;
          if (!text.includes('}')) return;
          clearTimeout(timer);
          socket.destroy();
          resolve(text);
        });
        socket.resume();
      });
    });
    expect(answer).toMatch(/^HTTP\/1\.1 429[\s\S]*resource_exhausted/);
  });
});

describe('bodies that are damaged', () => {
  const whole = gzipSync(JSON.stringify(good()));
  it.each(['application/json', 'application/proto'])('%s: never INTERNAL, always with the reason', async (type) => {
    for (const body of [whole.subarray(0, -10), Buffer.from('no gzip'), whole.subarray(0, 12)]) {
      const { status, json: said } = await json(body, { 'content-type': type, 'content-encoding': 'gzip' });
      expect([status, said.code]).toEqual([400, 'invalid_argument']);
      expect(JSON.stringify(said.details)).toContain('INFERFLOW_ENGINE_MALFORMED_REQUEST');
      expect(said.message).toContain('cannot be decompressed');
    }
  });

  it.each(['h1', 'h2'] as const)('gRPC: never INTERNAL (%s)', async (protocol) => {
    const damaged = { ...compressionGzip, compress: async (bytes: Uint8Array) => gzipSync(bytes).subarray(0, -10) };
    for (const createTransport of [createGrpcTransport, createGrpcWebTransport]) {
      const transport = createTransport({
        baseUrl: `http://127.0.0.1:${stock.port}`,
        httpVersion: protocol === 'h1' ? '1.1' : '2',
        sendCompression: damaged,
        compressMinBytes: 0,
      });
      await expect(createClient(Predict, transport).inferPointWise(sumRequest('sum'))).rejects.toMatchObject({
        code: Code.InvalidArgument,
      });
    }
  });

  it('names a member that is there twice', async () => {
    const { status, json: said } = await json('{"modelConfigId":"a","modelConfigId":"b"}');
    expect([status, said.message]).toEqual([400, 'duplicate object key "modelConfigId"']);
    expect(JSON.stringify(said.details)).toContain('INFERFLOW_ENGINE_MALFORMED_REQUEST');
  });
});

describe('jsonProblems', () => {
  it('finds something exactly where the schema’s own parser refuses', () => {
    const value = fc.oneof(
      fc.constantFrom<JsonValue>(
        'x',
        'DataTypeFP32',
        'QUJD',
        1,
        1.5,
        true,
        null,
        [],
        {},
        ['a'],
        [{ id: 'a' }],
        [{ id: 1 }],
        [{ name: 'a', dataType: 'Nope' }],
      ),
      fc.constantFrom<JsonValue>(
        [{ featureValues: ['QUJD', '%'] }],
        [{ name: 'a', vectorDim: 'x' }],
        [{ name: 'a', vectorDim: '7' }],
        [{ name: 'a', vectorDim: 2 ** 31 }],
        [{ name: 'a', dataType: 2 ** 40 }],
        '\ud800',
        [{ x: 1 }],
        [null],
      ),
    );
    const names = [
      'modelConfigId',
      'trackingId',
      'targets',
      'target_input_schema',
      'targetInputSchema',
      'contextFeatures',
      'options',
      'nope',
    ];
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom(...names), value, { maxKeys: 4 }), (message) => {
        let isRefused = false;
        try {
          fromJsonString(PointWiseRequestSchema, JSON.stringify(message), { ignoreUnknownFields: false });
        } catch (error) {
          // A field under both of its names is the parser's own business.
          fc.pre(!/set multiple times|multiple/.test(String(error)));
          isRefused = true;
        }
        expect(jsonProblems(PointWiseRequestSchema, message).length > 0, JSON.stringify(message)).toBe(isRefused);
      }),
      { numRuns: 500 },
    );
  });
});
