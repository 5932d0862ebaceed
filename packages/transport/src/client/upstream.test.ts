import { readFileSync } from 'node:fs';
import type { ServerHttp2Stream } from 'node:http2';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { deadlines } from '../deadline-queue.js';
import { createCallHead } from '../grpc-head.js';
import { answer, echo, FaultServer, frame, rawServer, refuse, reset } from '../testing/fault-server.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';
import type { UpstreamEvent, UpstreamOptions } from './upstream-options.js';

const pem = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url));
const upstreams: GrpcUpstream[] = [];
const servers: FaultServer[] = [];
let events: UpstreamEvent[] = [];
let protocol: 'lean' | 'node' = 'node';

/** The same tests over both kinds of connections. */
function describeBoth(title: string, tests: () => void): void {
  describe.each(['lean', 'node'] as const)(`${title}, %s connections`, (kind) => {
    beforeEach(() => {
      protocol = kind;
    });
    tests();
  });
}

function connect(port: number, options: Partial<UpstreamOptions> = {}): GrpcUpstream {
  events = [];
  const upstream = createUpstream({ name: 'store', protocol, host: '127.0.0.1', port, onEvent: (event) => events.push(event), ...options });
  upstreams.push(upstream);
  return upstream;
}

async function serve(...options: ConstructorParameters<typeof FaultServer>): Promise<FaultServer> {
  const server = await new FaultServer(...options).start();
  servers.push(server);
  return server;
}

const kinds = (kind: string) => events.filter((event) => event.kind === kind).length;

const lookupOf =
  (...ips: string[]) =>
  (_host: string, callback: (error: Error | null, found: readonly { address: string; family: number }[]) => void) =>
    setImmediate(() =>
      callback(
        null,
        ips.map((address) => ({ address, family: 4 })),
      ),
    );

afterEach(async () => {
  for (const upstream of upstreams.splice(0)) {
    await upstream.close(0);
    expect(upstream.inFlight).toBe(0);
    expect(upstream.heldBytes).toBe(0);
  }
  for (const server of servers.splice(0)) await server.kill();
  expect(deadlines.size).toBe(0);
  expect(messageBuffers.taken).toBe(0);
});

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

describeBoth('createUpstream: addresses', () => {
  it('uses all addresses in turn', async () => {
    const one = await serve();
    const second = await listenOn(one.port, '127.0.0.2');
    const upstream = connect(one.port, { host: 'store.test', lookup: lookupOf('127.0.0.1', '127.0.0.2') });
    await upstream.ready(1000);
    await until(() => upstream.addressesUp === 2);
    for (let i = 0; i < 20; i++) expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    expect(one.seen).toBe(10);
    expect(second.seen).toBe(10);
  });

  it('does not fail a call while one address lives, and takes the other back', async () => {
    const one = await serve();
    const second = await listenOn(one.port, '127.0.0.2');
    const upstream = connect(one.port, {
      host: 'store.test',
      lookup: lookupOf('127.0.0.1', '127.0.0.2'),
      backoffMs: 20,
      maxBackoffMs: 60,
      setAsideMs: 50,
    });
    await upstream.ready(1000);
    await until(() => upstream.addressesUp === 2);
    const calls: Promise<ProbeCall>[] = [];
    for (let i = 0; i < 100; i++) {
      if (i === 30) await second.kill();
      if (i === 70) await second.start('127.0.0.2');
      calls.push(run(upstream, new ProbeCall(`${i}`)));
      await sleep(2);
    }
    const failed = (await Promise.all(calls)).filter((call) => call.failure !== null);
    expect(failed.map((call) => call.failure)).toEqual([]);
    await until(() => upstream.addressesUp === 2, 'address taken back');
  });

  it('sets an address aside after five failures in a row, and restores it', async () => {
    const bad = await serve();
    bad.behaviour = (stream) => refuse(stream, 14);
    const good = await listenOn(bad.port, '127.0.0.2');
    const upstream = connect(bad.port, { host: 'store.test', lookup: lookupOf('127.0.0.1', '127.0.0.2'), setAsideMs: 400 });
    await upstream.ready(1000);
    await until(() => upstream.addressesUp === 2);
    for (let i = 0; i < 30; i++) expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    expect(bad.seen).toBe(5);
    expect(good.seen).toBe(30);
    expect(kinds('set-aside')).toBe(1);
    bad.behaviour = echo;
    await sleep(520);
    for (let i = 0; i < 4; i++) await run(upstream, new ProbeCall('x'));
    expect(bad.seen).toBe(7);
    expect(kinds('restored')).toBe(1);
  });

  it('uses an address that is set aside when it is the only one', async () => {
    const server = await serve();
    server.behaviour = (stream) => refuse(stream, 14);
    const upstream = connect(server.port, { setAsideMs: 5000, retryRatio: 0 });
    for (let i = 0; i < 6; i++) await run(upstream, new ProbeCall('x'));
    expect(kinds('set-aside')).toBe(1);
    server.behaviour = echo;
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
  });

  it('follows a change of the addresses of a name', async () => {
    const one = await serve();
    const second = await listenOn(one.port, '127.0.0.2');
    let ip = '127.0.0.1';
    const upstream = connect(one.port, { host: 'store.test', dnsRefreshMs: 30, lookup: (host, callback) => lookupOf(ip)(host, callback) });
    await run(upstream, new ProbeCall('x'));
    ip = '127.0.0.2';
    await sleep(40);
    await run(upstream, new ProbeCall('x'));
    await until(() => upstream.addressesUp === 1);
    for (let i = 0; i < 5; i++) expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    expect(second.seen).toBeGreaterThanOrEqual(5);
    await until(() => one.sessions.size === 0, 'old connection closed');
  });

  it('fails when a name does not resolve, and recovers', async () => {
    const server = await serve();
    let works = false;
    const upstream = connect(server.port, {
      host: 'store.test',
      dnsRefreshMs: 20,
      lookup: (host, callback) =>
        works ? lookupOf('127.0.0.1')(host, callback) : setImmediate(() => callback(new Error('ENOTFOUND store.test'), [])),
    });
    expect((await run(upstream, new ProbeCall('x'))).failure).toMatchObject({
      reason: 'unavailable',
      message: expect.stringContaining('ENOTFOUND'),
    });
    works = true;
    await sleep(30);
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
  });
});

describeBoth('createUpstream: connections', () => {
  it('fails at once when nothing listens, again during back-off, and reconnects by itself', async () => {
    const server = await serve();
    const { port } = server;
    await server.kill();
    const upstream = connect(port, { backoffMs: 50, maxBackoffMs: 100 });
    const began = performance.now();
    expect((await run(upstream, new ProbeCall('x'))).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    expect((await run(upstream, new ProbeCall('x'))).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    expect(performance.now() - began).toBeLessThan(45);
    expect(await upstream.ready(30)).toBe(false);
    await server.start();
    expect(await upstream.ready(1000)).toBe(true);
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    expect(kinds('connect-failed')).toBeGreaterThan(0);
  });

  it('backs off further with every failure', async () => {
    const server = await serve();
    const { port } = server;
    await server.kill();
    const upstream = connect(port, { backoffMs: 10, maxBackoffMs: 80 });
    await run(upstream, new ProbeCall('x'));
    await until(() => kinds('connect-failed') >= 5);
    const delays = events.flatMap((event) => (event.kind === 'connect-failed' ? [event.retryInMs] : []));
    expect(delays[0]).toBeLessThanOrEqual(12);
    expect(delays[3]).toBeGreaterThanOrEqual(64);
    expect(kinds('set-aside')).toBeGreaterThanOrEqual(1);
  });

  it('gives up connecting to a peer that accepts and says nothing', async () => {
    const silent = await rawServer(() => {});
    const upstream = connect(silent.port, { connectTimeoutMs: 60 });
    const call = await run(upstream, new ProbeCall('x'));
    expect(call.failure).toMatchObject({ reason: 'unavailable', message: expect.stringContaining('no connection within 60 ms') });
    await upstream.close(0);
    await silent.close();
  });

  it('refuses a peer that does not speak HTTP/2', async () => {
    const peer = await rawServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect((await run(connect(peer.port), new ProbeCall('x'))).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    await peer.close();
  });

  it('notices a half-open connection by a ping after calls that nobody answered', async () => {
    const target = await serve();
    const pipes: net.Socket[] = [];
    let isFrozen = false;
    const proxy = await rawServer((socket) => {
      const out = net.connect(target.port, '127.0.0.1').on('error', () => {});
      const frozenAtStart = isFrozen;
      pipes.push(out);
      socket.on('data', (chunk) => {
        if (!isFrozen || frozenAtStart) out.write(chunk);
      });
      out.on('data', (chunk) => socket.write(chunk));
    });
    const upstream = connect(proxy.port, { keepaliveTimeoutMs: 60 });
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    isFrozen = true;
    expect((await run(upstream, new ProbeCall('x', 40))).failure?.reason).toBe('deadline');
    await until(() => kinds('disconnected') === 1, 'noticed');
    expect((await run(upstream, new ProbeCall('x'))).text).toBe('x');
    await upstream.close(0);
    for (const pipe of pipes) pipe.destroy();
    await proxy.close();
  });

  it('pings a connection that is silent while calls wait, and keeps it when the peer answers', async () => {
    const server = await serve();
    server.behaviour = (stream, _headers, message) => void setTimeout(() => answer(stream, frame(message)), 120);
    const upstream = connect(server.port, { keepaliveMs: 20, keepaliveTimeoutMs: 50 });
    let pings = 0;
    await upstream.ready(1000);
    for (const session of server.sessions) session.on('ping', () => pings++);
    expect((await run(upstream, new ProbeCall('slow', Number.POSITIVE_INFINITY))).text).toBe('slow');
    expect(pings).toBeGreaterThanOrEqual(1);
    expect(pings).toBeLessThanOrEqual(2);
    expect(server.connections).toBe(1);
  });

  it('opens another connection at the stream limit of the peer, then queues', async () => {
    const server = await serve({ maxConcurrentStreams: 5 });
    let most = 0;
    let now = 0;
    server.behaviour = (stream, _headers, message) => {
      most = Math.max(most, ++now);
      setTimeout(() => {
        now--;
        answer(stream, frame(message));
      }, 10);
    };
    const upstream = connect(server.port, { maxConnectionsPerAddress: 2 });
    await upstream.ready(1000);
    const calls = await Promise.all(Array.from({ length: 60 }, (_, i) => run(upstream, new ProbeCall(`${i}`))));
    expect(calls.map((call) => call.text)).toEqual(calls.map((_, i) => `${i}`));
    expect(most).toBeLessThanOrEqual(10);
    expect(server.connections).toBe(2);
  });

  it('leaves a connection at its age, without losing a call', async () => {
    const server = await serve();
    server.behaviour = (stream, _headers, message) => void setTimeout(() => answer(stream, frame(message)), 10);
    const upstream = connect(server.port, { maxConnectionAgeMs: 40, retryRatio: 0 });
    const calls: Promise<ProbeCall>[] = [];
    for (let i = 0; i < 40; i++) {
      calls.push(run(upstream, new ProbeCall(`${i}`)));
      await sleep(5);
    }
    expect((await Promise.all(calls)).map((call) => call.text)).toEqual(calls.map((_, i) => `${i}`));
    expect(server.connections).toBeGreaterThanOrEqual(3);
    await until(() => server.sessions.size <= 1, 'old connections closed');
  });

  it('bounds calls and bytes that wait for a connection', async () => {
    const silent = await rawServer(() => {});
    const upstream = connect(silent.port, { connectTimeoutMs: 80, maxInFlight: 3, maxQueuedBytes: 1000 });
    const calls = [10, 10, 900, 100].map((size) => run(upstream, new ProbeCall(new Uint8Array(size))));
    expect(upstream.heldBytes).toBe(920);
    const reasons = (await Promise.all(calls)).map((call) => call.failure?.reason);
    expect(reasons).toEqual(['unavailable', 'unavailable', 'unavailable', 'overloaded']);
    expect((await run(upstream, new ProbeCall(new Uint8Array(1001)))).failure?.reason).toBe('overloaded');
    expect(kinds('overloaded')).toBe(2);
    await upstream.close(0);
    await silent.close();
  });

  it('resets the stream of a cancelled call', async () => {
    const server = await serve();
    server.behaviour = () => {};
    const upstream = connect(server.port);
    const call = new ProbeCall('x');
    upstream.start(call);
    await until(() => server.complete === 1);
    upstream.cancel(call);
    await until(() => server.resets.length === 1);
    expect(server.resets).toEqual([8]);
  });
});

describeBoth('createUpstream: TLS', () => {
  const settings = { cert: pem('server.pem'), key: pem('server.key') };

  it('verifies the certificate and the name', async () => {
    const server = await serve({}, settings);
    const good = connect(server.port, { host: 'localhost', lookup: lookupOf('127.0.0.1'), tls: { ca: pem('ca.pem') } });
    expect((await run(good, new ProbeCall('x'))).text).toBe('x');
    expect((await run(connect(server.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).text).toBe('x');
    const untrusted = await run(connect(server.port, { tls: {} }), new ProbeCall('x'));
    expect(untrusted.failure).toMatchObject({ reason: 'unavailable', message: expect.stringContaining('certificate') });
    const wrongName = await run(connect(server.port, { tls: { ca: pem('ca.pem'), servername: 'other.test' } }), new ProbeCall('x'));
    expect(wrongName.failure?.message).toMatch(/Host: other\.test\. is not in the cert/);
    const careless = connect(server.port, { tls: { rejectUnauthorized: false } });
    expect((await run(careless, new ProbeCall('x'))).text).toBe('x');
  });

  it('shows a client certificate', async () => {
    const server = await serve({}, { ...settings, ca: pem('ca.pem'), requestCert: true, rejectUnauthorized: true });
    const tls = { ca: pem('ca.pem'), cert: pem('client.pem'), key: pem('client.key') };
    expect((await run(connect(server.port, { tls }), new ProbeCall('x'))).text).toBe('x');
    expect((await run(connect(server.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).failure?.reason).toBe('unavailable');
  });

  it('refuses plaintext where TLS is asked for, and a peer without h2', async () => {
    const plain = await serve();
    expect((await run(connect(plain.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).failure?.reason).toBe('unavailable');
    const http1 = await serve({}, { ...settings, ALPNProtocols: ['http/1.1'] });
    expect((await run(connect(http1.port, { tls: { ca: pem('ca.pem') } }), new ProbeCall('x'))).failure?.reason).toBe('unavailable');
  });
});

describe('createUpstream: options', () => {
  it('names every bad one at once', () => {
    expect(() => createUpstream({ name: 'store', host: '', port: 0, maxInFlight: 0, tls: { cert: 'x' } })).toThrow(
      /upstream "store": host is empty; port is 0.*tls\.cert and tls\.key.*maxInFlight is 0/,
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

/** A second server on the same port of another loopback address. */
async function listenOn(port: number, host: string): Promise<FaultServer> {
  const server = new FaultServer({}, null, port);
  await server.start(host);
  servers.push(server);
  return server;
}
