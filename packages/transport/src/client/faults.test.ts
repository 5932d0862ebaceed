import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { deadlines } from '../deadline-queue.js';
import { mostBacklogBytes } from '../http2/client-session.js';
import { slabs } from '../http2/out-slab.js';
import { ProbeCall, run, sleep, until } from '../testing/probe-call.js';
import { answerFrames, type PeerSocket, RawPeer } from '../testing/raw-peer.js';
import { block, goawayFrame, h2Frame, headerFrames, resetFrame, settingsFrame, uint32, windowFrame } from '../testing/wire.js';
import { createUpstream, type GrpcUpstream } from './upstream.js';
import type { UpstreamEvent, UpstreamOptions } from './upstream-options.js';

const pem = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url));
let peer: RawPeer;
let protocol: 'lean' | 'node' = 'lean';
const upstreams: GrpcUpstream[] = [];
const events: UpstreamEvent[] = [];

function connect(options: Partial<UpstreamOptions> = {}): GrpcUpstream {
  const upstream = createUpstream({
    name: 'peer',
    protocol,
    host: '127.0.0.1',
    port: peer.port,
    retryRatio: 0,
    onEvent: (event) => events.push(event),
    ...options,
  });
  upstreams.push(upstream);
  return upstream;
}

beforeEach(async () => {
  peer = await new RawPeer().start();
  events.length = 0;
});

afterEach(async () => {
  for (const upstream of upstreams.splice(0)) await upstream.close(0);
  await peer.stop();
  expect(deadlines.size).toBe(0);
  await until(() => messageBuffers.taken === 0 && slabs.taken === 0, 'pools have everything back');
});

/** The same tests over both kinds of connections. */
function describeBoth(title: string, tests: () => void): void {
  describe.each(['lean', 'node'] as const)(`${title}, %s connections`, (kind) => {
    beforeEach(() => {
      protocol = kind;
    });
    tests();
  });
}

const normal = peerAnswer;
function peerAnswer(socket: PeerSocket, streamId: number, message: Buffer): void {
  socket.write(answerFrames(streamId, message).all);
}

// `node:http2` says GOAWAY too, but leaves the socket and its streams open: its calls then end by their deadlines.
describe('a peer that breaks HTTP/2, lean connections', () => {
  beforeEach(() => {
    protocol = 'lean';
  });

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
    const upstream = connect();
    let isBroken = true;
    peer.onRequest = (socket, streamId, message) => {
      if (message.toString() === 'waits') return;
      if (isBroken) socket.write(bytes());
      else normal(socket, streamId, message);
    };
    const calls = await Promise.all([run(upstream, new ProbeCall('waits')), run(upstream, new ProbeCall('breaks'))]);
    for (const call of calls) expect(call).toMatchObject({ ends: 1, failure: { reason: 'unavailable' } });
    isBroken = false;
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
    expect(peer.connections.length).toBe(2);
  });
});

describeBoth('GOAWAY', () => {
  it.each([0, 1, 2, 3])(
    'between the frames of an answer (%s): what the peer processes is answered, the rest is repeated elsewhere',
    async (place) => {
      const upstream = connect();
      let said = false;
      peer.onRequest = (socket, streamId, message) => {
        if (said) return socket.index === 0 ? undefined : normal(socket, streamId, message);
        if (streamId < 3) return;
        said = true;
        const parts = (id: number) => {
          const { head, data, trailers } = answerFrames(id, Buffer.from(`from ${id}`));
          return [head, data, trailers];
        };
        const frames = parts(1);
        frames.splice(place, 0, goawayFrame(1));
        socket.write(...frames);
      };
      const [first, second, third] = await Promise.all([
        run(upstream, new ProbeCall('one')),
        run(upstream, new ProbeCall('two')),
        run(upstream, new ProbeCall('three')),
      ]);
      expect(first?.text).toBe('from 1');
      expect(second?.text).toBe('two');
      expect(third?.text).toBe('three');
      expect(second?.writes).toBe(2);
      await until(() => peer.connections[0]!.socket.readyState !== 'open', 'the old connection is left');
    },
  );

  it('in two steps, as servers do that leave gracefully', async () => {
    const upstream = connect();
    peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      socket.write(goawayFrame(0x7fffffff), h2Frame(6, 0, 0, Buffer.alloc(8)));
      setTimeout(() => socket.write(goawayFrame(streamId), answerFrames(streamId, message).all), 20);
    };
    expect((await run(upstream, new ProbeCall('last one'))).text).toBe('last one');
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
    expect(peer.connections).toHaveLength(2);
  });
});

describeBoth('a proxy that renews its connections', () => {
  it.each([
    ['with GOAWAY after every 7 streams', (socket: PeerSocket) => socket.write(goawayFrame(13))],
    ['that hangs up after GOAWAY', (socket: PeerSocket) => socket.socket.end(goawayFrame(13))],
  ])('%s loses none of many calls in flight', async (_what, renew) => {
    const upstream = connect({ maxConnectionsPerAddress: 2 });
    peer.greeting = settingsFrame([3, 50]);
    peer.onRequest = (socket, streamId, message) => {
      if (streamId > 13) return;
      normal(socket, streamId, message);
      if (streamId === 13) renew(socket);
    };
    const calls = await Promise.all(Array.from({ length: 300 }, (_, i) => run(upstream, new ProbeCall(`${i}`, 20_000))));
    expect(calls.map((call) => call.text)).toEqual(calls.map((_, i) => `${i}`));
    expect(calls.every((call) => call.ends === 1)).toBe(true);
    expect(peer.connections.length).toBeGreaterThanOrEqual(Math.floor(300 / 7));
    expect(Math.max(...calls.map((call) => call.writes))).toBeGreaterThan(4);
  });

  it('or refuses three streams of four, still loses none', async () => {
    const upstream = connect();
    peer.onRequest = (socket, streamId, message) => {
      if (peer.requests % 4 === 0) normal(socket, streamId, message);
      else socket.write(resetFrame(streamId, 7));
    };
    const calls = await Promise.all(Array.from({ length: 30 }, (_, i) => run(upstream, new ProbeCall(`${i}`, 20_000))));
    expect(calls.map((call) => call.text)).toEqual(calls.map((_, i) => `${i}`));
    expect(peer.connections).toHaveLength(1);
  });

  it('answers the calls that were refused before those that came later', async () => {
    const upstream = connect({ maxConnectionsPerAddress: 1 });
    const order: string[] = [];
    peer.greeting = settingsFrame([3, 4]);
    peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) {
        order.push(message.toString());
        normal(socket, streamId, message);
      } else if (streamId === 7) socket.write(goawayFrame(0));
    };
    await Promise.all(Array.from({ length: 12 }, (_, i) => run(upstream, new ProbeCall(`${i}`))));
    if (protocol === 'lean') expect(order).toEqual(Array.from({ length: 12 }, (_, i) => `${i}`));
    else expect(order.slice(0, 4).map(Number).sort()).toEqual([0, 1, 2, 3]);
  });
});

describeBoth('a peer that is difficult', () => {
  it('resets every stream, in a storm', async () => {
    const upstream = connect();
    peer.onRequest = (socket, streamId) => socket.write(resetFrame(streamId, 2));
    const calls = await Promise.all(Array.from({ length: 500 }, () => run(upstream, new ProbeCall('x'))));
    for (const call of calls) expect(call).toMatchObject({ ends: 1, failure: { reason: 'unavailable', code: 13 } });
    peer.onRequest = normal;
    expect((await run(upstream, new ProbeCall('after'))).text).toBe('after');
    expect(peer.connections).toHaveLength(1);
  });

  it('closes its side in the middle of an answer', async () => {
    const upstream = connect();
    peer.onRequest = (socket, streamId, message) => {
      if (socket.index > 0) return normal(socket, streamId, message);
      socket.write(answerFrames(streamId, message).head);
      socket.socket.end();
    };
    expect((await run(upstream, new ProbeCall('x'))).failure).toMatchObject({ reason: 'unavailable', code: 14 });
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('y'))).text).toBe('y');
  });

  it('lowers the number of streams while they are open, and raises it', async () => {
    const upstream = connect({ maxConnectionsPerAddress: 1 });
    let open = 0;
    let most = 0;
    peer.greeting = settingsFrame([3, 8]);
    peer.onRequest = (socket, streamId, message) => {
      open++;
      if (peer.requests === 8) socket.write(settingsFrame([3, 2]));
      if (peer.requests > 16) most = Math.max(most, open);
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
    const upstream = connect();
    peer.greeting = settingsFrame([4, 1]);
    const body = Buffer.from(Array.from({ length: 700 }, (_, i) => i));
    const call = await run(upstream, new ProbeCall(body));
    expect(Buffer.compare(call.answer ?? Buffer.alloc(0), body)).toBe(0);
  });

  it('answers before it has read the request, and does not read the rest', async () => {
    const upstream = connect();
    peer.opensWindows = false;
    peer.greeting = settingsFrame([4, 100]);
    peer.onFrame = (socket, { type, streamId }) => {
      if (type === 1)
        socket.write(headerFrames(streamId, block([':status', '200'], ['content-type', 'application/grpc'], ['grpc-status', '8']), true));
    };
    const call = await run(upstream, new ProbeCall(Buffer.alloc(5000)));
    expect(call.failure).toMatchObject({ reason: 'overloaded', code: 8 });
    await until(() => peer.connections[0]!.frames.some(({ type }) => type === 3), 'reset');
    expect(peer.connections).toHaveLength(1);
  });

  it('never reads a request that was cancelled', async () => {
    const upstream = connect();
    peer.opensWindows = false;
    peer.greeting = settingsFrame([4, 10]);
    const call = new ProbeCall(Buffer.alloc(200_000));
    upstream.start(call);
    await until(() => peer.connections[0]?.frames.some(({ type }) => type === 0) === true, 'first DATA');
    upstream.cancel(call);
    await until(() => peer.connections[0]!.frames.some(({ type, payload }) => type === 3 && payload.equals(uint32(8))), 'CANCEL');
    expect(messageBuffers.taken).toBe(0);
  });
});

describe('a connection of the lean kind', () => {
  beforeEach(() => {
    protocol = 'lean';
  });

  it('refuses calls as overloaded while its peer does not read, and none of them is held', async () => {
    peer.greeting = Buffer.concat([settingsFrame([4, 0x7fffffff]), windowFrame(0, 0x7fff0000 - 65_535)]);
    const upstream = connect({ maxInFlight: 100_000, maxQueuedBytes: 1 << 30, keepaliveMs: 60_000 });
    await upstream.ready(1000);
    await until(() => peer.connections[0]?.frames.length === 3, 'greeting');
    peer.connections[0]!.socket.pause();
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
    peer.connections[0]!.socket.resume();
    await until(() => upstream.inFlight === 0, 'the others are answered');
    expect(stuck.every((call) => call.ends === 1)).toBe(true);
    expect((await run(upstream, new ProbeCall('again'))).text).toBe('again');
  });

  it('cuts off a peer that pings without reading the answers', async () => {
    const upstream = connect({ keepaliveMs: 60_000 });
    await upstream.ready(1000);
    const { socket } = peer.connections[0]!;
    await until(() => peer.connections[0]?.frames.length === 3, 'greeting');
    socket.pause();
    const pings = Buffer.concat(Array.from({ length: 20_000 }, () => h2Frame(6, 0, 0, Buffer.alloc(8))));
    for (let i = 0; i < 100 && !socket.destroyed && events.every(({ kind }) => kind !== 'disconnected'); i++) {
      socket.write(pings);
      await sleep(2);
    }
    await until(
      () => events.some((event) => event.kind === 'disconnected' && event.message.includes('asks more than it reads')),
      'cut off',
    );
  });

  it('gives the place of a cancelled call away', async () => {
    peer.greeting = settingsFrame([3, 1]);
    peer.onRequest = (socket, streamId, message) => {
      if (message.toString() !== 'never') normal(socket, streamId, message);
    };
    const upstream = connect({ maxConnectionsPerAddress: 1 });
    const never = new ProbeCall('never');
    upstream.start(never);
    await until(() => peer.requests === 1);
    const waiting = run(upstream, new ProbeCall('waiting'));
    await sleep(5);
    expect(peer.requests).toBe(1);
    upstream.cancel(never);
    expect((await waiting).text).toBe('waiting');
  });

  it('repeats calls that were still in its hands when the connection broke', async () => {
    const upstream = connect();
    await run(upstream, new ProbeCall('warm'));
    peer.connections[0]!.socket.destroy();
    // The loss is not known here yet; or it is, and the bytes never left.
    const calls = await Promise.all(Array.from({ length: 5 }, (_, i) => run(upstream, new ProbeCall(`${i}`))));
    for (const call of calls) expect(call.ends).toBe(1);
    await until(() => upstream.addressesUp === 1);
    expect((await run(upstream, new ProbeCall('next'))).text).toBe('next');
  });

  it('leaves with GOAWAY when the upstream is closed', async () => {
    const upstream = connect();
    await run(upstream, new ProbeCall('x'));
    await upstream.close(100);
    await until(() => peer.connections[0]!.frames.at(-1)?.type === 7, 'GOAWAY');
    expect(peer.connections[0]!.frames.at(-1)?.payload).toEqual(uint32(0, 0));
  });

  it('survives the loss of a TLS connection in the middle of an answer', async () => {
    await peer.stop();
    peer = await new RawPeer().start({ cert: pem('server.pem'), key: pem('server.key') });
    const upstream = connect({ tls: { ca: pem('ca.pem') } });
    const long = Buffer.alloc(700_000, 'tls ');
    expect(Buffer.compare((await run(upstream, new ProbeCall(long))).answer ?? Buffer.alloc(0), long)).toBe(0);
    peer.onRequest = (socket, streamId, message) => {
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
