import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../testing/probe-call.js';
import { discardRest, type OnData, type OnRead, readInPlace, readStreamInPlace } from './read-in-place.js';

const testdata = (name: string) => readFileSync(new URL(`../testdata/${name}`, import.meta.url));
const open: { close(): void }[] = [];
afterEach(() => {
  for (const each of open.splice(0)) each.close();
});

/** A server whose sockets are read in place from when `begin` is called, and a client of it. */
async function connect(isTls: boolean, onRead: OnRead) {
  const sockets: net.Socket[] = [];
  const streamed: Buffer[] = [];
  const take = (socket: net.Socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
  };
  const server = isTls
    ? tls.createServer({ cert: testdata('server.pem'), key: testdata('server.key') }, take)
    : net.createServer({ pauseOnConnect: false }, take);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as net.AddressInfo;
  const client = isTls
    ? tls.connect({ port, host: '127.0.0.1', ca: testdata('ca.pem'), servername: 'localhost' })
    : net.connect(port, '127.0.0.1');
  client.on('error', () => {});
  open.push(server, { close: () => client.destroy() });
  await once(client, isTls ? 'secureConnect' : 'connect');
  await until(() => sockets.length === 1, 'accepted socket');
  const [socket] = sockets as [net.Socket];
  const begin = () => {
    socket.on('data', (chunk: Buffer) => streamed.push(chunk));
    return readInPlace(socket, onRead);
  };
  return { client, socket, streamed, begin };
}

describe.each([
  ['plaintext', false],
  ['TLS', true],
])('readInPlace, %s', (_what, isTls) => {
  it('does it on this Node: everything arrives in order, in one buffer, and the end is told', async () => {
    const parts: Buffer[] = [];
    const buffers = new Set<ArrayBufferLike>();
    const { client, socket, streamed, begin } = await connect(isTls, (bytes, length) => {
      buffers.add(bytes.buffer);
      parts.push(Buffer.from(bytes.subarray(0, length)));
    });
    expect(begin()).toBe(true);
    const sent = Buffer.alloc(3_000_000, 0);
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
    for (let at = 0; at < sent.length; at += 70_001) client.write(sent.subarray(at, at + 70_001));
    client.end();
    await once(socket, 'end');
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
    expect(streamed).toEqual([]);
    expect(buffers.size).toBe(1);
    expect(socket.bytesRead).toBeGreaterThanOrEqual(sent.length);
  });

  it('has what was read before come first, as data', async () => {
    const order: string[] = [];
    const { client, socket, begin } = await connect(isTls, (bytes, length) =>
      order.push(`in place ${bytes.toString('latin1', 0, length)}`),
    );
    socket.unshift(Buffer.from('early'));
    socket.on('data', (chunk: Buffer) => order.push(`data ${chunk}`));
    socket.pause();
    begin();
    client.write('late');
    await until(() => order.length === 2, 'both');
    expect(order).toEqual(['data early', 'in place late']);
  });

  it('is written to and closed as before', async () => {
    const { client, socket, begin } = await connect(isTls, () => socket.end('bye'));
    begin();
    client.write('x');
    const [answer] = await once(client, 'data');
    expect(String(answer)).toBe('bye');
    client.destroy();
    await once(socket, 'close');
  });
});

describe('readInPlace', () => {
  it('leaves a socket alone that is made in another way', () => {
    const useUserBuffer = () => {
      throw new Error('was called');
    };
    const full = { [Symbol('kBuffer')]: null, [Symbol('kBufferCb')]: null, [Symbol('kBufferGen')]: null };
    const sockets = [
      {},
      { _handle: { useUserBuffer } },
      { ...full },
      { ...full, _handle: null },
      { ...full, _handle: {} },
      { [Symbol('kBuffer')]: null, [Symbol('kBufferCb')]: null, _handle: { useUserBuffer } },
      { [Symbol('kBuffer')]: Buffer.alloc(1), [Symbol('kBufferCb')]: null, [Symbol('kBufferGen')]: null, _handle: { useUserBuffer } },
    ];
    for (const socket of sockets) {
      const before = Reflect.ownKeys(socket).map((key) => (socket as Record<string | symbol, unknown>)[key]);
      expect(readInPlace(socket as unknown as net.Socket, () => {})).toBe(false);
      expect(Reflect.ownKeys(socket).map((key) => (socket as Record<string | symbol, unknown>)[key])).toEqual(before);
    }
  });
});

/** A server on `node:http2` that has what it is told done to each stream, and a client of it. */
async function connectHttp2(onStream: (stream: http2.ServerHttp2Stream) => void) {
  const server = http2.createServer({ settings: { initialWindowSize: 1 << 20 } });
  server.on('session', (session) => session.setLocalWindowSize(1 << 24));
  server.on('stream', (stream) => {
    stream.on('error', () => {});
    onStream(stream);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const session = http2.connect(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`);
  session.on('error', () => {});
  open.push(server, { close: () => session.destroy() });
  await once(session, 'remoteSettings');
  const ask = async (body: Buffer, pieces = 1) => {
    const stream = session.request({ ':method': 'POST', ':path': '/' });
    stream.on('error', () => {});
    const piece = Math.ceil(body.length / pieces);
    for (let at = 0; at < body.length; at += piece) stream.write(body.subarray(at, at + piece));
    stream.end();
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    await once(stream, 'close');
    return { answer: String(Buffer.concat(chunks)), code: stream.rstCode };
  };
  return { ask, session };
}

const answerWith = (stream: http2.ServerHttp2Stream, text: string) => {
  stream.respond({ ':status': 200 });
  stream.end(text);
};

describe('readStreamInPlace', () => {
  it('does it on this Node: everything arrives in order, in one buffer, and the end is told', async () => {
    const parts: Buffer[] = [];
    const buffers = new Set<ArrayBufferLike>();
    const done: boolean[] = [];
    let asData = 0;
    const onData: OnData = (length, bytes) => {
      buffers.add(bytes.buffer);
      parts.push(Buffer.from(bytes.subarray(0, length)));
      return true;
    };
    const { ask } = await connectHttp2((stream) => {
      done.push(readStreamInPlace(stream, onData));
      stream.read(0);
      const push = stream.push.bind(stream);
      stream.push = (chunk, encoding) => {
        if (chunk !== null) asData++;
        return push(chunk, encoding);
      };
      stream.on('end', () => answerWith(stream, 'all'));
    });
    const sent = Buffer.alloc(3_000_000, 0);
    for (let at = 0; at < sent.length; at += 4) sent.writeUInt32LE(at, at);
    expect(await ask(sent, 43)).toEqual({ answer: 'all', code: 0 });
    expect(await ask(Buffer.alloc(0))).toEqual({ answer: 'all', code: 0 });
    expect(done).toEqual([true, true]);
    expect(Buffer.concat(parts).equals(sent)).toBe(true);
    expect(buffers.size).toBe(1);
    expect(asData).toBe(0);
  });

  it('keeps no memory of what was read', async () => {
    let most = 0;
    const onData: OnData = () => {
      most = Math.max(most, process.memoryUsage().arrayBuffers);
      return true;
    };
    const { ask } = await connectHttp2((stream) => {
      readStreamInPlace(stream, onData);
      stream.read(0);
      stream.on('end', () => answerWith(stream, 'all'));
    });
    const sent = Buffer.alloc(16_000_000);
    const before = process.memoryUsage().arrayBuffers;
    expect(await ask(sent)).toMatchObject({ answer: 'all' });
    expect(most).toBeGreaterThan(0);
    expect(most - before).toBeLessThan(4_000_000);
  });

  it('tells whoever asked last, with the stream as this', async () => {
    const got: string[] = [];
    const second: OnData = (length) => {
      got.push(`second ${length}`);
      return true;
    };
    const first: OnData = function (length) {
      got.push(`first ${length} ${typeof this.id}`);
      return readStreamInPlace(this, second) as true;
    };
    const { ask } = await connectHttp2((stream) => {
      readStreamInPlace(stream, first);
      stream.read(0);
      stream.on('end', () => answerWith(stream, 'all'));
    });
    await ask(Buffer.alloc(2 * 16_384)); // the longest frames that Node takes
    expect(got).toEqual(['first 16384 number', 'second 16384']);
  });

  it('leaves a stream alone of which something has come already', async () => {
    const done: boolean[] = [];
    const { ask } = await connectHttp2((stream) => {
      const chunks: Buffer[] = [];
      setTimeout(() => {
        done.push(readStreamInPlace(stream, () => true));
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('end', () => answerWith(stream, String(Buffer.concat(chunks))));
      }, 50);
    });
    expect(await ask(Buffer.from('early'))).toMatchObject({ answer: 'early' });
    expect(done).toEqual([false]);
  });

  it('leaves a stream alone that is made in another way, or over', async () => {
    for (const stream of [{ readableLength: 0 }, { readableLength: 0, [Symbol('kHandle')]: {} }]) {
      const before = Reflect.ownKeys(stream).length;
      expect(readStreamInPlace(stream as unknown as http2.ServerHttp2Stream, () => true)).toBe(false);
      expect(Reflect.ownKeys(stream)).toHaveLength(before);
    }
    const over: boolean[] = [];
    const { ask } = await connectHttp2((stream) => {
      stream.on('close', () => over.push(readStreamInPlace(stream, () => true)));
      stream.resume();
      answerWith(stream, 'x');
    });
    await ask(Buffer.from('body'));
    await until(() => over.length === 1, 'closed stream');
    expect(over).toEqual([false]);
  });
});

describe('discardRest', () => {
  it.each([
    ['that nobody reads', () => {}, false],
    ['that is read in place', (stream: http2.ServerHttp2Stream) => readStreamInPlace(stream, () => true), false],
    ['that flows', (stream: http2.ServerHttp2Stream) => stream.on('data', () => {}), true],
  ])('keeps nothing of a stream %s, and the connection goes on', async (_what, before, flows) => {
    let asData = 0;
    const { ask } = await connectHttp2((stream) => {
      before(stream);
      const push = stream.push.bind(stream);
      stream.push = (chunk, encoding) => {
        if (chunk !== null) asData++;
        return push(chunk, encoding);
      };
      stream.respond({ ':status': 200 }, { endStream: true });
      discardRest(stream);
      setImmediate(() => {
        if (!stream.destroyed && !stream.closed) stream.close(0);
      });
    });
    for (const bytes of [0, 5, 100_000, 3_000_000]) expect(await ask(Buffer.alloc(bytes))).toEqual({ answer: '', code: 0 });
    expect(asData > 0).toBe(flows);
  });
});
