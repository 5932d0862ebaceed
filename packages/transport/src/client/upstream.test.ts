import type { ServerHttp2Stream } from 'node:http2';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createCallHead } from '../grpc-head.js';
import { answer, echo, type FaultServer, frame, refuse, reset } from '../testing/fault-server.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { thrownBy } from '../testing/thrown-by.js';
import { UpstreamWorld } from '../testing/upstream-world.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';

const { connect, describeBoth, kinds, serve } = new UpstreamWorld();

describeBoth('createUpstream: answers', () => {
  it.each([
    ['trailers-only refusal', (s) => refuse(s, 7, 'no%20entry'), 'rejected', 7, 'no entry'],
    ['status without message', (s) => answer(s, Buffer.alloc(0)), 'malformed', 13, 'no message'],
    ['truncated message', (s) => answer(s, frame(Buffer.from('hello')).subarray(0, 7)), 'malformed', 13, '2 of 5'],
    ['two messages', (s) => answer(s, Buffer.concat([frame(Buffer.from('a')), frame(Buffer.from('b'))])), 'malformed', 13, 'more than one'],
    ['garbage instead of a frame', (s) => answer(s, Buffer.from('<html>')), 'malformed', 13, 'gRPC frame'],
    ['wrong content type', (s) => answer(s, Buffer.from('<html>'), {}, { 'content-type': 'text/html' }), 'malformed', 2, 'content type'],
    ['HTTP 404', (s) => bare(s, 404, 'application/json', ''), 'rejected', 12, 'HTTP 404'],
    ['HTTP 401 with a body', (s) => bare(s, 401, 'text/plain', 'who are you'), 'rejected', 16, 'HTTP 401'],
    ['no status at all', (s) => bare(s, 200, 'application/grpc', frame(Buffer.from('x'))), 'malformed', 13, 'status'],
    ['a status that is no number', (s) => answer(s, frame(Buffer.from('x')), { 'grpc-status': 'fine' }), 'malformed', 13, 'status'],
    ['reset with INTERNAL_ERROR', (s) => reset(s, 2), 'unavailable', 13, 'code 2'],
    ['connection cut in the middle of the answer', cutMidAnswer, 'unavailable', 14, ''],
    ['reset with ENHANCE_YOUR_CALM', (s) => reset(s, 11), 'overloaded', 8, 'code 11'],
    [
      'compressed in an unknown way',
      (s) => answer(s, frame(Buffer.from('x'), 1), undefined, { 'grpc-encoding': 'snappy' }),
      'malformed',
      13,
      'compressed',
    ],
    ['broken gzip', (s) => answer(s, frame(Buffer.from('not gzip'), 1), undefined, { 'grpc-encoding': 'gzip' }), 'malformed', 13, 'gzip'],
    [
      'a gzip bomb',
      (s) => answer(s, frame(gzipSync(Buffer.alloc(3_000_000)), 1), undefined, { 'grpc-encoding': 'gzip' }),
      'malformed',
      8,
      'decompressed',
    ],
  ] as [string, FaultServer['behaviour'], string, number, string][])('tells %s', async (_what, behaviour, reason, code, text) => {
    const server = await serve();
    server.behaviour = behaviour;
    const upstream = connect(server.port);
    const call = await run(upstream, new ProbeCall('x', 2000, 1_000_000));
    expect(call.failure).toMatchObject({ reason, code });
    expect(call.failure?.message).toContain(text);
    server.behaviour = echo;
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
    expect(server.connections).toBe(code === 14 ? 3 : 1);
  });

  it('reads messages from one-byte DATA frames and after informational headers', async () => {
    const server = await serve();
    server.behaviour = (stream) => {
      stream.additionalHeaders({ ':status': 103 });
      stream.respond({ ':status': 200, 'content-type': 'application/grpc+proto' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      const bytes = frame(Buffer.from('one byte at a time'));
      let at = 0;
      const next = () => {
        if (at === bytes.length) stream.end();
        else stream.write(bytes.subarray(at, ++at), () => setImmediate(next));
      };
      next();
    };
    expect((await run(connect(server.port), new ProbeCall('x'))).text).toBe('one byte at a time');
  });

  it('accepts gzip', async () => {
    const server = await serve();
    server.behaviour = (stream) => answer(stream, frame(gzipSync(Buffer.alloc(100_000, 'x')), 1), undefined, { 'grpc-encoding': 'gzip' });
    expect((await run(connect(server.port), new ProbeCall('x'))).answer).toHaveLength(100_000);
  });

  it('takes a compressed answer of no bytes, also where none are taken', async () => {
    const server = await serve();
    server.behaviour = (stream) => answer(stream, frame(Buffer.alloc(0), 1), undefined, { 'grpc-encoding': 'gzip' });
    const upstream = connect(server.port);
    for (const most of [0, 1000]) expect((await run(upstream, new ProbeCall('x', 2000, most))).answer).toHaveLength(0);
  });

  it('cuts a 100 MB answer at the limit without reading it', async () => {
    const server = await serve();
    let sent = 0;
    server.behaviour = (stream) => {
      stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
      const head = Buffer.alloc(5);
      head.writeUInt32BE(100_000_000, 1);
      stream.write(head);
      const chunk = Buffer.alloc(1_000_000);
      const next = () => {
        if (stream.destroyed || sent >= 100) return;
        sent++;
        stream.write(chunk, next);
      };
      next();
    };
    const upstream = connect(server.port);
    const call = await run(upstream, new ProbeCall('x'));
    expect(call.failure).toMatchObject({ reason: 'malformed', code: 8 });
    await until(() => server.resets.length === 1, 'reset');
    expect(sent).toBeLessThan(50);
    server.behaviour = echo;
    expect((await run(upstream, new ProbeCall('fine'))).text).toBe('fine');
  });

  it('sends what is left of the deadline, and metadata', async () => {
    const server = await serve();
    server.behaviour = (stream, headers) =>
      answer(
        stream,
        frame(Buffer.from(JSON.stringify([headers['grpc-timeout'] ?? null, headers['x-token'], headers.te, headers[':authority']]))),
      );
    const upstream = connect(server.port);
    const head = createCallHead({
      path: '/a.B/C',
      authority: 'me:1',
      metadata: [
        ['x-token', 't'],
        ['x-token', 'u'],
      ],
    });
    const [timeout, ...rest] = JSON.parse((await run(upstream, new ProbeCall('x', 900, 1000, head))).text);
    expect(Number.parseInt(timeout, 10)).toBeGreaterThan(500);
    expect(timeout).toMatch(/^\d{3}m$/);
    expect(rest).toEqual(['t,u', 'trailers', 'me:1']);
    expect(JSON.parse((await run(upstream, new ProbeCall('x', Number.POSITIVE_INFINITY, 1000, head))).text)[0]).toBeNull();
  });
});

describeBoth('createUpstream: retries', () => {
  it('repeats what the peer refused to process, unseen by the caller', async () => {
    const server = await serve();
    server.behaviour = (stream, _headers, message) => (server.seen < 3 ? reset(stream, 7) : answer(stream, frame(message)));
    const call = await run(connect(server.port, { retryRatio: 0 }), new ProbeCall('again'));
    expect(call).toMatchObject({ text: 'again', writes: 3 });
  });

  it('repeats what is refused again and again until its deadline, with growing pauses', async () => {
    const server = await serve();
    server.behaviour = (stream) => reset(stream, 7);
    const upstream = connect(server.port, { retryRatio: 0 });
    await upstream.ready(1000);
    const began = performance.now();
    const call = await run(upstream, new ProbeCall('again', 300));
    expect(call).toMatchObject({ ends: 1, answer: null });
    expect(['unavailable', 'deadline']).toContain(call.failure?.reason);
    expect(performance.now() - began).toBeGreaterThan(250);
    // At most 0, 0, 1, 2, 4 … 128 ms, and then halves of what is left of 300 ms.
    expect(server.seen).toBeGreaterThan(4);
    expect(server.seen).toBeLessThan(25);
  });

  it('forgets a call that is cancelled, or whose upstream is closed, while it pauses', async () => {
    const server = await serve();
    server.behaviour = (stream) => reset(stream, 7);
    const upstream = connect(server.port, { retryRatio: 0 });
    const [left, kept] = [new ProbeCall('left'), new ProbeCall('kept')];
    const ended = run(upstream, kept);
    upstream.start(left);
    await until(() => server.seen >= 16, 'long pauses');
    upstream.cancel(left);
    expect(upstream.inFlight).toBe(1);
    await upstream.close(0);
    await ended;
    expect(kept).toMatchObject({ ends: 1, failure: { reason: 'unavailable' } });
    const { seen } = server;
    await sleep(100);
    expect(server.seen).toBe(seen);
    expect(left.ends).toBe(0);
  });

  it('repeats what came after the last stream of a GOAWAY', async () => {
    const server = await serve();
    server.behaviour = (stream, _headers, message) => {
      if (stream.id === 1) answer(stream, frame(message));
      else stream.session?.goaway(0, 1);
    };
    const upstream = connect(server.port, { retryRatio: 0 });
    await run(upstream, new ProbeCall('first'));
    expect(await run(upstream, new ProbeCall('second'))).toMatchObject({ text: 'second', writes: 2 });
    expect(server.connections).toBe(2);
  });

  it('lets calls end after a GOAWAY and starts new ones elsewhere', async () => {
    const server = await serve();
    server.behaviour = (stream, _headers, message) => {
      if (message.toString() === 'first') {
        stream.session?.goaway(0);
        setTimeout(() => answer(stream, frame(message)), 50);
      } else answer(stream, frame(message));
    };
    const upstream = connect(server.port, { retryRatio: 0 });
    const first = run(upstream, new ProbeCall('first'));
    await sleep(20);
    expect((await run(upstream, new ProbeCall('second'))).text).toBe('second');
    expect((await first).text).toBe('first');
    expect(server.connections).toBe(2);
  });

  it('retries UNAVAILABLE once', async () => {
    const server = await serve();
    server.behaviour = (stream, _headers, message) => (server.seen === 1 ? refuse(stream, 14, 'busy') : answer(stream, frame(message)));
    const upstream = connect(server.port);
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    server.behaviour = (stream) => refuse(stream, 14, 'busy');
    expect((await run(upstream, new ProbeCall('x'))).failure).toEqual({ reason: 'unavailable', code: 14, message: 'busy' });
    expect(server.seen).toBe(4);
  });

  it('does not retry other statuses, nor against the wish of the peer', async () => {
    const server = await serve();
    const upstream = connect(server.port);
    server.behaviour = (stream) => refuse(stream, 13);
    await run(upstream, new ProbeCall('x'));
    server.behaviour = (stream) =>
      stream.respond(
        { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '14', 'grpc-retry-pushback-ms': '-1' },
        { endStream: true },
      );
    await run(upstream, new ProbeCall('x'));
    expect(server.seen).toBe(2);
  });

  it('retries a tenth of the calls at most, after a burst', async () => {
    const server = await serve();
    server.behaviour = (stream) => refuse(stream, 14);
    const upstream = connect(server.port);
    await upstream.ready(1000);
    for (let i = 0; i < 20; i++) await Promise.all(Array.from({ length: 10 }, () => run(upstream, new ProbeCall('x'))));
    expect(server.seen).toBeGreaterThanOrEqual(200 + 25);
    expect(server.seen).toBeLessThanOrEqual(200 + 31);
    expect(kinds('retry-refused')).toBeGreaterThan(150);
  });

  it('retries a call whose connection was cut, on the next connection', async () => {
    const server = await serve();
    server.behaviour = (stream, _headers, message) => (server.seen === 1 ? server.cut() : answer(stream, frame(message)));
    expect((await run(connect(server.port), new ProbeCall('x'))).text).toBe('x');
  });
});

describe('createUpstream: ready', () => {
  it('waits as long as it is told, also longer than a timer can', async () => {
    const server = await serve();
    expect(await connect(server.port).ready(Number.POSITIVE_INFINITY)).toBe(true);
  });
});

describe('createUpstream: options', () => {
  it('are needed: without any it throws an error of this package', () => {
    const untyped = createUpstream as unknown as (options?: unknown) => GrpcUpstream;
    expect(thrownBy(() => untyped()).code).toBe('INFERFLOW_TRANSPORT_OPTIONS_INVALID');
    expect(thrownBy(() => untyped({ name: 'x', port: 1 })).message).toMatch(/^upstream "x": host is undefined/);
  });

  it('names every bad one at once', () => {
    expect(() => createUpstream({ name: 'store', host: '', port: 0, maxInFlight: 0, tls: { cert: 'x' } })).toThrow(
      /upstream "store": host is "", expected.*; port is 0.*tls\.cert and tls\.key.*maxInFlight is 0/,
    );
  });
});

function bare(stream: ServerHttp2Stream, status: number, contentType: string, body: string | Buffer): void {
  stream.respond({ ':status': status, 'content-type': contentType });
  stream.end(body);
}

function cutMidAnswer(stream: ServerHttp2Stream, _headers: unknown, _message: Buffer, server: FaultServer): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' });
  stream.write(frame(Buffer.alloc(50)).subarray(0, 20));
  setTimeout(() => server.cut(), 5);
}
