import http2 from 'node:http2';
import { gzipSync } from 'node:zlib';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  connectNodeAdapter,
  createGrpcTransport,
  createGrpcWebTransport,
  createConnectTransport as createHttpTransport,
} from '@connectrpc/connect-node';
import { Client, compressionAlgorithms, credentials, Metadata } from '@grpc/grpc-js';
import { type DataType, Health, HealthCheckRequestSchema, HealthCheckResponse_ServingStatus, Predict } from '@inferflow/proto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createOnePort } from '../server/one-port.js';
import type { OnePort } from '../server/one-port-options.js';
import { frame } from '../testing/fault-server.js';
import { sleep } from '../testing/probe-call.js';
import { thrownBy } from '../testing/thrown-by.js';
import { createConnectTransport } from './connect-transport.js';
import { createLocalUpstream } from './local-upstream.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';

const { SERVING } = HealthCheckResponse_ServingStatus;
const seen: (string | null)[] = [];
const agents: (string | null)[] = [];
let server: OnePort;
let port: number;
let upstream: GrpcUpstream;

beforeAll(async () => {
  const listener = connectNodeAdapter({
    routes: (router) =>
      router.service(Health, {
        async check(request, context) {
          seen.push(context.requestHeader.get('x-caller'));
          agents.push(context.requestHeader.get('user-agent'));
          context.responseHeader.set('x-before', 'head');
          context.responseTrailer.set('x-after', 'tail');
          if (request.service === 'detailed')
            throw new ConnectError('look closer', Code.FailedPrecondition, { 'x-why': 'because' }, [
              { desc: HealthCheckRequestSchema, value: { service: 'detail' } },
            ]);
          if (request.service === 'none') throw new ConnectError('no such service', Code.NotFound);
          if (request.service === 'slow') await sleep(500);
          return { status: SERVING };
        },
        async *watch(_request, context) {
          seen.push(context.requestHeader.get('x-caller'));
          yield { status: SERVING };
        },
      }),
  });
  server = createOnePort({
    hot: [{ path: '/test.Echo/Echo', maxMessageBytes: 1000, handle: (call) => call.fail({ code: 9, message: 'hot' }) }],
    listener,
    maxInFlight: 100,
  });
  port = (await server.listen(0, '127.0.0.1')).port;
  upstream = createUpstream({ name: 'health', host: '127.0.0.1', port });
});

afterAll(async () => {
  await upstream.close(0);
  await server.drain(1000);
});

describe('createConnectTransport', () => {
  it('serves a generated client: headers, errors, deadline, signal', async () => {
    const transport = createConnectTransport(upstream, { authority: 'health', metadata: [['x-caller', 'me']] });
    const client = createClient(Health, transport);
    expect((await client.check({})).status).toBe(SERVING);
    expect(seen.at(-1)).toBe('me');
    await client.check({}, { headers: { 'x-caller': 'you' } });
    expect(seen.at(-1)).toMatch(/^me, ?you$/);
    await client.check({}, { headers: { 'user-agent': 'shop/1.2' } });
    expect(agents.slice(-2)).toEqual([null, 'shop/1.2']);
    await expect(client.check({ service: 'none' })).rejects.toMatchObject({ code: Code.NotFound, rawMessage: 'no such service' });
    await expect(client.check({ service: 'slow' }, { timeoutMs: 30 })).rejects.toMatchObject({ code: Code.DeadlineExceeded });
    const abort = new AbortController();
    const aborted = client.check({ service: 'slow' }, { signal: abort.signal });
    setTimeout(() => abort.abort(), 20);
    await expect(aborted).rejects.toMatchObject({ code: Code.Canceled });
    await expect(client.check({}, { signal: abort.signal })).rejects.toMatchObject({ code: Code.Canceled });
    expect(upstream.inFlight).toBe(0);
  });

  it.each(['lean', 'node'] as const)('hands out headers, trailers and error details over %s connections', async (protocol) => {
    const own = createUpstream({ name: 'health', protocol, host: '127.0.0.1', port });
    const client = createClient(Health, createConnectTransport(own, { authority: 'health' }));
    let head: string | null = null;
    let tail: string | null = null;
    await client.check(
      {},
      {
        onHeader: (headers) => {
          head = headers.get('x-before');
        },
        onTrailer: (trailers) => {
          tail = trailers.get('x-after');
        },
      },
    );
    expect([head, tail]).toEqual(['head', 'tail']);
    const error = await client.check({ service: 'detailed' }).catch((thrown: unknown) => thrown);
    if (!(error instanceof ConnectError)) throw new Error('expected a ConnectError');
    expect(error).toMatchObject({ code: Code.FailedPrecondition, rawMessage: 'look closer' });
    expect(error.metadata.get('x-why')).toBe('because');
    expect(error.findDetails(HealthCheckRequestSchema).map(({ service }) => service)).toEqual(['detail']);
    await own.close(0);
  });

  it.each([Number.NaN, '5' as never])('refuses a timeout that is no number: %j', async (timeoutMs) => {
    const client = createClient(Health, createConnectTransport(upstream, { authority: 'health' }));
    const before = seen.length;
    const read = async () => {
      for await (const _ of client.watch({}, { timeoutMs })) throw new Error('not reached');
    };
    const refusal = { code: Code.InvalidArgument, rawMessage: `timeoutMs is ${timeoutMs}, expected a number of milliseconds` };
    await expect(client.check({}, { timeoutMs })).rejects.toMatchObject(refusal);
    await expect(read()).rejects.toMatchObject(refusal);
    expect(seen.length).toBe(before);
  });

  it('hands streaming methods to connect-node, or to the transport it is given for them', async () => {
    const own = createUpstream({ name: 'health', host: '127.0.0.1', port });
    const read = async (transport: Transport) => {
      const answers: number[] = [];
      for await (const { status } of createClient(Health, transport).watch({})) answers.push(status);
      return answers;
    };
    const transport = createConnectTransport(own, { authority: 'health', metadata: [['x-caller', 'a stream']] });
    expect(await read(transport)).toEqual([SERVING]);
    expect(seen.at(-1)).toBe('a stream');
    let asked = 0;
    const grpc = createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` });
    const streams: Transport = {
      unary: grpc.unary.bind(grpc),
      stream: (...args) => {
        asked++;
        return grpc.stream(...args);
      },
    };
    expect(await read(createConnectTransport(own, { authority: 'health', streams }))).toEqual([SERVING]);
    expect(asked).toBe(1);
    await own.close(0);
    await expect(read(transport)).rejects.toMatchObject({ code: Code.Unavailable });
  });

  it('refuses streams clearly where nothing carries them', async () => {
    const local = createLocalUpstream('health', () => new Uint8Array(0));
    const client = createClient(Health, createConnectTransport(local, { authority: 'health' }));
    const read = async () => {
      for await (const _ of client.watch({})) throw new Error('not reached');
    };
    await expect(read()).rejects.toMatchObject({ code: Code.Unimplemented });
    await local.close(0);
  });
});

describe('createConnectTransport: messages', () => {
  it('fails as Internal where an answer cannot be read or a request cannot be written', async () => {
    const local = createLocalUpstream('health', () => Uint8Array.of(8));
    const transport = createConnectTransport(local, { authority: 'health' });
    const unread = await createClient(Health, transport)
      .check({})
      .catch((thrown: unknown) => thrown);
    expect(unread).toBeInstanceOf(ConnectError);
    expect(unread).toMatchObject({ code: Code.Internal, rawMessage: expect.stringMatching(/^parse binary: /), cause: expect.any(Error) });
    for (const dataType of [1.5, 'text'] as unknown[] as DataType[]) {
      const contextFeatures = [{ name: 'a', value: new Uint8Array(1), dataType }];
      const unwritten = await createClient(Predict, transport)
        .inferPointWise({ contextFeatures })
        .catch((thrown: unknown) => thrown);
      expect(unwritten).toBeInstanceOf(ConnectError);
      expect(unwritten).toMatchObject({ code: Code.Internal, rawMessage: expect.stringMatching(/^serialize binary: /) });
    }
    expect(local.inFlight).toBe(0);
    await local.close(0);
  });
});

describe('createConnectTransport: options', () => {
  const untyped = createConnectTransport as unknown as (upstream?: unknown, options?: unknown) => Transport;
  const authority = 'health';

  it.each([
    [undefined, 'options is undefined, expected an object with authority'],
    ['health', 'options is "health", expected an object with authority'],
    [{}, 'authority is undefined, expected host or host:port, as the service sees it'],
    [{ authority: '' }, 'authority is "", expected host or host:port, as the service sees it'],
    [{ authority: 'two words' }, 'authority is "two words", expected host or host:port, as the service sees it'],
    [{ authority, metadata: { 'x-caller': 'me' } }, 'metadata is an object, expected a list of [name, value], both texts'],
    [{ authority, metadata: [['x-caller']] }, 'metadata[0] is a list, expected [name, value], both texts'],
    [
      { authority, metadata: [['x-caller', 'me'], ['grpc-x', '1'], ['x-name', 'é'], 5] },
      'metadata name "grpc-x" cannot be sent: names are lower-case letters, digits, "-", "_" and ".", and not reserved by HTTP/2 or gRPC; ' +
        'value of metadata "x-name" is not printable ASCII; use a name that ends in -bin, with base64; ' +
        'metadata[3] is 5, expected [name, value], both texts',
    ],
    [{ authority, defaultTimeoutMs: Number.NaN }, 'defaultTimeoutMs is NaN, expected a number, at least 0'],
    [{ authority, maxAnswerBytes: '1' }, 'maxAnswerBytes is "1", expected a number, at least 0'],
    [{ authority, streams: {} }, 'streams is an object, expected a Connect transport'],
  ])('refuses %j', (options, problem) => {
    expect(thrownBy(() => untyped(upstream, options))).toMatchObject({
      code: 'INFERFLOW_TRANSPORT_OPTIONS_INVALID',
      message: `Connect transport: ${problem}`,
    });
  });

  it('names every bad one at once, an upstream that is none first', () => {
    expect(thrownBy(() => untyped({ authority }, { defaultTimeoutMs: -1 })).message).toMatch(
      /^Connect transport: upstream is an object, expected what createUpstream .*; authority is undefined.*; defaultTimeoutMs is -1/,
    );
    expect(thrownBy(() => untyped()).code).toBe('INFERFLOW_TRANSPORT_OPTIONS_INVALID');
  });
});

describe('createOnePort with connect-node behind it', () => {
  it.each([
    ['gRPC', () => createGrpcTransport({ baseUrl: `http://127.0.0.1:${port}` })],
    ['gRPC-Web over HTTP/1.1', () => createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1' })],
    ['gRPC-Web over HTTP/2', () => createGrpcWebTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '2' })],
    [
      'Connect JSON over HTTP/1.1',
      () => createHttpTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '1.1', useBinaryFormat: false }),
    ],
    ['Connect over HTTP/2', () => createHttpTransport({ baseUrl: `http://127.0.0.1:${port}`, httpVersion: '2' })],
  ])('serves %s', async (_name, make) => {
    const client = createClient(Health, make());
    expect((await client.check({})).status).toBe(SERVING);
    await expect(client.check({ service: 'none' })).rejects.toMatchObject({ code: Code.NotFound });
    const statuses = [];
    for await (const answer of client.watch({})) statuses.push(answer.status);
    expect(statuses).toEqual([SERVING]);
  });

  it('leaves a compressed gRPC request to the listener, untouched', async () => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const status = await new Promise<unknown>((resolve) => {
      const stream = session.request({
        ':method': 'POST',
        ':path': '/grpc.health.v1.Health/Check',
        'content-type': 'application/grpc',
        'grpc-encoding': 'gzip',
        te: 'trailers',
      });
      stream.on('trailers', (trailers) => resolve(trailers['grpc-status']));
      stream.resume();
      stream.end(frame(gzipSync(Buffer.alloc(0)), 1));
    });
    expect(status).toBe('0');
    session.close();

    const grpc = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
      'grpc.default_compression_algorithm': compressionAlgorithms.gzip,
    });
    const same = (value: Buffer) => value;
    const answer = await new Promise<string>((resolve) =>
      grpc.makeUnaryRequest('/grpc.health.v1.Health/Check', same, same, Buffer.alloc(0), new Metadata(), (error, value) =>
        resolve(error === null ? (value?.toString('hex') ?? '') : String(error)),
      ),
    );
    expect(answer).toBe('0801');
    grpc.close();
  });

  it('answers UNIMPLEMENTED for unknown methods', async () => {
    const grpc = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const same = (value: Buffer) => value;
    const code = await new Promise((resolve) =>
      grpc.makeUnaryRequest('/no.Such/Method', same, same, Buffer.alloc(0), (error) => resolve(error?.code)),
    );
    expect(code).toBe(12);
    grpc.close();
  });
});
