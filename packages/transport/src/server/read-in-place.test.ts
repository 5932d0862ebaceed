import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import tls from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { until } from '../testing/probe-call.js';
import { type OnRead, readInPlace } from './read-in-place.js';

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
