import { constants, createSecureServer, createServer, type Http2SecureServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import type { AddressInfo } from 'node:net';
import type { ConnectRouter } from '@connectrpc/connect';
import { connectNodeAdapter } from '@connectrpc/connect-node';
import { Predict } from '@inferflow/proto';
import { afterEach, describe, expect, it } from 'vitest';
import { createInferflowClient } from '../client.js';
import { type ClientError, ClientErrorCode } from '../errors.js';
import { createNodeInferflowClient } from './node-client.js';
import { createRoundRobinTransport } from './round-robin-transport.js';

const closers: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

const request = { modelConfigId: 'm', targets: [{ id: 'a' }] };

// A certificate for `localhost`, valid for a hundred years, that only tests trust.
// Its key is public, so it protects nothing.

const testCertificate = `-----BEGIN CERTIFICATE-----
MIIBljCCATugAwIBAgIUHdI1aHabjuFNIA3zWqDJQxDEGrMwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJbG9jYWxob3N0MCAXDTI2MTEyMTA4Mjc0NFoYDzIxMjYxMDI4
MDgyNzQ0WjAUMRIwEAYDVQQDDAlsb2NhbGhvc3QwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAASm6yc47yraygUODdmCKZnXg5wEeXmTW6Kkul70QX6aZObRwK+i4tC0
USUvRrZZ7CdPUL2aafp8ayXC8M+ftkWro2kwZzAdBgNVHQ4EFgQUcLojurFZMFJz
d1oXDo6B0+y0tqMwHwYDVR0jBBgwFoAUcLojurFZMFJzd1oXDo6B0+y0tqMwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALgglsb2NhbGhvc3QwCgYIKoZIzj0EAwID
SQAwRgIhAJqUnHA9z12+A+VIxb95j/vKG8EAWuBDLjFM4KwJ2eL/AiEAhe1i6J4j
neemSnBuUGsPghoHhDyDA3P1up9YM3fQ+GU=
-----END CERTIFICATE-----
`;

const testKey = `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgfROk+qYptbn83CDZ
ynaNp98NEaTqQT+Wok0xVElBIsKhRANCAASm6yc47yraygUODdmCKZnXg5wEeXmT
W6Kkul70QX6aZObRwK+i4tC0USUvRrZZ7CdPUL2aafp8ayXC8M+ftkWr
-----END PRIVATE KEY-----
`;

function routes(name: string) {
  return (router: ConnectRouter) =>
    router.service(Predict, {
      inferPointWise: (message) => ({ targetScores: message.targets.map(() => ({ error: name })) }),
      inferPairWise: () => new Promise(() => undefined),
    });
}

async function listen(server: Http2Server | Http2SecureServer, host = '127.0.0.1', port = 0): Promise<number> {
  const sessions = new Set<{ destroy(): void }>();
  server.on('session', (session) => sessions.add(session));
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  closers.push(() => {
    for (const session of sessions) session.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

describe('createNodeInferflowClient', () => {
  it('speaks gRPC in plaintext and closes', async () => {
    const port = await listen(createServer(connectNodeAdapter({ routes: routes('plain') })));
    const client = createNodeInferflowClient({ host: 'localhost', port, timeoutMs: 5000 });
    closers.push(() => client.close());
    expect((await client.inferPointWise(request)).targets[0]!.error).toBe('plain');
    const pairs = client.inferPairWise({ ...request, pairs: [{ first: 0, second: 0 }] }, { timeoutMs: 30 });
    await expect(pairs).rejects.toMatchObject({ code: ClientErrorCode.deadlineExceeded });
    await client.close();
    await expect(client.inferPointWise(request)).rejects.toMatchObject({ code: ClientErrorCode.closed });
  });

  it('verifies certificates unless told not to', async () => {
    const [key, cert] = [testKey, testCertificate];
    const port = await listen(createSecureServer({ key, cert }, connectNodeAdapter({ routes: routes('tls') })));
    const call = async (tls: Parameters<typeof createNodeInferflowClient>[0]['tls']) => {
      const client = createNodeInferflowClient({ host: 'localhost', port, timeoutMs: 5000, retries: 0, tls: tls ?? null });
      closers.push(() => client.close());
      return (await client.inferPointWise(request)).targets[0]!.error;
    };
    expect(await call({ ca: cert })).toBe('tls');
    expect(await call({ rejectUnauthorized: false })).toBe('tls');
    await expect(call(true)).rejects.toMatchObject({ code: ClientErrorCode.callFailed, grpcCode: 14 });
    await expect(call({ ca: cert, servername: 'elsewhere' })).rejects.toMatchObject({ grpcCode: 14 });
  });

  it('takes limits of Infinity for none', async () => {
    const port = await listen(createServer(connectNodeAdapter({ routes: routes('patient') })));
    const none = { dnsRefreshMs: Infinity, connectTimeoutMs: Infinity, maxAnswerBytes: Infinity, pingIntervalMs: Infinity };
    const client = createNodeInferflowClient({ host: '127.0.0.1', port, timeoutMs: 5000, ...none });
    closers.push(() => client.close());
    expect((await client.inferPointWise(request)).targets[0]!.error).toBe('patient');
    const pairs = client.inferPairWise({ ...request, pairs: [{ first: 0, second: 0 }] }, { timeoutMs: 100 });
    const closed = client.close(Infinity);
    await expect(pairs).rejects.toMatchObject({ code: ClientErrorCode.deadlineExceeded });
    await closed;
  });

  it('names every wrong option', () => {
    try {
      createNodeInferflowClient({ host: 'http://x', port: 0, dnsRefreshMs: -1 });
      expect.unreachable();
    } catch (error) {
      expect((error as ClientError).problems.map((problem) => problem.path)).toEqual(['host', 'port', 'dnsRefreshMs']);
    }
  });
});

describe('createRoundRobinTransport', () => {
  const common = { interceptors: [], host: 'scores', tls: null, maxAnswerBytes: 1 << 20, pingIntervalMs: 30_000, connectTimeoutMs: 500 };

  async function twoServers(): Promise<number> {
    const port = await listen(createServer(connectNodeAdapter({ routes: routes('one') })), '127.0.0.1');
    await listen(createServer(connectNodeAdapter({ routes: routes('two') })), '127.0.0.2', port);
    return port;
  }

  function clientOf(port: number, resolve: () => Promise<string[]>, dnsRefreshMs = 30_000) {
    const transport = createRoundRobinTransport({ ...common, port, dnsRefreshMs, resolve });
    const client = createInferflowClient({ transport, timeoutMs: 5000, retries: 0, onClose: () => transport.close() });
    closers.push(() => client.close());
    return async () => (await client.inferPointWise(request)).targets[0]!.error;
  }

  it('takes addresses in turn', async () => {
    const call = clientOf(await twoServers(), async () => ['127.0.0.1', '127.0.0.2']);
    expect([await call(), await call(), await call(), await call()]).toEqual(['one', 'two', 'one', 'two']);
  });

  it('fails no call while one address lives', async () => {
    const call = clientOf(await twoServers(), async () => ['127.0.0.3', '127.0.0.1']);
    expect(await Promise.all([call(), call(), call(), call()])).toEqual(['one', 'one', 'one', 'one']);
  });

  it('follows the addresses of the name, and keeps them when the resolver fails', async () => {
    let answer = async () => ['127.0.0.1'];
    const call = clientOf(await twoServers(), () => answer(), 1);
    const until = async (name: string) => {
      for (let attempt = 0; attempt < 200 && (await call()) !== name; attempt++) await new Promise((resolve) => setTimeout(resolve, 2));
      return call();
    };
    expect(await until('one')).toBe('one');
    answer = async () => ['127.0.0.2'];
    expect(await until('two')).toBe('two');
    answer = () => Promise.reject(new Error('no such name'));
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect([await call(), await call()]).toEqual(['two', 'two']);
  });

  it('says UNAVAILABLE when nothing can be reached, in time', async () => {
    const call = clientOf(1, async () => ['127.0.0.1']);
    await expect(call()).rejects.toMatchObject({ grpcCode: 14, message: expect.stringMatching(/:1 can be reached: .*ECONNREFUSED/) });
    const lost = clientOf(1, () => Promise.reject(new Error('no such name')));
    await expect(lost()).rejects.toMatchObject({ grpcCode: 14, message: expect.stringContaining('cannot look up scores') });
  });

  it('sends a call that a closing server refused unseen once more, elsewhere, and says UNAVAILABLE if that is refused too', async () => {
    let refusals = 0;
    const refuse = (stream: ServerHttp2Stream): void => {
      refusals++;
      stream.on('error', () => {});
      stream.close(constants.NGHTTP2_REFUSED_STREAM);
    };
    const closing = createServer().on('stream', refuse);
    const port = await listen(closing);
    await expect(clientOf(port, async () => ['127.0.0.1'])()).rejects.toMatchObject({ grpcCode: 14 });
    expect(refusals).toBe(2);
    await listen(createServer(connectNodeAdapter({ routes: routes('other') })), '127.0.0.2', port);
    const call = clientOf(port, async () => ['127.0.0.1', '127.0.0.2']);
    expect([await call(), await call(), await call()]).toEqual(['other', 'other', 'other']);
    expect(refusals).toBe(3);
  });

  it('bounds look-up and connecting by the call', async () => {
    const transport = createRoundRobinTransport({ ...common, port: 1, dnsRefreshMs: 1000, resolve: () => new Promise(() => undefined) });
    const client = createInferflowClient({ transport, timeoutMs: 20 });
    await expect(client.inferPointWise(request)).rejects.toMatchObject({ code: ClientErrorCode.deadlineExceeded });
    await expect(client.inferPointWise(request, { timeoutMs: 5000, signal: AbortSignal.timeout(10) })).rejects.toMatchObject({
      code: ClientErrorCode.aborted,
    });
  });

  it('says UNAVAILABLE, with a hint, where one side speaks TLS and the other does not', async () => {
    const secure = createSecureServer({ key: testKey, cert: testCertificate });
    secure.on('tlsClientError', () => {});
    const plain = createServer();
    for (const [port, tls, hint] of [
      [await listen(secure), null, /if the server speaks TLS, use TLS \(https:\/\/\)/],
      [await listen(plain), { ca: testCertificate }, /the server does not speak TLS; use plaintext \(http:\/\/\)/],
    ] as const) {
      const client = createNodeInferflowClient({ host: '127.0.0.1', port, tls, callerId: 'shop', timeoutMs: 3000 });
      const error = await client.inferPointWise(request).catch((thrown: unknown) => thrown as ClientError);
      expect(error).toMatchObject({ code: ClientErrorCode.callFailed, grpcCode: 14, message: expect.stringMatching(hint) });
      expect((error as ClientError).message).not.toContain('\n');
      await client.close();
    }
  });

  it('says UNAVAILABLE, with a hint, where a TLS port turns plaintext away in words', async () => {
    const server = createServer();
    server.on('session', (session) => session.goaway(constants.NGHTTP2_INADEQUATE_SECURITY, 0, Buffer.from('speaks TLS')));
    const client = createNodeInferflowClient({ host: '127.0.0.1', port: await listen(server), timeoutMs: 3000 });
    const error = await client.inferPointWise(request).catch((thrown: unknown) => thrown as ClientError);
    expect(error).toMatchObject({ grpcCode: 14, message: expect.stringContaining('the server speaks TLS; use TLS (https://)') });
    await client.close();
  });

  it('says UNAVAILABLE when the connection is lost before the answer', async () => {
    const server = createServer();
    server.on('stream', (stream: ServerHttp2Stream) => stream.session?.destroy());
    const client = createNodeInferflowClient({ host: '127.0.0.1', port: await listen(server), callerId: 'shop', timeoutMs: 3000 });
    const error = await client.inferPointWise(request).catch((thrown: unknown) => thrown as ClientError);
    expect(error).toMatchObject({ code: ClientErrorCode.callFailed, grpcCode: 14 });
    await client.close();
  });
});
