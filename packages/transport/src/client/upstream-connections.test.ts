import net from 'node:net';
import { expect, it } from 'vitest';
import { answer, echo, frame, rawServer, refuse } from '../testing/fault-server.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { answerFrames, RawPeer } from '../testing/raw-peer.js';
import { lookupOf, UpstreamWorld } from '../testing/upstream-world.js';
import type { LookupAll } from './upstream-options.js';

const { connect, describeBoth, events, kinds, listenOn, serve } = new UpstreamWorld();

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

  it('connects again to an address that said goodbye while it was idle', async () => {
    const one = await serve();
    const second = await listenOn(one.port, '127.0.0.2');
    const upstream = connect(one.port, { host: 'store.test', lookup: lookupOf('127.0.0.1', '127.0.0.2') });
    await upstream.ready(1000);
    await until(() => upstream.addressesUp === 2);
    for (const session of one.sessions) session.close();
    await until(() => one.connections === 2 && upstream.addressesUp === 2, 'the next connection');
    for (let i = 0; i < 10; i++) await run(upstream, new ProbeCall('x'));
    expect([one.seen, second.seen]).toEqual([5, 5]);
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

  it.each<[string, LookupAll]>([
    ['has no list', (_host, callback) => setImmediate(callback as (error: Error) => void, new Error('no such name'))],
    ['is there before the look-up returns', (_host, callback) => callback(new Error('no such name'), [])],
    [
      'is thrown',
      () => {
        throw new Error('no such name');
      },
    ],
    [
      'comes twice',
      (_host, callback) => {
        for (let i = 0; i < 2; i++) setImmediate(() => callback(new Error('no such name'), []));
      },
    ],
  ])('takes a failed look-up whose error %s, never inside of the start of a call', async (_how, lookup) => {
    const upstream = connect(1, { host: 'store.test', lookup });
    const call = new ProbeCall('x');
    expect((await run(upstream, call)).failure).toMatchObject({ reason: 'unavailable', message: expect.stringContaining('no such name') });
    expect(call.endedInsideStart).toBe(false);
    expect(kinds('resolve-failed')).toBe(1);
  });

  it('takes what is no list of addresses for a failed look-up', async () => {
    for (const found of ['127.0.0.1', ['127.0.0.1']]) {
      const lookup = ((_host, callback: (...given: unknown[]) => void) => setImmediate(callback, null, found, 4)) as LookupAll;
      const { failure } = await run(connect(1, { host: 'store.test', lookup }), new ProbeCall('x'));
      expect(failure).toMatchObject({
        reason: 'unavailable',
        message: expect.stringContaining('the resolver gave no list of { address }'),
      });
    }
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

  it('keeps a connection whose peer answers calls before it answers a ping', async () => {
    const peer = await new RawPeer().start();
    let pings = 0;
    peer.onFrame = (_socket, { type }) => {
      if (type === 6) pings++;
    };
    const slow: (() => void)[] = [];
    peer.onRequest = (socket, streamId, message) => {
      const put = () => socket.write(answerFrames(streamId, message).all);
      if (String(message) === 'slow') slow.push(put);
      else put();
    };
    const upstream = connect(peer.port, { keepaliveMs: 30, keepaliveTimeoutMs: 120, retryRatio: 0 });
    const waiting = run(upstream, new ProbeCall('slow', Number.POSITIVE_INFINITY));
    await until(() => pings > 0, 'a ping');
    for (let i = 0; i < 20; i++) {
      expect((await run(upstream, new ProbeCall('quick'))).text).toBe('quick');
      await sleep(10);
    }
    slow[0]?.();
    expect((await waiting).text).toBe('slow');
    expect(kinds('disconnected')).toBe(0);
    await upstream.close(0);
    await peer.stop();
  });

  it('takes a full address for well when further connections fail, and tries those ever more seldom', async () => {
    const target = await serve({ maxConcurrentStreams: 2 });
    target.behaviour = (stream, _headers, message) => void setTimeout(() => answer(stream, frame(message)), 10);
    const pipes: net.Socket[] = [];
    let dialled = 0;
    const proxy = await rawServer((socket) => {
      if (++dialled > 1) return socket.destroy();
      const out = net.connect(target.port, '127.0.0.1').on('error', () => {});
      pipes.push(out);
      return void socket.pipe(out).pipe(socket);
    });
    const upstream = connect(proxy.port, { backoffMs: 40, maxBackoffMs: 10_000, setAsideAfter: 3 });
    for (let i = 0; i < 10; i++) {
      const calls = await Promise.all(Array.from({ length: 10 }, (_, at) => run(upstream, new ProbeCall(`${at}`))));
      expect(calls.map(({ text }) => text)).toEqual(Array.from({ length: 10 }, (_, at) => `${at}`));
    }
    expect(dialled).toBeGreaterThan(1);
    expect(dialled).toBeLessThan(10);
    expect(kinds('set-aside')).toBe(0);
    const delays = events.flatMap((event) => (event.kind === 'connect-failed' ? [event.retryInMs] : []));
    expect(delays.length).toBe(dialled - 1);
    expect(delays[1] ?? 80).toBeGreaterThanOrEqual(64);
    await upstream.close(0);
    for (const pipe of pipes) pipe.destroy();
    await proxy.close();
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
