import { once } from 'node:events';
import http2 from 'node:http2';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { Client, credentials, status as grpcStatus, Metadata } from '@grpc/grpc-js';
import { expect, it } from 'vitest';
import { createCallHead } from '../grpc-head.js';
import { frame } from '../testing/fault-server.js';
import { Bytes, hotPath, PortWorld, raw } from '../testing/port-world.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import type { ServerLoad } from './server-load.js';

const { calls, client, handle, last, overBoth, refusals, serve, sessions } = new PortWorld();

overBoth('protocols on one port', (isLean) => {
  it('answers HTTP/1.1, HTTP/2 and hot gRPC', async () => {
    const port = await serve();
    const h1 = await fetch(`http://127.0.0.1:${port}/health/self`);
    expect(await h1.text()).toBe('1.1 GET /health/self 0');
    const put = await fetch(`http://127.0.0.1:${port}/x`, { method: 'PUT', body: Buffer.alloc(200_000) });
    expect(await put.text()).toBe('1.1 PUT /x 200000');
    const cold = await raw(port, [Buffer.from('abc')], { ':path': '/cold', 'content-type': 'text/plain' });
    expect([cold.headers[':status'], cold.body.toString()]).toEqual(isLean ? [415, 'not here\n'] : [200, '2.0 POST /cold 3']);
    expect((await run(client(port), new ProbeCall('hi'))).text).toBe('hi');
    expect(sessions).toContain('opened');
  });

  it('recognises a preface that comes byte by byte, and a request that begins like one', async () => {
    const port = await serve();
    const read = async (chunks: Buffer[]) => {
      const socket = net.connect(port, '127.0.0.1');
      socket.setNoDelay(true);
      for (const chunk of chunks) {
        socket.write(chunk);
        await sleep(2);
      }
      const data = await new Promise<Buffer>((resolve) => socket.once('data', resolve));
      socket.destroy();
      return data;
    };
    const bytes = (text: string) => [...Buffer.from(text, 'latin1')].map((byte) => Buffer.from([byte]));
    const settings = await read([...bytes('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]);
    expect(settings[3]).toBe(4);
    expect((await read(bytes('PUT /x HTTP/1.1\r\nhost: a\r\ncontent-length: 2\r\n\r\nab'))).toString()).toContain('1.1 PUT /x 2');
  });

  it.skipIf(isLean)('sends everything that is not exactly a hot call to the listener', async () => {
    const port = await serve();
    for (const headers of [
      { 'grpc-encoding': 'gzip' },
      { 'content-type': 'application/grpc-web+proto' },
      { 'content-type': 'application/grpc+json' },
      { ':path': '/test.Echo/Other' },
      { ':method': 'PUT' },
    ]) {
      const answer = await raw(port, [frame(Buffer.from('zip'), 'grpc-encoding' in headers ? 1 : 0)], headers);
      expect(answer.body.toString()).toMatch(/^2\.0 (POST|PUT) .* 8$/);
    }
    expect(calls).toHaveLength(0);
    expect((await raw(port, [frame(Buffer.from('x'))], { 'grpc-encoding': 'identity' })).status).toBe('0');
    expect((await raw(port, [frame(Buffer.from('x'))], { 'content-type': 'application/grpc+proto' })).headers['content-type']).toBe(
      'application/grpc+proto',
    );
  });

  it.runIf(isLean)('serves gzip and nothing else that is compressed, and answers other requests of HTTP/2 with words', async () => {
    const port = await serve({ hot: [{ path: hotPath, maxMessageBytes: 1000, handle }] });
    const zipped = (bytes: Uint8Array) => [frame(gzipSync(bytes), 1)];
    const gzip = { 'grpc-encoding': 'gzip' };
    const answer = await raw(port, zipped(Buffer.from('hello')), gzip);
    expect([answer.status, answer.body.subarray(5).toString()]).toEqual(['0', 'hello']);
    expect((await raw(port, [frame(Buffer.from('plain'))], gzip)).body.subarray(5).toString()).toBe('plain');
    expect(await raw(port, zipped(Buffer.alloc(1_000_000)), gzip)).toMatchObject({ status: '8' });
    expect(await raw(port, [frame(Buffer.from('no gzip'), 1)], gzip)).toMatchObject({ status: '3' });
    expect(refusals).toEqual(['message-size', 'malformed']);
    const unknown = await raw(port, [frame(Buffer.from('x'), 1)], { 'grpc-encoding': 'snappy' });
    expect([unknown.status, unknown.headers['grpc-accept-encoding']]).toEqual(['12', 'identity,gzip']);

    for (const [headers, expected] of [
      [{ 'content-type': 'application/grpc-web+proto' }, [415, undefined, 'not here\n']],
      [{ 'content-type': 'application/json' }, [415, undefined, 'not here\n']],
      [{ ':method': 'GET' }, [200, '12', '']],
      [{ 'content-type': 'application/grpc+json' }, [200, '12', '']],
      [{ ':path': '/grpc.health.v1.Health/Check' }, [200, '12', '']],
    ] as const) {
      const other = await raw(port, [frame(Buffer.from('x'))], headers);
      expect([other.headers[':status'], other.status, other.body.toString()]).toEqual(expected);
    }
    // A stream whose client waits for answers before it ends its side, as reflection does.
    expect(await raw(port, [frame(Buffer.from('x'))], { ':path': '/grpc.reflection.v1.ServerReflection/Info' }, true)).toMatchObject({
      status: '12',
    });
    const session = http2.connect(`http://127.0.0.1:${port}`);
    const head = session.request({ ':method': 'HEAD', ':path': '/x' });
    const [headers] = await once(head, 'response');
    head.resume();
    await once(head, 'close');
    expect([headers[':status'], head.rstCode]).toEqual([isLean ? 415 : 200, 0]);
    session.close();
    expect((await raw(port, [Buffer.alloc(300_000)], { ':path': '/x', 'content-type': 'text/plain' }, true)).headers[':status']).toBe(415);
  });
});

overBoth('hot calls', () => {
  it('hands over headers, first value and all values', async () => {
    const port = await serve();
    const answer = await raw(port, [frame(Buffer.from('header'))], { 'x-a': ['1', '2'] });
    expect(answer.body.subarray(5).toString()).toBe('["1",["1","2"]]');
  });

  it('sends status, percent-encoded message and details', async () => {
    const port = await serve();
    const answer = await raw(port, [frame(Buffer.from('fail 3'))]);
    expect(answer.status).toBe('3');
    expect(answer.message).toBe('Gr%C3%B6%C3%9Fe 100 %25%0A');
    expect(answer.headers['grpc-status-details-bin']).toBe('CAM=');
    expect((await run(client(port), new ProbeCall('fail 3'))).failure).toEqual({ reason: 'rejected', code: 3, message: 'Größe 100 %\n' });
  });

  it.each([
    ['no message', [], {}, '3', 'holds no message'],
    ['half a frame head', [Buffer.from([0, 0])], {}, '3', 'ends within the head'],
    ['a truncated message', [frame(Buffer.from('hello')).subarray(0, 8)], {}, '3', '3 of 5 message bytes'],
    ['a bad flag', [Buffer.from([9, 0, 0, 0, 0])], {}, '3', 'gRPC frame'],
    ['two messages', [frame(Buffer.from('a')), frame(Buffer.from('b'))], {}, '3', 'more than one message'],
    ['the compressed flag without an encoding', [frame(Buffer.from('a'), 1)], {}, '13', 'compressed'],
    ['a malformed timeout', [frame(Buffer.from('a'))], { 'grpc-timeout': '5x' }, '3', 'grpc-timeout'],
  ])('answers %s with a status', async (_what, body, headers, code, text) => {
    const port = await serve();
    const answer = await raw(port, body as Buffer[], headers);
    expect(answer.status).toBe(code);
    expect(answer.message).toContain(text);
    expect(refusals).toContain('malformed');
    expect((await run(client(port), new ProbeCall('fine'))).text).toBe('fine');
  });

  it('refuses a long message as soon as it is announced, the connection lives on', async () => {
    const port = await serve({ hot: [{ path: hotPath, maxMessageBytes: 1000, handle }] });
    const upstream = client(port);
    expect((await run(upstream, new ProbeCall(new Uint8Array(1000)))).answer).toHaveLength(1000);
    expect((await run(upstream, new ProbeCall(new Uint8Array(1001)))).failure).toMatchObject({ reason: 'overloaded', code: 8 });
    expect((await run(upstream, new ProbeCall(new Uint8Array(5_000_000)))).failure).toMatchObject({ code: 8 });
    expect((await run(upstream, new ProbeCall('still here'))).text).toBe('still here');
    expect(sessions.filter((kind) => kind === 'opened')).toHaveLength(1);
  });

  it('answers INTERNAL when the method throws', async () => {
    const errors: unknown[] = [];
    const port = await serve({ onError: (error) => errors.push(error) });
    expect((await raw(port, [frame(Buffer.from('throw'))])).status).toBe('13');
    expect(errors).toHaveLength(1);
  });

  it('ends the scope and answers DEADLINE_EXCEEDED when the time is up', async () => {
    const port = await serve();
    const answer = await raw(port, [frame(Buffer.from('never'))], { 'grpc-timeout': '50m' });
    expect(answer.status).toBe('4');
    expect(calls[0]?.scope.ended).toBe('deadline');
    expect(calls[0]?.scope.remainingMs(0)).toBe(0);
    calls[0]?.respond(new Bytes(Buffer.from('late')));
  });

  it('refuses a deadline that has passed without reading the message', async () => {
    const port = await serve();
    expect((await raw(port, [frame(Buffer.from('x'))], { 'grpc-timeout': '0n' })).status).toBe('4');
    expect(refusals).toEqual(['deadline']);
    expect(calls).toHaveLength(0);
  });

  it('refuses hopeless deadlines while the loop lags, and says when to come again', async () => {
    const port = await serve();
    const { load } = last() as unknown as { readonly load: ServerLoad };
    load.lagMs = () => 60;
    const short = await raw(port, [frame(Buffer.from('x'))], { 'grpc-timeout': '5m' });
    expect([short.status, short.headers['grpc-retry-pushback-ms']]).toEqual(['8', '100']);
    expect((await raw(port, [frame(Buffer.from('x'))], { 'grpc-timeout': '0m' })).status).toBe('4');
    expect((await raw(port, [frame(Buffer.from('x'))], { 'grpc-timeout': '500m' })).status).toBe('0');
    expect(refusals).toEqual(['deadline', 'deadline']);
  });

  it('ends the scope as cancelled when the caller resets or disconnects', async () => {
    const port = await serve();
    const upstream = client(port);
    const call = new ProbeCall('never');
    upstream.start(call);
    await until(() => calls.length === 1);
    expect(last().inFlight).toBe(1);
    upstream.cancel(call);
    await until(() => calls[0]?.scope.ended === 'cancelled', 'cancelled scope');
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('error', () => {});
    const stream = session.request({ ':method': 'POST', ':path': hotPath, 'content-type': 'application/grpc' });
    stream.on('error', () => {});
    stream.end(frame(Buffer.from('never')));
    await until(() => calls.length === 2);
    session.socket.resetAndDestroy();
    await until(() => calls[1]?.scope.ended === 'cancelled', 'cancelled scope');
    expect(last().inFlight).toBe(0);
  });

  it('refuses callers that cannot be checked, and goes on', async () => {
    const told: unknown[] = [];
    const port = await serve({
      unauthorized: (headers) => {
        if (headers['inferflow-auth-token'] === 'bad') throw new Error('no such file');
        return null;
      },
      onError: (error, path) => void told.push(path, (error as Error).message),
    });
    expect((await raw(port, [frame(Buffer.from('x'))], { 'inferflow-auth-token': 'bad' })).status).toBe('13');
    expect((await raw(port, [frame(Buffer.from('x'))], { 'inferflow-auth-token': 'good' })).status).toBe('0');
    expect(told).toEqual([hotPath, 'no such file']);
  });

  it('refuses calls above its bound and unauthorized ones before their message', async () => {
    const port = await serve({
      maxInFlight: 3,
      unauthorized: (headers) => (headers['inferflow-auth-token'] === 'bad' ? { code: 16, message: 'unknown token' } : null),
    });
    const upstream = client(port);
    const open = Array.from({ length: 3 }, () => new ProbeCall('never'));
    for (const call of open) upstream.start(call);
    await until(() => last().inFlight === 3);
    expect((await run(upstream, new ProbeCall('one more'))).failure).toMatchObject({ reason: 'overloaded', code: 8 });
    for (const call of open) upstream.cancel(call);
    await until(() => last().inFlight === 0);
    expect((await run(upstream, new ProbeCall('ok'))).text).toBe('ok');
    const head = createCallHead({ path: hotPath, authority: 'a', metadata: [['inferflow-auth-token', 'bad']] });
    expect((await run(upstream, new ProbeCall('x', 1000, 100, head))).failure).toEqual({
      reason: 'rejected',
      code: 16,
      message: 'unknown token',
    });
    expect(refusals).toEqual(['in-flight', 'unauthorized']);
    expect(calls).toHaveLength(4);
  });

  it('bounds the bytes it holds', async () => {
    let told = 0;
    const refusedForRoom = () => void told++;
    const port = await serve({ maxHeldBytes: 100_000, hot: [{ path: hotPath, maxMessageBytes: 1_000_000, handle, refusedForRoom }] });
    const upstream = client(port);
    const open = new ProbeCall(Buffer.concat([Buffer.from('never '), Buffer.alloc(90_000)]));
    upstream.start(open);
    await until(() => calls.length === 1);
    expect((await run(upstream, new ProbeCall(new Uint8Array(20_000)))).failure?.code).toBe(8);
    upstream.cancel(open);
    await until(() => last().inFlight === 0);
    expect((await run(upstream, new ProbeCall(new Uint8Array(20_000)))).answer).toHaveLength(20_000);
    expect(refusals).toEqual(['held-bytes']);
    expect(told).toBe(1);
  });

  it('gives up on a request that never completes', async () => {
    const port = await serve({ receiveTimeoutMs: 60 });
    const answer = await raw(port, [Buffer.from([0, 0, 0, 0, 9, 1])], {}, true);
    expect(answer.status).toBe('1');
    expect(refusals).toEqual(['receive-timeout']);
  });

  it('bounds what a slow reader holds', async () => {
    const port = await serve({ sendTimeoutMs: 80, maxUnsentBytesPerConnection: 3_000_000 });
    const session = http2.connect(`http://127.0.0.1:${port}`, { settings: { initialWindowSize: 10 } });
    session.on('error', () => {});
    const ask = (size: number) => {
      const stream = session.request({ ':method': 'POST', ':path': hotPath, 'content-type': 'application/grpc' });
      stream.on('error', () => {});
      stream.end(frame(Buffer.from(`large ${size}`)));
      return new Promise<number>((resolve) => stream.once('close', () => resolve(stream.rstCode ?? -1)));
    };
    expect(await ask(1_000_000)).toBe(8);
    expect(refusals).toEqual(['slow-reader']);
    await Promise.all([ask(1_900_000), ask(1_900_000)]);
    await until(() => session.destroyed, 'closed connection');
    expect((await run(client(port), new ProbeCall('fine'))).text).toBe('fine');
  });

  it('serves the grpc-js client: answers, errors, deadlines, compression', async () => {
    const port = await serve();
    const grpc = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
    const same = (value: Buffer) => value;
    const call = (text: string, deadlineMs = 2000) =>
      new Promise<string>((resolve) => {
        grpc.makeUnaryRequest(
          hotPath,
          same,
          same,
          Buffer.from(text),
          new Metadata(),
          { deadline: Date.now() + deadlineMs },
          (error, value) => resolve(error === null ? String(value) : `${error.code} ${error.details}`),
        );
      });
    expect(await call('hello')).toBe('hello');
    expect(await call('x'.repeat(300_000))).toHaveLength(300_000);
    expect(await call('fail 9')).toBe('9 Größe 100 %\n');
    expect(await call('never', 60)).toContain(String(grpcStatus.DEADLINE_EXCEEDED));
    expect(await call('large 2000000')).toHaveLength(2_000_000);
    grpc.close();
  });
});
