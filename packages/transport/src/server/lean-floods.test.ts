import { afterEach, describe, expect, it } from 'vitest';
import { messageBuffers } from '../buffer-pool.js';
import { createUpstream } from '../client/upstream.js';
import { deadlines } from '../deadline-queue.js';
import { Http2Code } from '../http2/frames.js';
import { slabs } from '../http2/out-slab.js';
import { frame } from '../testing/fault-server.js';
import { ProbeCall, run, until } from '../testing/probe-call.js';
import { RawCaller } from '../testing/raw-caller.js';
import { callHead } from '../testing/server-bench.js';
import { dataFrames, h2Frame, headerFrames, resetFrame, settingsFrame, uint32, windowFrame } from '../testing/wire.js';
import { createOnePort } from './one-port.js';
import type { OnePort, OnePortOptions } from './one-port-options.js';

const path = '/test.Echo/Echo';
const servers: OnePort[] = [];
const callers: RawCaller[] = [];
let refusals: string[] = [];
let ended = 0;
let messages: Uint8Array[] = [];

async function serve(options: Partial<OnePortOptions> = {}): Promise<number> {
  refusals = [];
  ended = 0;
  messages = [];
  const server = createOnePort({
    http2: 'lean',
    hot: [
      {
        path,
        maxMessageBytes: 1_000_000,
        handle: (call) => {
          messages.push(call.message);
          const text = Buffer.from(call.message).toString('latin1');
          const size = text.startsWith('large ') ? Number(text.slice(6)) : 0;
          call.scope.attach({ scopePrevious: null, scopeNext: null, scopeEnded: () => void ended++ });
          if (text === 'never') return;
          const bytes = size > 0 ? Buffer.alloc(size, 7) : call.message;
          call.respond({ byteLength: bytes.length, write: (target, at) => target.set(bytes, at) });
        },
      },
    ],
    listener: (_request, response) => response.end('h1'),
    maxInFlight: 5000,
    onRefused: (reason) => refusals.push(reason),
    ...options,
  });
  servers.push(server);
  return (await server.listen(0, '127.0.0.1')).port;
}

function attack(port: number, ...settings: (readonly [number, number])[]): RawCaller {
  const caller = new RawCaller(port).greet(...settings);
  callers.push(caller);
  return caller;
}

const call = (id: number, text: string) =>
  Buffer.concat([headerFrames(id, callHead, false), dataFrames(id, frame(Buffer.from(text)), true)]);

/** A caller that behaves gets its answer meanwhile and afterwards. */
async function othersAreServed(port: number): Promise<void> {
  const upstream = createUpstream({ name: 'other', host: '127.0.0.1', port });
  expect((await run(upstream, new ProbeCall('fine'))).text).toBe('fine');
  await upstream.close(100);
}

afterEach(async () => {
  for (const caller of callers.splice(0)) caller.socket.destroy();
  for (const server of servers.splice(0)) {
    await until(() => server.connections === 0, 'closed connections');
    expect(server.inFlight).toBe(0);
    server.close();
  }
  await until(() => deadlines.size === 0 && messageBuffers.taken === 0 && slabs.taken === 0, 'empty queues and pools');
});

describe('lean listener: floods', () => {
  it('ends rapid resets: calls are cancelled with their streams', async () => {
    const port = await serve();
    const caller = attack(port);
    let id = -1;
    const pair = () => {
      id += 2;
      return Buffer.concat([call(id, 'never'), resetFrame(id, Http2Code.CANCEL)]);
    };
    for (let i = 0; i < 600 && !caller.isClosed; i++) {
      caller.write(...Array.from({ length: 50 }, pair));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => caller.isClosed, 'end of the connection');
    expect(caller.goaway).toBe(Http2Code.ENHANCE_YOUR_CALM);
    expect(refusals).toContain('flood');
    expect(ended).toBeGreaterThan(10_000);
    expect(servers[0]?.inFlight).toBe(0);
    await othersAreServed(port);
  });

  it.each([
    ['PING', h2Frame(6, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', settingsFrame([4, 100], [4, 200_000])],
    ['empty DATA', h2Frame(0, 0, 1)],
    ['PRIORITY', h2Frame(2, 0, 99, uint32(0, 0).subarray(0, 5))],
    ['WINDOW_UPDATE', windowFrame(1, 1)],
    ['GOAWAY', h2Frame(7, 0, 0, Buffer.alloc(8))],
    ['unknown frame', h2Frame(99, 0, 0)],
  ])('ends a %s flood while others are served', async (_what, bytes) => {
    const port = await serve();
    const caller = attack(port);
    caller.write(headerFrames(1, callHead, false));
    const flood = caller.flood(Buffer.concat(Array.from({ length: 500 }, () => bytes)), 200);
    await othersAreServed(port);
    expect(await flood).toBe(true);
    expect(refusals).toContain('flood');
    await othersAreServed(port);
  });

  it('takes as many WINDOW_UPDATE as large answers need', async () => {
    const port = await serve();
    const caller = attack(port, [4, 2_000_000]);
    const answers = 80;
    let asked = 0;
    let received = 0;
    let opened = 0;
    const goOn = () => {
      for (; asked < answers && asked * 1_000_000 < received + 4_000_000; asked++) caller.write(call(2 * asked + 1, 'large 1000000'));
    };
    caller.socket.on('data', (bytes: Buffer) => {
      received += bytes.length;
      const updates: Buffer[] = [];
      for (; opened + 4096 <= received; opened += 4096) updates.push(windowFrame(0, 4096));
      caller.write(...updates);
      goOn();
    });
    goOn();
    await until(() => caller.isClosed || received > answers * 1_000_000, 'answers');
    expect([caller.goaway, refusals]).toEqual([-1, []]);
    expect(opened / 4096).toBeGreaterThan(15_000);
  });

  it('ends a CONTINUATION flood', async () => {
    const port = await serve();
    const caller = attack(port);
    caller.write(h2Frame(1, 0, 1, callHead));
    expect(await caller.flood(h2Frame(9, 0, 1, Buffer.from([0, 1, 97, 1, 98])), 5000)).toBe(true);
    expect(refusals).toEqual(['headers']);
    await othersAreServed(port);
  });

  it('refuses header bombs one by one, in little memory', async () => {
    const port = await serve();
    const caller = attack(port);
    // One entry of 4 KB in the table, then blocks of 16 KB that name it 16 000 times: 64 MB each.
    const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 0x61)]);
    caller.write(headerFrames(1, Buffer.concat([callHead, entry]), false));
    const bomb = Buffer.concat([callHead, Buffer.alloc(16_000, 0xbe)]);
    const before = process.memoryUsage().rss;
    for (let id = 3; id < 500; id += 2) caller.write(headerFrames(id, bomb, true));
    await until(() => refusals.length >= 249, 'refused requests');
    await othersAreServed(port);
    expect(new Set(refusals)).toEqual(new Set(['headers']));
    expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
    const resets = caller.frames.filter(({ type }) => type === 3).map(({ payload }) => payload.readUInt32BE(0));
    expect(new Set(resets)).toEqual(new Set([Http2Code.ENHANCE_YOUR_CALM]));
  });

  it('ends a caller that plays with windows while many answers wait', async () => {
    const port = await serve();
    const caller = attack(port, [4, 0]);
    caller.write(...Array.from({ length: 200 }, (_, i) => call(2 * i + 1, 'large 5000')));
    await until(() => messages.length === 200, 'calls');
    const flips = Buffer.concat(Array.from({ length: 100 }, (_, i) => settingsFrame([4, i % 2])));
    const flood = caller.flood(flips, 500);
    await othersAreServed(port);
    expect(await flood).toBe(true);
    expect(caller.goaway).toBe(Http2Code.ENHANCE_YOUR_CALM);
    expect(refusals).toContain('flood');
  });

  it('ends a header block that never ends', async () => {
    const port = await serve({ handshakeTimeoutMs: 300 });
    const slow = attack(port);
    slow.write(h2Frame(1, 0, 1, callHead));
    await until(() => slow.isClosed, 'end of the slow block');
    expect(refusals).toEqual(['receive-timeout']);
    expect(slow.goaway).toBe(Http2Code.ENHANCE_YOUR_CALM);
    await othersAreServed(port);
  });

  it('ends a flood of bad streams that it has to reset itself', async () => {
    const port = await serve();
    const caller = attack(port);
    let id = -1;
    for (let i = 0; i < 700 && !caller.isClosed; i++) {
      const bad = Array.from({ length: 50 }, () => {
        id += 2;
        return Buffer.concat([headerFrames(id, callHead, false), windowFrame(id, 0)]);
      });
      caller.write(...bad);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await until(() => caller.isClosed, 'end of the connection');
    expect(refusals).toContain('flood');
  });
});

describe('lean listener: slow callers', () => {
  it('closes who says nothing over HTTP/2, and who says no SETTINGS', async () => {
    const port = await serve({ handshakeTimeoutMs: 100 });
    const half = new RawCaller(port).write(Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'));
    const none = new RawCaller(port);
    callers.push(half, none);
    await until(() => half.isClosed && none.isClosed, 'closed connections');
    expect(refusals).toEqual(['handshake-timeout', 'handshake-timeout']);
  });

  it('gives up requests that trickle, gRPC or not', async () => {
    const port = await serve({ receiveTimeoutMs: 120 });
    const caller = attack(port);
    caller.write(headerFrames(1, callHead, false), h2Frame(0, 0, 1, Buffer.from([0, 0, 0])));
    caller.write(headerFrames(3, Buffer.from([0x82, 0x86, 0x84]), false));
    await until(() => refusals.length === 2, 'refused requests');
    expect(refusals).toEqual(['receive-timeout', 'receive-timeout']);
    await until(() => caller.frames.some(({ type, streamId }) => type === 3 && streamId === 3));
    expect(caller.isClosed).toBe(false);
  });

  it('resets answers that a caller with a zero window never takes, and holds no more than it may', async () => {
    const port = await serve({ sendTimeoutMs: 150, maxUnsentBytesPerConnection: 3_000_000 });
    const caller = attack(port, [4, 0]);
    caller.write(call(1, 'large 900000'), headerFrames(3, Buffer.from([0x82, 0x86, 0x84]), true));
    await until(() => refusals.length === 2, 'resets');
    expect(refusals).toEqual(['slow-reader', 'slow-reader']);
    const resets = () => caller.frames.filter(({ type }) => type === 3).map(({ payload }) => payload.readUInt32BE(0));
    await until(() => resets().length === 2, 'reset streams');
    expect(resets()).toEqual([Http2Code.CANCEL, Http2Code.CANCEL]);
    caller.write(...[5, 7, 9, 11].map((id) => call(id, 'large 900000')));
    await until(() => caller.isClosed, 'closed connection');
    expect(refusals.slice(2)).toContain('slow-reader');
    await othersAreServed(port);
  });

  it('answers a window that opens byte by byte, and one that overflows with the connection’s end', async () => {
    const port = await serve();
    const caller = attack(port, [4, 0]);
    caller.write(call(1, 'hello'));
    for (let i = 0; i < 10; i++) caller.write(windowFrame(1, 1));
    await until(() => caller.frames.some(({ type, flags }) => type === 1 && (flags & 1) === 1), 'trailers');
    expect(Buffer.concat(caller.frames.filter(({ type }) => type === 0).map(({ payload }) => payload))).toEqual(
      frame(Buffer.from('hello')),
    );
    caller.write(windowFrame(0, 0x7fffffff));
    await until(() => caller.isClosed, 'closed connection');
    expect(caller.goaway).toBe(Http2Code.FLOW_CONTROL_ERROR);
  });

  it('closes who does not read its socket at all, and bounds what waits for it', async () => {
    const port = await serve({ sendTimeoutMs: 300 });
    const caller = attack(port, [4, 0x7fffffff]);
    caller.write(windowFrame(0, 0x7fffffff - 65_535));
    await until(() => servers[0]!.connections === 1, 'connection');
    caller.socket.pause();
    for (let id = 1; id < 120; id += 2) caller.write(call(id, 'large 900000'));
    await until(() => servers[0]!.connections === 0, 'closed connection');
    expect(refusals).toContain('slow-reader');
    await othersAreServed(port);
  });

  it('counts what waits in sockets as held: new calls are refused, not memory filled', async () => {
    const port = await serve({ sendTimeoutMs: 2000, maxHeldBytes: 2_000_000 });
    const caller = attack(port, [4, 0x7fffffff]);
    caller.write(windowFrame(0, 0x7fffffff - 65_535));
    caller.socket.pause();
    for (let id = 1; id < 60; id += 2) caller.write(call(id, 'large 900000'));
    await until(() => refusals.includes('held-bytes'), 'refused calls');
    caller.socket.destroy();
    await until(() => servers[0]!.connections === 0, 'closed connection');
    await othersAreServed(port);
  });

  it('does not let a short request pin the long read it came with', async () => {
    const port = await serve();
    attack(port).write(call(1, 'never'), ...Array.from({ length: 3 }, () => h2Frame(99, 0, 0, Buffer.alloc(16_000))), call(3, 'never'));
    await until(() => messages.length === 2, 'calls');
    for (const message of messages) {
      expect(Buffer.from(message).toString()).toBe('never');
      expect(message.buffer.byteLength).toBe('never'.length);
    }
  });
});
