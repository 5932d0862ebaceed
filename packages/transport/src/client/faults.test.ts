import { readFileSync } from 'node:fs';
import net from 'node:net';
import { expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { createCallHead } from '../grpc-head.js';
import { mostBacklogBytes } from '../http2/client-session.js';
import { rawServer } from '../testing/fault-server.js';
import { normal, PeerWorld } from '../testing/peer-world.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { answerFrames, RawPeer } from '../testing/raw-peer.js';
import { block, h2Frame, headerFrames, resetFrame, settingsFrame, uint32, windowFrame } from '../testing/wire.js';

const pem = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url));
const world = new PeerWorld();

// `node:http2` says GOAWAY too, but leaves the socket and its streams open: its calls then end by their deadlines.
world.describeLean('a peer that breaks HTTP/2', () => {
  it.each([
    ['a frame above the size that was agreed', () => h2Frame(0, 0, 1, Buffer.alloc(1_000_000))],
    ['DATA of a stream that was never opened', () => h2Frame(0, 0, 99, Buffer.from('x'))],
    ['HEADERS of no stream', () => headerFrames(0, block([':status', '200']), true)],
    ['a broken header block', () => headerFrames(1, Buffer.of(0xff, 0xff, 0xff, 0xff, 0xff), false)],
    ['another frame within a header block', () => Buffer.concat([h2Frame(1, 0, 1), h2Frame(6, 0, 0, Buffer.alloc(8))])],
    ['PUSH_PROMISE', () => h2Frame(5, 4, 1, Buffer.concat([uint32(2), block([':method', 'GET'])]))],
    ['SETTINGS that are not allowed', () => settingsFrame([4, 2 ** 31])],
    ['a window above the most', () => windowFrame(0, 0x7fffffff)],
    ['a ping of a strange length', () => h2Frame(6, 0, 0, Buffer.alloc(3))],
    ['more padding than payload', () => Buffer.concat([answerFrames(1, Buffer.alloc(0)).head, h2Frame(0, 8, 1, Buffer.of(9, 1, 2))])],
    ['bytes that are no HTTP/2', () => Buffer.from('HTTP/1.1 500 Internal Server Error\r\n\r\n')],
  ])('%s: the calls on it fail as unavailable, the next one gets a new connection', async (_what, bytes) => {
    const upstream = world.connect();
    let isBroken = true;
    world.peer.onRequest = (socket, streamId, message) => {
      if (message.toString() === 'waits') return;
      if (isBroken) socket.write(bytes());
      else normal(socket, streamId, message);
    };
    const calls = await Promise.all([run(upstream, new ProbeCall('waits')), run(upstream, new ProbeCall('breaks'))]);
    for (const call of calls) expect(call).toMatchObject({ ends: 1, failure: { reason: 'unavailable' } });
    isBroken = false;
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
    expect(world.peer.connections.length).toBe(2);
  });
});

world.describeBoth('a peer that is difficult', () => {
  it('is not sent headers that are longer than it takes, and the connection stands', async () => {
    world.peer.greeting = settingsFrame([6, 1000]);
    const upstream = world.connect({ setAsideAfter: 1 });
    const headOf = (length: number) => createCallHead({ path: '/a.B/C', authority: 'x', metadata: [['x-long', 'y'.repeat(length)]] });
    for (const long of [1000, 70_000, 1000]) {
      const call = await run(upstream, new ProbeCall('x', 5000, 1000, headOf(long)));
      const text = 'the headers of the call are longer than 1000 bytes, the most that can be sent to this peer';
      expect(call).toMatchObject({ ends: 1, endedInsideStart: false, failure: { reason: 'rejected', code: 8, message: text } });
      expect((await run(upstream, new ProbeCall('y', 5000, 1000, headOf(500)))).text).toBe('y');
    }
    expect(world.peer.requests).toBe(3);
    expect(world.peer.connections).toHaveLength(1);
    expect(world.events.map(({ kind }) => kind)).toEqual(['resolved', 'connected']);
  });

  it('resets every stream, in a storm', async () => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, streamId) => socket.write(resetFrame(streamId, 2));
    const calls = await Promise.all(Array.from({ length: 500 }, () => run(upstream, new ProbeCall('x'))));
    for (const call of calls) expect(call).toMatchObject({ ends: 1, failure: { reason: 'unavailable', code: 13 } });
    world.peer.onRequest = normal;
    expect((await run(upstream, new ProbeCall('after'))).text).toBe('after');
    expect(world.peer.connections).toHaveLength(1);
  });

  it('closes its side in the middle of an answer', async () => {
    const upstream = world.connect();
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      socket.write(answerFrames(streamId, message).head);
      socket.socket.end();
    };
    expect((await run(upstream, new ProbeCall('x'))).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('y'))).text).toBe('y');
  });

  it('is lost when the time of a call was up already: then it was too late, and not unavailable', async () => {
    const upstream = world.connect({ retryRatio: 1 });
    await upstream.ready(1000);
    world.peer.onRequest = (socket) => {
      socket.socket.destroy();
      // Nothing is noticed before the deadline, and what is noticed first then is the loss: the call is spared our own time.
      for (const began = performance.now(); performance.now() - began < 60; );
    };
    const call = await run(upstream, new ProbeCall('x', 30));
    expect(call).toMatchObject({ ends: 1, writes: 1, failure: { reason: 'deadline', code: 4 } });
  });

  it('lowers the number of streams while they are open, and raises it', async () => {
    const upstream = world.connect({ maxConnectionsPerAddress: 1 });
    let open = 0;
    let most = 0;
    world.peer.greeting = settingsFrame([3, 8]);
    world.peer.onRequest = (socket, streamId, message) => {
      open++;
      if (world.peer.requests === 8) socket.write(settingsFrame([3, 2]));
      if (world.peer.requests > 16) most = Math.max(most, open);
      setTimeout(() => {
        open--;
        socket.write(answerFrames(streamId, message).all);
      }, 5);
    };
    const calls = await Promise.all(Array.from({ length: 40 }, (_, i) => run(upstream, new ProbeCall(`${i}`))));
    expect(calls.map((call) => call.text)).toEqual(calls.map((_, i) => `${i}`));
    expect(most).toBeLessThanOrEqual(2);
  });

  it('opens its windows byte by byte', async () => {
    const upstream = world.connect();
    world.peer.greeting = settingsFrame([4, 1]);
    const body = Buffer.from(Array.from({ length: 700 }, (_, i) => i));
    const call = await run(upstream, new ProbeCall(body));
    expect(Buffer.compare(call.answer ?? Buffer.alloc(0), body)).toBe(0);
  });

  it('answers before it has read the request, and does not read the rest', async () => {
    const upstream = world.connect();
    world.peer.opensWindows = false;
    world.peer.greeting = settingsFrame([4, 100]);
    world.peer.onFrame = (socket, { type, streamId }) => {
      if (type === 1)
        socket.write(headerFrames(streamId, block([':status', '200'], ['content-type', 'application/grpc'], ['grpc-status', '8']), true));
    };
    const call = await run(upstream, new ProbeCall(Buffer.alloc(5000)));
    expect(call.failure).toMatchObject({ reason: 'overloaded', code: 8 });
    await until(() => world.peer.connections[0]!.frames.some(({ type }) => type === 3), 'reset');
    expect(world.peer.connections).toHaveLength(1);
  });

  it('never reads a request that was cancelled', async () => {
    const upstream = world.connect();
    world.peer.opensWindows = false;
    world.peer.greeting = settingsFrame([4, 10]);
    const call = new ProbeCall(Buffer.alloc(200_000));
    upstream.start(call);
    await until(() => world.peer.connections[0]?.frames.some(({ type }) => type === 0) === true, 'first DATA');
    upstream.cancel(call);
    await until(() => world.peer.connections[0]!.frames.some(({ type, payload }) => type === 3 && payload.equals(uint32(8))), 'CANCEL');
    expect(messageBuffers.taken).toBe(0);
  });
});

world.describeLean('a difficult peer', () => {
  it('refuses calls as overloaded while its peer does not read, and none of them is held', async () => {
    world.peer.greeting = Buffer.concat([settingsFrame([4, 0x7fffffff]), windowFrame(0, 0x7fff0000 - 65_535)]);
    const upstream = world.connect({ maxInFlight: 100_000, maxQueuedBytes: 1 << 30, keepaliveMs: 60_000 });
    await upstream.ready(1000);
    await until(() => world.peer.connections[0]?.frames.length === 3, 'greeting');
    world.peer.connections[0]!.socket.pause();
    const stuck: ProbeCall[] = [];
    const metadata = { path: '/a.B/C', headers: { ':path': '/a.B/C', ':authority': 'x', 'x-long': 'y'.repeat(8000) } };
    for (let turn = 0; turn < 60; turn++) {
      for (let i = 0; i < 50; i++) {
        const call = new ProbeCall('x', 60_000, 1000, metadata);
        stuck.push(call);
        upstream.start(call);
        call.insideStart = false;
      }
      await sleep(1);
    }
    const refused = stuck.filter((call) => call.failure !== null);
    expect(refused.length).toBeGreaterThan(100);
    for (const call of refused)
      expect(call).toMatchObject({ endedInsideStart: false, ends: 1, failure: { reason: 'overloaded', code: 8 } });
    expect((stuck.length - refused.length) * 8200).toBeLessThan(mostBacklogBytes + 12_000_000);
    expect(upstream.inFlight).toBe(stuck.length - refused.length);
    world.peer.connections[0]!.socket.resume();
    await until(() => upstream.inFlight === 0, 'the others are answered');
    expect(stuck.every((call) => call.ends === 1)).toBe(true);
    expect((await run(upstream, new ProbeCall('again'))).text).toBe('again');
  });

  it('cuts off a peer that pings without reading the answers', async () => {
    const upstream = world.connect({ keepaliveMs: 60_000 });
    await upstream.ready(1000);
    const { socket } = world.peer.connections[0]!;
    await until(() => world.peer.connections[0]?.frames.length === 3, 'greeting');
    socket.pause();
    const pings = Buffer.concat(Array.from({ length: 20_000 }, () => h2Frame(6, 0, 0, Buffer.alloc(8))));
    for (let i = 0; i < 100 && !socket.destroyed && world.events.every(({ kind }) => kind !== 'disconnected'); i++) {
      socket.write(pings);
      await sleep(2);
    }
    await until(
      () => world.events.some((event) => event.kind === 'disconnected' && event.message.includes('asks more than it reads')),
      'cut off',
    );
  });

  it('takes an answer from a peer that ignores our windows, and no more of it than the call allows', async () => {
    const upstream = world.connect();
    const long = Buffer.alloc(40_000_000, 'w');
    world.peer.onRequest = (socket, streamId, message) => socket.write(answerFrames(streamId, message.length === 1 ? long : message).all);
    const [whole, cut, other] = await Promise.all([
      run(upstream, new ProbeCall('1', 20_000, 50_000_000)),
      run(upstream, new ProbeCall('2', 20_000, 1_000_000)),
      run(upstream, new ProbeCall('other', 20_000)),
    ]);
    expect(Buffer.compare(whole?.answer ?? Buffer.alloc(0), long)).toBe(0);
    expect(cut?.failure).toMatchObject({ reason: 'malformed', code: 8 });
    expect(other?.text).toBe('other');
    expect(world.peer.connections).toHaveLength(1);
  });

  it('fails calls whose connection is lost in the middle of a TLS handshake, and connects again', async () => {
    const { port } = world.peer;
    await world.peer.stop();
    world.peer = await new RawPeer().start({ cert: pem('server.pem'), key: pem('server.key') }, port);
    let losses = 3;
    const proxy = await rawServer((socket) => {
      const out = net.connect(port, '127.0.0.1').on('error', () => {});
      socket.pipe(out);
      const isLost = losses-- > 0;
      out.on('data', (bytes: Buffer) => {
        // Half of what the server says first.
        socket.write(isLost ? bytes.subarray(0, bytes.length >> 1) : bytes);
        if (isLost) setTimeout(() => socket.resetAndDestroy(), 2);
      });
      socket.once('close', () => out.destroy());
    });
    const upstream = world.connect({ port: proxy.port, tls: { ca: pem('ca.pem') }, backoffMs: 5, maxBackoffMs: 20, setAsideMs: 5 });
    expect((await run(upstream, new ProbeCall('x'))).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    await until(() => upstream.addressesUp === 1, 'a connection');
    expect((await run(upstream, new ProbeCall('y'))).text).toBe('y');
    expect(losses).toBeLessThanOrEqual(0);
    await upstream.close(0);
    await proxy.close();
  });

  it('gives the place of a cancelled call away', async () => {
    world.peer.greeting = settingsFrame([3, 1]);
    world.peer.onRequest = (socket, streamId, message) => {
      if (message.toString() !== 'never') normal(socket, streamId, message);
    };
    const upstream = world.connect({ maxConnectionsPerAddress: 1 });
    const never = new ProbeCall('never');
    upstream.start(never);
    await until(() => world.peer.requests === 1);
    const waiting = run(upstream, new ProbeCall('waiting'));
    await sleep(5);
    expect(world.peer.requests).toBe(1);
    upstream.cancel(never);
    expect((await waiting).text).toBe('waiting');
  });

  it('repeats calls that were still in its hands when the connection broke', async () => {
    const upstream = world.connect();
    await run(upstream, new ProbeCall('warm'));
    world.peer.connections[0]!.socket.destroy();
    // The loss is not known here yet; or it is, and the bytes never left.
    const calls = await Promise.all(Array.from({ length: 5 }, (_, i) => run(upstream, new ProbeCall(`${i}`))));
    for (const call of calls) expect(call.ends).toBe(1);
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
  });

  it('leaves with GOAWAY when the upstream is closed', async () => {
    const upstream = world.connect();
    await run(upstream, new ProbeCall('x'));
    await upstream.close(100);
    await until(() => world.peer.connections[0]!.frames.at(-1)?.type === 7, 'GOAWAY');
    expect(world.peer.connections[0]!.frames.at(-1)?.payload).toEqual(uint32(0, 0));
  });

  it('survives the loss of a TLS connection in the middle of an answer', async () => {
    await world.peer.stop();
    world.peer = await new RawPeer().start({ cert: pem('server.pem'), key: pem('server.key') });
    const upstream = world.connect({ tls: { ca: pem('ca.pem') } });
    const long = Buffer.alloc(700_000, 'tls ');
    expect(Buffer.compare((await run(upstream, new ProbeCall(long))).answer ?? Buffer.alloc(0), long)).toBe(0);
    world.peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      const bytes = answerFrames(streamId, message).all;
      socket.write(bytes.subarray(0, bytes.length >> 1));
      setTimeout(() => socket.socket.destroy(), 5);
    };
    const calls = await Promise.all(Array.from({ length: 10 }, () => run(upstream, new ProbeCall(Buffer.alloc(50_000, 'z')))));
    for (const call of calls) expect(call).toMatchObject({ ends: 1, failure: { reason: 'unavailable', code: 14 } });
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
  });
});
