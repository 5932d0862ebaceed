import { describe, expect, it } from 'vitest';
import { frame } from '../testing/fault-server.js';
import { callFields, callHead, greetedServer, ServerBench } from '../testing/server-bench.js';
import { block, dataFrames, h2Frame, headerFrames, resetFrame, settingsFrame, uint32, windowFrame } from '../testing/wire.js';
import { clientPreface, Http2Code } from './frames.js';
import { dataBacklogBytes } from './windows.js';

/** Frames of a stream, made once: only the ids are written for each. */
function stamp(...frames: Buffer[]): (id: number) => Buffer {
  const bytes = Buffer.concat(frames);
  const starts = frames.map((_, i) => Buffer.concat(frames.slice(0, i)).length);
  return (id) => {
    const copy = Buffer.from(bytes);
    for (const at of starts) copy.writeUInt32BE(id, at + 5);
    return copy;
  };
}
const open = (id: number) => headerFrames(id, callHead, false);
const whole = (id: number, text = 'x') => Buffer.concat([open(id), dataFrames(id, Buffer.from(text), true)]);
const without = (name: string) => callFields.filter(([each]) => each !== name);

describe('ServerSession: calls', () => {
  it('greets with SETTINGS and a window, before anything is read', () => {
    const bench = new ServerBench(7);
    const [settings, window] = bench.sent();
    expect([settings?.type, window?.type]).toEqual([4, 8]);
    expect([...settings!.payload.subarray(0, 6)]).toEqual([0, 3, 0, 0, 0, 7]);
    bench.close();
  });

  it('answers in one write of three frames', () => {
    const bench = greetedServer();
    bench.read(whole(1, 'question'));
    bench.answer(1, Buffer.from('answer'));
    bench.out.flush();
    expect(bench.socket.written).toHaveLength(1);
    const frames = bench.sent();
    expect(frames.map(({ type, flags, streamId }) => [type, flags, streamId])).toEqual([
      [1, 4, 1],
      [0, 0, 1],
      [1, 5, 1],
    ]);
    expect(frames[1]?.payload).toEqual(frame(Buffer.from('answer')));
    expect(bench.log).toEqual(['1 POST /test.Echo/Echo', '1 whole question', 'no streams', '1 answered']);
    bench.close();
  });

  it('sends as windows open, one byte at a time when they say so, and the trailers behind the last', () => {
    const bench = greetedServer([[4, 1]]);
    bench.read(whole(1));
    expect(bench.answer(1, Buffer.from('abc'))).toBeGreaterThan(0);
    const parts = bench.sent();
    for (let i = 0; i < 7; i++) {
      expect(bench.ends.size).toBe(0);
      bench.read(windowFrame(1, 1));
      parts.push(...bench.sent());
    }
    expect(parts.filter(({ type }) => type === 0).map(({ payload }) => payload.length)).toEqual([1, 1, 1, 1, 1, 1, 1, 1]);
    expect(Buffer.concat(parts.filter(({ type }) => type === 0).map(({ payload }) => payload))).toEqual(frame(Buffer.from('abc')));
    expect(parts.at(-1)).toMatchObject({ type: 1, flags: 5 });
    expect(bench.log.at(-1)).toBe('1 closed');
    bench.close();
  });

  it('follows windows that SETTINGS change while an answer waits', () => {
    const bench = greetedServer([[4, 0]]);
    bench.read(whole(1));
    bench.answer(1, Buffer.alloc(100));
    expect(bench.sent().map(({ type }) => type)).toEqual([1]);
    bench.read(settingsFrame([4, 50]));
    expect(bench.sent().map(({ type, payload }) => [type, payload.length])).toEqual([
      [4, 0],
      [0, 50],
    ]);
    bench.read(settingsFrame([4, 10]));
    bench.read(windowFrame(1, 40));
    expect(bench.sent().map(({ type }) => type)).toEqual([4]);
    bench.read(windowFrame(1, 100));
    expect(bench.sent().map(({ type, payload }) => [type, payload.length])).toEqual([
      [0, 55],
      [1, expect.any(Number)],
    ]);
    bench.close();
  });

  it('holds DATA back while the socket is full, and sends it when it has drained', () => {
    const bench = greetedServer([[4, 1 << 30]]);
    bench.read(windowFrame(0, 1 << 30));
    bench.socket.takes = false;
    for (let id = 1; id < 80; id += 2) {
      bench.read(whole(id));
      bench.answer(id, Buffer.alloc(100_000));
      bench.out.flush();
    }
    expect(bench.out.backlog).toBeLessThan(dataBacklogBytes + 300_000);
    expect(bench.open.size).toBeGreaterThan(20);
    bench.socket.takes = true;
    for (let i = 0; i < 40 && bench.open.size > 0; i++) {
      bench.socket.drain();
      bench.out.flush();
    }
    expect(bench.open.size).toBe(0);
    bench.close();
  });

  it('tells a caller whose table shrinks that ours is empty, once', () => {
    const bench = greetedServer([[1, 0]]);
    const heads = [1, 3].map((id) => {
      bench.read(whole(id));
      bench.answer(id, Buffer.from('x'));
      return bench.sent().find(({ type }) => type === 1)!.payload[0];
    });
    expect(heads).toEqual([0x20, 0x88]);
    bench.close();
  });

  it('lets a caller go on sending what was answered early, and says that it need not', () => {
    const bench = greetedServer();
    bench.read(open(1));
    bench.answer(1, Buffer.from('enough'));
    expect(bench.verdict()).toEqual({ goaway: null, resets: [[1, Http2Code.NO_ERROR]] });
    bench.read(Buffer.concat([dataFrames(1, Buffer.alloc(40_000), false), headerFrames(1, block(['x', 'y']), true)]));
    expect(bench.verdict()).toEqual({ goaway: null, resets: [] });
    expect(bench.broken).toBeNull();
    bench.close();
  });

  it('gives windows back', () => {
    const bench = greetedServer();
    bench.read(Buffer.concat([open(1), ...Array.from({ length: 40 }, () => h2Frame(0, 0, 1, Buffer.alloc(16_384)))]));
    expect(bench.sent().filter(({ type }) => type === 8)).toMatchObject([{ streamId: 1, payload: uint32(33 * 16_384 - 16_384) }]);
    bench.close();
  });

  it('leaves in two steps: what is on the way is served until the caller has heard', () => {
    const bench = greetedServer();
    bench.read(open(1));
    bench.session.announceLeave();
    const [goaway, ping] = bench.sent();
    expect(goaway?.payload.readUInt32BE(0)).toBe(0x7fffffff);
    bench.read(whole(3));
    bench.read(h2Frame(6, 1, 0, ping!.payload));
    expect(bench.sent().map(({ type, payload }) => [type, payload.readUInt32BE(0)])).toEqual([[7, 3]]);
    bench.read(whole(5));
    expect([...bench.open.keys()]).toEqual([1, 3]);
    bench.read(dataFrames(1, Buffer.from('end'), true));
    for (const id of [1, 3]) bench.answer(id, Buffer.from('bye'));
    expect(bench.broken).toBeNull();
    expect(bench.log).toContain('no streams');
    bench.close();
  });
});

describe('ServerSession: callers that break HTTP/2', () => {
  it.each([
    ['a wrong preface', Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\rX'), Http2Code.PROTOCOL_ERROR],
    ['another first frame than SETTINGS', Buffer.concat([clientPreface, h2Frame(6, 0, 0, Buffer.alloc(8))]), Http2Code.PROTOCOL_ERROR],
    ['an acknowledgement first', Buffer.concat([clientPreface, h2Frame(4, 1, 0)]), Http2Code.PROTOCOL_ERROR],
  ])('ends the connection for %s', (_what, bytes, code) => {
    const bench = new ServerBench();
    bench.read(bytes);
    expect(bench.verdict().goaway).toBe(code);
    bench.close();
  });

  const setting = (id: number, value: number) => settingsFrame([id, value]);
  it.each([
    ['HEADERS of stream 0', headerFrames(0, callHead, true), Http2Code.PROTOCOL_ERROR],
    ['HEADERS of an even stream', headerFrames(2, callHead, true), Http2Code.PROTOCOL_ERROR],
    ['a stream below the last one', Buffer.concat([whole(5), whole(3)]), Http2Code.PROTOCOL_ERROR],
    ['DATA of an idle stream', dataFrames(9, Buffer.from('x'), true), Http2Code.PROTOCOL_ERROR],
    ['DATA of stream 0', h2Frame(0, 0, 0, Buffer.alloc(3)), Http2Code.PROTOCOL_ERROR],
    ['RST_STREAM of an idle stream', resetFrame(9, 8), Http2Code.PROTOCOL_ERROR],
    ['a RST_STREAM of 3 bytes', Buffer.concat([open(1), h2Frame(3, 0, 1, Buffer.alloc(3))]), Http2Code.FRAME_SIZE_ERROR],
    ['WINDOW_UPDATE of an idle stream', windowFrame(9, 1), Http2Code.PROTOCOL_ERROR],
    ['WINDOW_UPDATE by 0', windowFrame(0, 0), Http2Code.PROTOCOL_ERROR],
    ['a WINDOW_UPDATE of 3 bytes', h2Frame(8, 0, 0, Buffer.alloc(3)), Http2Code.FRAME_SIZE_ERROR],
    ['a connection window above 2³¹ − 1', windowFrame(0, 0x7fffffff), Http2Code.FLOW_CONTROL_ERROR],
    ['an initial window above 2³¹ − 1', setting(4, 2 ** 31), Http2Code.FLOW_CONTROL_ERROR],
    [
      'SETTINGS that make an open window overflow',
      Buffer.concat([open(1), windowFrame(1, 100), setting(4, 0x7fffffff)]),
      Http2Code.FLOW_CONTROL_ERROR,
    ],
    ['a frame size below 16384', setting(5, 100), Http2Code.PROTOCOL_ERROR],
    ['push set to 2', setting(2, 2), Http2Code.PROTOCOL_ERROR],
    ['SETTINGS of a stream', h2Frame(4, 0, 1), Http2Code.PROTOCOL_ERROR],
    ['SETTINGS of 5 bytes', h2Frame(4, 0, 0, Buffer.alloc(5)), Http2Code.FRAME_SIZE_ERROR],
    ['an acknowledgement with a payload', h2Frame(4, 1, 0, Buffer.alloc(6)), Http2Code.FRAME_SIZE_ERROR],
    ['PING of a stream', h2Frame(6, 0, 1, Buffer.alloc(8)), Http2Code.PROTOCOL_ERROR],
    ['a PING of 6 bytes', h2Frame(6, 0, 0, Buffer.alloc(6)), Http2Code.FRAME_SIZE_ERROR],
    ['PUSH_PROMISE', h2Frame(5, 4, 1, Buffer.alloc(8)), Http2Code.PROTOCOL_ERROR],
    ['GOAWAY of a stream', h2Frame(7, 0, 1, Buffer.alloc(8)), Http2Code.PROTOCOL_ERROR],
    ['a GOAWAY of 4 bytes', h2Frame(7, 0, 0, Buffer.alloc(4)), Http2Code.FRAME_SIZE_ERROR],
    ['PRIORITY of stream 0', h2Frame(2, 0, 0, Buffer.alloc(5)), Http2Code.PROTOCOL_ERROR],
    ['a PRIORITY of 4 bytes', h2Frame(2, 0, 1, Buffer.alloc(4)), Http2Code.FRAME_SIZE_ERROR],
    ['CONTINUATION of nothing', h2Frame(9, 4, 1, callHead), Http2Code.PROTOCOL_ERROR],
    [
      'a frame within a header block',
      Buffer.concat([h2Frame(1, 0, 1, callHead), h2Frame(6, 0, 0, Buffer.alloc(8))]),
      Http2Code.PROTOCOL_ERROR,
    ],
    ['an unknown frame within a header block', Buffer.concat([h2Frame(1, 0, 1, callHead), h2Frame(99, 0, 0)]), Http2Code.PROTOCOL_ERROR],
    ['CONTINUATION of another stream', Buffer.concat([h2Frame(1, 0, 1, callHead), h2Frame(9, 4, 3)]), Http2Code.PROTOCOL_ERROR],
    ['padding longer than its frame', h2Frame(1, 12, 1, Buffer.from([200, 1, 2])), Http2Code.PROTOCOL_ERROR],
    ['padded DATA without a pad length', Buffer.concat([open(1), h2Frame(0, 8, 1)]), Http2Code.FRAME_SIZE_ERROR],
    ['a header block that is broken', h2Frame(1, 5, 1, Buffer.alloc(20, 0xff)), Http2Code.COMPRESSION_ERROR],
    ['a frame above 16 KiB', h2Frame(0, 0, 1, Buffer.alloc(16_385)), Http2Code.FRAME_SIZE_ERROR],
    ['HEADERS of a stream that has ended', Buffer.concat([whole(1), resetFrame(1, 8), open(1)]), Http2Code.STREAM_CLOSED],
  ])('ends the connection for %s, and every call on it once', (_what, bytes, code) => {
    const bench = greetedServer();
    bench.read(bytes);
    expect(bench.verdict().goaway).toBe(code);
    expect(bench.broken).not.toBeNull();
    bench.close();
  });

  const head = (...fields: (readonly [string, string])[]) => headerFrames(1, block(...fields), true);
  const short = headerFrames(1, block(...callFields, ['content-length', '5']), false);
  it.each([
    ['no :method', head(...without(':method')), Http2Code.PROTOCOL_ERROR],
    ['no :path', head(...without(':path')), Http2Code.PROTOCOL_ERROR],
    ['an empty :path', head(...without(':path'), [':path', '']), Http2Code.PROTOCOL_ERROR],
    ['no :scheme', head(...without(':scheme')), Http2Code.PROTOCOL_ERROR],
    ['a pseudo-header twice', head([':method', 'POST'], ...callFields), Http2Code.PROTOCOL_ERROR],
    ['an unknown pseudo-header', head([':status', '200'], ...callFields), Http2Code.PROTOCOL_ERROR],
    ['a pseudo-header after others', head(...callFields.slice(1), [':method', 'POST']), Http2Code.PROTOCOL_ERROR],
    ['a name in capitals', head(...callFields, ['X-A', '1']), Http2Code.PROTOCOL_ERROR],
    ['a header of HTTP/1.1', head(...callFields, ['connection', 'close']), Http2Code.PROTOCOL_ERROR],
    ['te: gzip', head(...callFields, ['te', 'gzip']), Http2Code.PROTOCOL_ERROR],
    ['a line break in a value', head(...callFields, ['x', 'a\r\nb']), Http2Code.PROTOCOL_ERROR],
    ['a content-length that is none', head(...callFields, ['content-length', 'many']), Http2Code.PROTOCOL_ERROR],
    ['a request that ends before its content-length', head(...callFields, ['content-length', '5']), Http2Code.PROTOCOL_ERROR],
    ['less DATA than announced', Buffer.concat([short, dataFrames(1, Buffer.from('abc'), true)]), Http2Code.PROTOCOL_ERROR],
    ['more DATA than announced', Buffer.concat([short, dataFrames(1, Buffer.from('abcdefg'), true)]), Http2Code.PROTOCOL_ERROR],
    ['trailers with a pseudo-header', Buffer.concat([open(1), headerFrames(1, block([':path', '/']), true)]), Http2Code.PROTOCOL_ERROR],
    ['trailers that do not end the request', Buffer.concat([open(1), headerFrames(1, block(['x', 'y']), false)]), Http2Code.PROTOCOL_ERROR],
    ['DATA behind the end', Buffer.concat([whole(1), dataFrames(1, Buffer.from('x'), false)]), Http2Code.STREAM_CLOSED],
    ['a stream window above 2³¹ − 1', Buffer.concat([open(1), windowFrame(1, 0x7fffffff)]), Http2Code.FLOW_CONTROL_ERROR],
    ['a WINDOW_UPDATE of the stream by 0', Buffer.concat([open(1), windowFrame(1, 0)]), Http2Code.PROTOCOL_ERROR],
    ['a stream that depends on itself', h2Frame(1, 37, 1, Buffer.concat([uint32(1), Buffer.of(3), callHead])), Http2Code.PROTOCOL_ERROR],
    [
      'PRIORITY of an open stream on itself',
      Buffer.concat([open(1), h2Frame(2, 0, 1, Buffer.concat([uint32(1), Buffer.of(3)]))]),
      Http2Code.PROTOCOL_ERROR,
    ],
    ['a header list above 64 KiB', headerFrames(1, block(...callFields, ...longHeaders()), true), Http2Code.ENHANCE_YOUR_CALM],
  ])('resets the stream for %s, and the connection lives on', (_what, bytes, code) => {
    const bench = greetedServer();
    bench.read(bytes);
    expect(bench.verdict()).toEqual({ goaway: null, resets: [[1, code]] });
    bench.read(whole(3, 'fine'));
    expect(bench.log).toContain('3 whole fine');
    expect(bench.broken).toBeNull();
    bench.close();
  });

  it('takes as many streams as it said', () => {
    const bench = greetedServer([], 3);
    bench.read(Buffer.concat([1, 3, 5, 7, 9].map((id) => whole(id))));
    expect(bench.verdict().resets).toEqual([7, 9].map((id) => [id, Http2Code.REFUSED_STREAM]));
    bench.answer(1, Buffer.from('x'));
    bench.read(whole(11));
    expect(bench.verdict().resets).toEqual([]);
    bench.close();
  });
});

/** 33 fields that count as more than 64 KiB together. */
function longHeaders(): (readonly [string, string])[] {
  return Array.from({ length: 33 }, (_, i) => [`x-${i}`, 'a'.repeat(1_960)] as const);
}

describe('ServerSession: floods', () => {
  const flood = (bytes: Buffer, frames: number, before = Buffer.alloc(0)) => {
    const bench = greetedServer();
    bench.read(before);
    const many = Buffer.concat(Array.from({ length: 100 }, () => bytes));
    let sent = 0;
    for (; sent < frames && bench.broken === null; sent += 100) {
      bench.read(many);
      bench.sent();
    }
    return { bench, sent };
  };

  it.each([
    ['PING', h2Frame(6, 0, 0, Buffer.alloc(8))],
    ['SETTINGS', settingsFrame()],
    ['acknowledgements', h2Frame(4, 1, 0)],
    ['PRIORITY', h2Frame(2, 0, 77, Buffer.alloc(5))],
    ['frames of an unknown type', h2Frame(99, 0, 0, Buffer.alloc(10))],
    ['GOAWAY', h2Frame(7, 0, 0, Buffer.alloc(8))],
    ['empty DATA', h2Frame(0, 0, 1)],
    ['DATA that is padding alone', h2Frame(0, 8, 1, Buffer.from([3, 0, 0, 0]))],
    ['WINDOW_UPDATE', windowFrame(1, 1)],
    ['DATA of a stream that has ended', dataFrames(3, Buffer.from('x'), false)],
  ])('ends a connection that floods with %s', (_what, bytes) => {
    const { bench, sent } = flood(bytes, 40_000, Buffer.concat([open(1), whole(3), resetFrame(3, 8)]));
    expect(bench.broken).toBe('too many control frames');
    expect(bench.log).toContain('refused: flood');
    expect(sent).toBeGreaterThanOrEqual(9_000);
    bench.close();
  });

  it('ends a connection that floods with empty DATA of a stream that was cut off', () => {
    const { bench, sent } = flood(
      h2Frame(0, 0, 1),
      40_000,
      Buffer.concat([open(1), windowFrame(1, 0), dataFrames(1, Buffer.from('x'), false)]),
    );
    expect(bench.broken).toBe('too many control frames');
    expect(sent).toBeGreaterThanOrEqual(9_000);
    bench.close();
  });

  it.each([
    ['the caller resets', stamp(open(1), resetFrame(1, 8))],
    ['the caller makes us reset', stamp(open(1), windowFrame(1, 0))],
    ['are malformed', stamp(headerFrames(1, block([':method', 'GET']), true))],
  ])('ends a connection with too many streams that %s', (_what, make) => {
    const bench = greetedServer();
    let id = 1;
    for (; id < 120_000 && bench.broken === null; id += 2) {
      bench.read(make(id));
      if (id % 200 === 1) bench.sent();
    }
    expect(bench.broken).toMatch(/^too many (resets|control frames)$/);
    expect(id).toBeGreaterThan(18_000);
    bench.close();
  });

  it('lets honest callers cancel and ping along with their calls', () => {
    const bench = greetedServer([[4, 1 << 30]]);
    bench.echoes = true;
    const call = stamp(open(1), dataFrames(1, Buffer.from('hey'), true));
    const others = Buffer.concat([h2Frame(6, 0, 0, Buffer.alloc(8)), settingsFrame(), windowFrame(0, 8)]);
    for (let id = 1; id < 20_000; id += 2) {
      bench.read(call(id));
      bench.read(others);
      if (id % 200 === 1) bench.sent();
    }
    expect(bench.ends.size).toBe(10_000);
    expect(bench.broken).toBeNull();
    bench.close();
  });

  it('cuts off a header block in too many or too large frames, empty ones too', () => {
    for (const piece of [Buffer.alloc(0), Buffer.alloc(1), Buffer.alloc(16_000)]) {
      const bench = greetedServer();
      bench.read(h2Frame(1, 0, 1, callHead));
      for (let i = 0; i < 2000 && bench.broken === null; i++) bench.read(h2Frame(9, 0, 1, piece));
      expect(bench.verdict().goaway).toBe(Http2Code.ENHANCE_YOUR_CALM);
      expect(bench.log).toContain('refused: headers');
      bench.close();
    }
  });

  it('reads a header bomb without keeping it', () => {
    const bench = greetedServer();
    // One entry of 4 KB, then blocks that name it 16 000 times: 64 MB of headers in 16 KB.
    const entry = Buffer.concat([Buffer.from([0x40, 1, 0x78, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 0x61)]);
    bench.read(headerFrames(1, Buffer.concat([callHead, entry]), true));
    bench.sent();
    const before = process.memoryUsage().heapUsed;
    for (let id = 3; id < 400; id += 2) bench.read(headerFrames(id, Buffer.concat([callHead, Buffer.alloc(16_000, 0xbe)]), true));
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(30_000_000);
    expect(bench.log.filter((line) => line === 'refused: headers')).toHaveLength(199);
    expect(bench.open.size).toBe(1);
    bench.close();
  });

  it('cuts off a caller that asks without reading', () => {
    const bench = greetedServer();
    bench.socket.takes = false;
    bench.echoes = true;
    const pings = Buffer.concat(Array.from({ length: 20 }, () => h2Frame(6, 0, 0, Buffer.alloc(8))));
    for (let id = 1; id < 200_000 && bench.broken === null; id += 2) {
      bench.read(Buffer.concat([whole(id), windowFrame(0, 6), pings]));
      bench.out.flush();
    }
    expect(bench.broken).toMatch(/asks more than it reads|too many/);
    expect(bench.out.backlog).toBeLessThan(9 * 1024 * 1024);
    bench.close();
  });
});
