import { describe, expect, it } from 'vitest';
import { frame as grpcFrame } from '../testing/fault-server.js';
import { HpackEncoder } from '../testing/hpack-encoder.js';
import { ProbeCall } from '../testing/probe-call.js';
import { Bench, greetedBench } from '../testing/session-bench.js';
import {
  block,
  type CutFrame,
  dataFrames,
  h2Frame,
  headerFrames,
  resetFrame,
  settingsAck,
  settingsFrame,
  uint32,
  windowFrame,
} from '../testing/wire.js';
import { Http2Code } from './frames.js';
import { slabBytes } from './out-slab.js';
import { dataBacklogBytes } from './windows.js';

const head = block([':status', '200'], ['content-type', 'application/grpc']);
const trailers = block(['grpc-status', '0']);
const answer = (id: number, text: string) =>
  Buffer.concat([headerFrames(id, head, false), dataFrames(id, grpcFrame(Buffer.from(text)), false), headerFrames(id, trailers, true)]);

describe('ClientSession: requests', () => {
  it('greets with preface, SETTINGS and a window', () => {
    const bench = new Bench();
    const frames = bench.sent();
    expect(frames.map((frame) => [frame.type, frame.streamId, frame.payload.length])).toEqual([
      [4, 0, 24],
      [8, 0, 4],
    ]);
    bench.close();
  });

  it('sends a short request as HEADERS and one DATA frame, in one write', () => {
    const bench = greetedBench();
    bench.start('abc');
    bench.start('');
    bench.out.flush();
    expect(bench.socket.written).toHaveLength(1);
    const frames = bench.sent();
    expect(frames.map(({ type, flags, streamId }) => [type, flags, streamId])).toEqual([
      [1, 4, 1],
      [0, 1, 1],
      [1, 4, 3],
      [0, 1, 3],
    ]);
    expect(frames[1]?.payload).toEqual(grpcFrame(Buffer.from('abc')));
    expect(frames[3]?.payload).toEqual(grpcFrame(Buffer.alloc(0)));
    bench.close();
  });

  it.each([
    ['as few frames as the peer allows', [[4, 1 << 20]], 16_384],
    [
      'larger frames when the peer allows them',
      [
        [4, 1 << 20],
        [5, 50_000],
      ],
      50_000,
    ],
  ] as [string, [number, number][], number][])('cuts a long message into %s', (_what, settings, size) => {
    const bench = greetedBench(...settings);
    bench.read(windowFrame(0, 1 << 20));
    for (const length of [size - 6, size - 5, size - 4, 2 * size, 110_000, 131_000, 200_000, 400_000]) {
      const body = Buffer.from(Array.from({ length }, (_, i) => i * 7));
      bench.read(windowFrame(0, length + 5));
      bench.start(body);
      const frames = bench.sent().filter(({ type }) => type === 0);
      expect(frames).toHaveLength(Math.ceil((length + 5) / size));
      expect(frames.every(({ payload }, i) => i === frames.length - 1 || payload.length === size)).toBe(true);
      expect(frames.map(({ flags }) => flags)).toEqual(frames.map((_, i) => (i === frames.length - 1 ? 1 : 0)));
      expect(Buffer.concat(frames.map(({ payload }) => payload)).equals(grpcFrame(body))).toBe(true);
    }
    bench.close();
  });

  it('cuts long headers into CONTINUATION frames', () => {
    const bench = greetedBench();
    const long = new ProbeCall('x', Number.POSITIVE_INFINITY, 100, {
      path: '/a.B/C',
      headers: { ':path': '/a.B/C', ':authority': 'x', 'x-long': 'y'.repeat(40_000) },
    });
    bench.session.start(long);
    const frames = bench.sent();
    expect(frames.map(({ type, flags, payload }) => [type, flags, payload.length > 16_384])).toEqual([
      [1, 0, false],
      [9, 0, false],
      [9, 4, false],
      [0, 1, false],
    ]);
    bench.close();
  });

  it('tells a peer without a header table that ours is empty, once', () => {
    const bench = greetedBench([1, 0]);
    bench.start();
    bench.start();
    const [first, second] = bench.sent().filter(({ type }) => type === 1);
    expect(first?.payload[0]).toBe(0x20);
    expect(second?.payload).toEqual(first?.payload.subarray(1));
    bench.read(settingsFrame([1, 100]));
    bench.start();
    expect(bench.sent().find(({ type }) => type === 1)?.payload[0]).toBe(0x83);
    bench.close();
  });

  it('tells so too where the peer took the table away and gave it back in one frame', () => {
    const bench = greetedBench([1, 0], [1, 4096]);
    bench.start();
    expect(bench.sent().find(({ type }) => type === 1)?.payload[0]).toBe(0x20);
    bench.close();
  });

  it('waits for the windows of stream and connection', () => {
    const bench = greetedBench([4, 10]);
    bench.start('0123456789');
    const data = () =>
      bench
        .sent()
        .filter(({ type }) => type === 0)
        .map(({ payload, flags }) => [payload.length, flags]);
    expect(data()).toEqual([[10, 0]]);
    bench.read(windowFrame(1, 3));
    expect(data()).toEqual([[3, 0]]);
    bench.read(settingsFrame([4, 5]));
    bench.read(windowFrame(1, 4));
    expect(data()).toEqual([]);
    bench.read(settingsFrame([4, 7]));
    expect(data()).toEqual([[1, 0]]);
    bench.read(windowFrame(1, 99));
    expect(data()).toEqual([[1, 1]]);
    bench.read(settingsFrame([4, 1 << 20]));
    bench.start(Buffer.alloc(65_535 - 15 - 5 - 1));
    expect(data().reduce((sum, [length]) => sum + Number(length), 0)).toBe(65_535 - 15 - 1);
    bench.start('ab');
    expect(data()).toEqual([[1, 0]]);
    bench.start('cd');
    expect(data()).toEqual([]);
    bench.read(windowFrame(0, 8));
    expect(data()).toEqual([
      [6, 1],
      [2, 0],
    ]);
    bench.read(windowFrame(0, 100));
    expect(data()).toEqual([[5, 1]]);
    bench.close();
  });

  it('keeps DATA back while the socket is full', () => {
    const bench = greetedBench([4, 0x7fffffff]);
    bench.read(windowFrame(0, 0x7fffffff - 65_535));
    bench.socket.takes = false;
    for (let i = 0; i < 10; i++) bench.start(Buffer.alloc(500_000, i));
    bench.out.flush();
    expect(bench.socket.writableLength).toBeLessThan(dataBacklogBytes + slabBytes);
    let bytes = bench.socket.written.reduce((sum, { length }) => sum + length, 0);
    for (let turn = 0; turn < 20 && bytes < 5_000_000; turn++) {
      bench.socket.drain();
      bench.out.flush();
      bytes = bench.socket.written.reduce((sum, { length }) => sum + length, 0);
    }
    const data = new Map<number, Buffer[]>();
    for (const { type, streamId, payload } of bench.sent()) if (type === 0) data.set(streamId, [...(data.get(streamId) ?? []), payload]);
    expect([...data.values()].map((parts) => Buffer.concat(parts).length)).toEqual(Array.from({ length: 10 }, () => 500_005));
    [...data.values()].forEach((parts, i) => expect(Buffer.concat(parts).subarray(5).equals(Buffer.alloc(500_000, i))).toBe(true));
    bench.close();
  });

  it('goes on by itself with DATA that one turn had no room for, when the socket takes everything', async () => {
    const bench = greetedBench([4, 0x7fffffff]);
    bench.read(windowFrame(0, 0x7fffffff - 65_535));
    for (let i = 0; i < 10; i++) bench.start(Buffer.alloc(500_000, i));
    const sent = () => bench.socket.written.reduce((sum, { length }) => sum + length, 0);
    for (let turn = 0; turn < 50 && sent() < 5_000_000; turn++) await new Promise((resolve) => setImmediate(resolve));
    expect(sent()).toBeGreaterThan(5_000_000);
    bench.close();
  });

  it('puts nothing when a body cannot be written', () => {
    const bench = greetedBench();
    for (const size of [10, 300_000]) {
      const call = new ProbeCall(Buffer.alloc(size));
      call.write = () => {
        throw new Error('no such column');
      };
      expect(() => bench.session.start(call)).toThrow('no such column');
    }
    expect(bench.sent()).toEqual([]);
    bench.start('fine');
    expect(bench.sent().map(({ streamId }) => streamId)).toEqual([1, 1]);
    bench.close();
  });
});

describe('ClientSession: answers', () => {
  it('reads many at once, each its own', () => {
    const bench = greetedBench();
    for (let i = 0; i < 600; i++) bench.start();
    const ids = Array.from({ length: 600 }, (_, i) => 2 * i + 1).reverse();
    bench.read(Buffer.concat(ids.map((id) => answer(id, `to ${id}`))), [1000]);
    expect(bench.log.slice(1)).toEqual(ids.map((id) => `${id} status 0 "to ${id}"`));
    bench.close();
  });

  it('keeps a message that came before its trailers', () => {
    const bench = greetedBench();
    bench.start();
    const bytes = answer(1, 'held');
    const cut = bytes.length - h2Frame(1, 5, 1, trailers).length;
    bench.read(bytes.subarray(0, cut));
    expect(bench.pool.taken).toBe(1);
    bench.read(bytes.subarray(cut));
    expect(bench.log.at(-1)).toBe('1 status 0 "held"');
    bench.close();
  });

  it('gives windows back in large portions, before they are used up', () => {
    const bench = greetedBench();
    for (let i = 0; i < 6; i++) bench.start('x', 1 << 30);
    bench.sent();
    const chunk = Buffer.alloc(16_384);
    bench.read(Buffer.concat([1, 3, 5, 7, 9].map((id) => headerFrames(id, head, false))));
    bench.read(Buffer.concat([1, 3, 5, 7, 9].map((id) => h2Frame(0, 0, id, Buffer.concat([Buffer.of(0), uint32(1 << 29)])))));
    let updates: CutFrame[] = [];
    for (let i = 0; i < 2000; i++) {
      bench.read(h2Frame(0, 0, 1, chunk));
      updates = [...updates, ...bench.sent()];
    }
    expect(updates.every(({ type }) => type === 8)).toBe(true);
    const granted = (id: number) => updates.filter(({ streamId }) => streamId === id).map(({ payload }) => payload.readUInt32BE());
    expect(granted(1).length).toBeLessThanOrEqual(4);
    expect(granted(0).length).toBeLessThanOrEqual(4);
    const outstanding = 2000 * 16_384 - granted(1).reduce((sum, each) => sum + each, 0);
    expect(outstanding).toBeLessThan(8 << 20);
    expect(outstanding).toBeGreaterThan(-5);
    bench.close();
  });

  it('goes on after a stream it reset: DATA and headers on the way do no harm', () => {
    const bench = greetedBench();
    const first = bench.start();
    bench.start();
    const encoder = new HpackEncoder(4096, () => 3);
    const fields = [
      [':status', '200'],
      ['content-type', 'application/grpc'],
      ['x-added', 'once'],
    ] as const;
    const one = encoder.encode(fields);
    bench.session.reset(first, Http2Code.CANCEL);
    first.call = null;
    bench.read(Buffer.concat([headerFrames(1, one, false), dataFrames(1, Buffer.alloc(40_000), true)]));
    bench.read(
      Buffer.concat([
        headerFrames(3, encoder.encode(fields), false),
        dataFrames(3, grpcFrame(Buffer.from('ok')), false),
        headerFrames(3, trailers, true),
      ]),
    );
    expect(bench.log).toEqual(['greeted', '3 status 0 "ok"']);
    bench.close();
  });

  it('answers pings, and knows the answer to its own', () => {
    const bench = greetedBench();
    bench.read(h2Frame(6, 0, 0, Buffer.from('12345678')));
    bench.session.ping();
    const [pong, ping] = bench.sent();
    expect([pong?.type, pong?.flags, pong?.payload.toString()]).toEqual([6, 1, '12345678']);
    bench.read(h2Frame(6, 1, 0, Buffer.from('somebody')));
    expect(bench.log).toEqual(['greeted']);
    bench.read(h2Frame(6, 1, 0, ping!.payload));
    expect(bench.log).toEqual(['greeted', 'pong']);
    bench.close();
  });

  const stream = 1;
  it.each([
    ['DATA before headers', dataFrames(stream, Buffer.from('x'), false), 1],
    ['trailers that do not end the stream', Buffer.concat([headerFrames(stream, head, false), headerFrames(stream, trailers, false)]), 1],
    ['trailers with a status line', Buffer.concat([headerFrames(stream, head, false), headerFrames(stream, head, true)]), 1],
    ['headers without :status', headerFrames(stream, trailers, true), 1],
    ['informational headers at the end', headerFrames(stream, block([':status', '100']), true), 1],
    ['capitals in a name', headerFrames(stream, block([':status', '200'], ['X-Up', '1']), false), 1],
    ['an unknown pseudo-header', headerFrames(stream, block([':status', '200'], [':path', '/']), false), 1],
    ['a pseudo-header after others', headerFrames(stream, block(['a', 'b'], [':status', '200']), false), 1],
    ['two :status', headerFrames(stream, block([':status', '200'], [':status', '200']), false), 1],
    ['a connection header', headerFrames(stream, block([':status', '200'], ['connection', 'close']), false), 1],
    ['a line break in a value', headerFrames(stream, block([':status', '200'], ['a', 'b\r\nc']), false), 1],
    ['a window update by 0', windowFrame(stream, 0), 1],
    ['a window above 2³¹ − 1', Buffer.concat([windowFrame(stream, 0x7fffffff), windowFrame(stream, 1)]), 3],
    [
      'headers above the limit',
      headerFrames(stream, block([':status', '200'], ...Array.from({ length: 2000 }, (_, i) => [`h${i}`, ''] as const)), false),
      1,
    ],
  ])('resets the stream of %s, and only that', (_what, bytes, code) => {
    const bench = greetedBench();
    bench.start();
    bench.start();
    bench.sent();
    bench.read(bytes);
    expect(bench.broken).toBeNull();
    expect(bench.log.at(-1)).toMatch(/^1 malformed /);
    expect(bench.sent().find(({ type }) => type === 3)).toMatchObject({ streamId: 1, payload: uint32(code) });
    bench.read(answer(3, 'other'));
    expect(bench.log.at(-1)).toBe('3 status 0 "other"');
    bench.close();
  });

  it.each([
    ['a first frame that is not SETTINGS', null, h2Frame(6, 0, 0, Buffer.alloc(8)), 1],
    ['a first frame that acknowledges SETTINGS', null, settingsAck, 1],
    ['HTTP/1.1', null, Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'), 6],
    ['SETTINGS of a stream', 0, h2Frame(4, 0, 1), 1],
    ['SETTINGS of a strange length', 0, h2Frame(4, 0, 0, Buffer.alloc(7)), 6],
    ['an acknowledgement with a payload', 0, h2Frame(4, 1, 0, Buffer.alloc(6)), 6],
    ['an initial window above 2³¹ − 1', 0, settingsFrame([4, 2 ** 31]), 3],
    ['a frame size below the least', 0, settingsFrame([5, 16_383]), 1],
    ['a frame size above the most', 0, settingsFrame([5, 2 ** 24]), 1],
    ['push that is switched on', 0, settingsFrame([2, 1]), 1],
    [
      'an initial window that makes another one too large',
      0,
      Buffer.concat([windowFrame(1, 0x7fffffff - 70_000), settingsFrame([4, 0x7fffffff])]),
      3,
    ],
    ['a window of the connection above 2³¹ − 1', 0, windowFrame(0, 0x7fffffff), 3],
    ['a window update of the connection by 0', 0, windowFrame(0, 0), 1],
    ['a window update of a stream that was never opened', 0, windowFrame(99, 1), 1],
    ['a window update of a strange length', 0, h2Frame(8, 0, 0, Buffer.alloc(5)), 6],
    ['HEADERS of no stream', 0, headerFrames(0, head, true), 1],
    ['HEADERS of a stream that was never opened', 0, headerFrames(99, head, true), 1],
    ['HEADERS of a pushed stream', 0, headerFrames(2, head, true), 1],
    ['DATA of no stream', 0, h2Frame(0, 0, 0, Buffer.from('x')), 1],
    ['DATA of a stream that was never opened', 0, h2Frame(0, 0, 99, Buffer.from('x')), 1],
    ['more padding than headers', 0, h2Frame(1, 12, 1, Buffer.of(5, 1)), 1],
    ['a reset of no stream', 0, resetFrame(0, 8), 1],
    ['a reset of a stream that was never opened', 0, resetFrame(99, 8), 1],
    ['a reset of a strange length', 0, h2Frame(3, 0, 1, Buffer.alloc(3)), 6],
    ['a ping of a stream', 0, h2Frame(6, 0, 1, Buffer.alloc(8)), 1],
    ['a ping of a strange length', 0, h2Frame(6, 0, 0, Buffer.alloc(7)), 6],
    ['GOAWAY of a stream', 0, h2Frame(7, 0, 1, Buffer.alloc(8)), 1],
    ['a short GOAWAY', 0, h2Frame(7, 0, 0, Buffer.alloc(7)), 6],
    ['PUSH_PROMISE', 0, h2Frame(5, 4, 1, Buffer.alloc(4)), 1],
    ['PRIORITY of no stream', 0, h2Frame(2, 0, 0, Buffer.alloc(5)), 1],
    ['PRIORITY of a strange length', 0, h2Frame(2, 0, 1, Buffer.alloc(4)), 6],
    ['CONTINUATION of nothing', 0, h2Frame(9, 4, 1, head), 1],
    ['another frame within a header block', 0, Buffer.concat([h2Frame(1, 0, 1, head), h2Frame(6, 0, 0, Buffer.alloc(8))]), 1],
    ['an extension within a header block', 0, Buffer.concat([h2Frame(1, 0, 1, head), h2Frame(77, 0, 0)]), 1],
    ['DATA within a header block', 0, Buffer.concat([h2Frame(1, 0, 1, head), h2Frame(0, 0, 1)]), 1],
    ['CONTINUATION of another stream', 0, Buffer.concat([h2Frame(1, 0, 1, head), h2Frame(9, 4, 3, head)]), 1],
    ['CONTINUATION without end', 0, Buffer.concat([h2Frame(1, 0, 1), ...Array.from({ length: 1100 }, () => h2Frame(9, 0, 1))]), 11],
    [
      'a header block without end',
      0,
      Buffer.concat([h2Frame(1, 0, 1), ...Array.from({ length: 5 }, () => h2Frame(9, 0, 1, Buffer.alloc(16_000)))]),
      11,
    ],
    ['a broken header block', 0, headerFrames(1, Buffer.of(0xbf), false), 9],
    ['a broken header block of a stream that is gone', 0, Buffer.concat([resetFrame(1, 8), headerFrames(1, Buffer.of(0xbf), false)]), 9],
  ] as [string, number | null, Buffer, number][])('gives up a connection with %s', (_what, greeting, bytes, code) => {
    const bench = greeting === null ? new Bench() : greetedBench();
    if (greeting !== null) {
      bench.start();
      bench.start();
    }
    bench.sent();
    bench.read(bytes);
    expect(bench.broken).not.toBeNull();
    const goaway = bench.sent().at(-1);
    expect([goaway?.type, goaway?.payload]).toEqual([7, uint32(0, code)]);
    bench.session.feed(answer(3, 'too late'), 0, 40);
    bench.close();
    expect(bench.ends.get(3) ?? 1).toBe(1);
    expect(bench.log.filter((line) => line.includes('too late'))).toEqual([]);
  });
});
