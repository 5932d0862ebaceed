import { once } from 'node:events';
import http2 from 'node:http2';
import type { AddressInfo } from 'node:net';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { keepStreamsYoung, OpenStreams } from './open-streams.js';

describe('OpenStreams', () => {
  it('is a map', () => {
    const id = fc.oneof(
      fc.nat(20),
      fc.nat(3).map((turn) => 7 + turn * 256),
      fc.nat(100_000),
    );
    const steps = fc.array(fc.tuple(fc.constantFrom('set', 'set', 'delete', 'get', 'clear'), id), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (all) => {
        const [streams, map] = [new OpenStreams<number>(), new Map<number, number>()];
        for (const [step, [what, key]] of all.entries()) {
          if (what === 'set') {
            expect(streams.set(key, step)).toBe(streams);
            map.set(key, step);
          } else if (what === 'delete') expect(streams.delete(key)).toBe(map.delete(key));
          else if (what === 'clear' && key < 3) {
            streams.clear();
            map.clear();
          }
          expect([streams.get(key), streams.has(key), streams.size]).toEqual([map.get(key), map.has(key), map.size]);
        }
        const inOrder = (entries: Iterable<readonly [number, number]>) => [...entries].sort(([one], [other]) => one - other);
        const expected = inOrder(map);
        expect(inOrder(streams)).toEqual(expected);
        expect(inOrder(streams.entries())).toEqual(expected);
        expect([...streams.keys()].sort((one, other) => one - other)).toEqual(expected.map(([key]) => key));
        expect([...streams.values()].sort((one, other) => one - other)).toEqual([...map.values()].sort((one, other) => one - other));
        const visited: [number, number][] = [];
        streams.forEach((value, key, whole) => {
          expect(whole).toBe(streams);
          visited.push([key, value]);
          streams.delete(key);
        });
        expect(inOrder(visited)).toEqual(expected);
        expect(streams.size).toBe(0);
      }),
    );
  });
});

describe('keepStreamsYoung', () => {
  const closing: (() => void)[] = [];
  afterEach(() => {
    for (const close of closing.splice(0)) close();
  });

  /** A server whose streams end when they are told to, and a client. */
  async function connect() {
    const kept: boolean[] = [];
    const held: http2.ServerHttp2Stream[] = [];
    const server = http2.createServer({ settings: { maxConcurrentStreams: 2000 } });
    server.on('session', (session) => kept.push(keepStreamsYoung(session)));
    server.on('stream', (stream, headers) => {
      stream.on('error', () => {});
      if (headers[':path'] === '/held') held.push(stream);
      else stream.respond({ ':status': 200 }, { endStream: true });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const client = http2.connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    client.on('error', () => {});
    closing.push(
      () => client.destroy(),
      () => server.close(),
    );
    await once(client, 'remoteSettings');
    const status = (path: string) =>
      new Promise<unknown>((resolve) => {
        const request = client.request({ ':path': path });
        request.on('error', () => resolve('error'));
        request.on('response', (headers) => resolve(headers[':status']));
        request.on('close', () => resolve('closed'));
        request.resume();
        request.end();
      });
    return { client, kept, held, status };
  }

  it('does it on this Node, and every stream is found: more at once than there are slots, and after them', async () => {
    const { kept, held, status } = await connect();
    const open = Array.from({ length: 600 }, () => status('/held'));
    const between = await Promise.all(Array.from({ length: 300 }, () => status('/now')));
    expect(kept).toEqual([true]);
    expect(new Set(between)).toEqual(new Set([200]));
    expect(held).toHaveLength(600);
    for (const stream of held) stream.respond({ ':status': 204 }, { endStream: true });
    expect(new Set(await Promise.all(open))).toEqual(new Set([204]));
    expect(await status('/now')).toBe(200);
  });

  it('has all streams end with their session', async () => {
    const { client, held, status } = await connect();
    const open = Array.from({ length: 400 }, () => status('/held'));
    await status('/now');
    const ends = held.map((stream) => once(stream, 'close'));
    expect(ends).toHaveLength(400);
    client.destroy();
    await Promise.all([...open, ...ends]);
    expect(held.every(({ destroyed }) => destroyed)).toBe(true);
  });

  it('leaves a session alone that is made in another way', () => {
    const state = Symbol('state');
    const sessions = [
      {},
      { [Symbol('other')]: {} },
      { [state]: null },
      { [state]: {} },
      { [state]: { streams: [] } },
      { [state]: { streams: new Map([[1, 1]]) } },
    ];
    for (const session of sessions) {
      const before = structuredClone(Object.getOwnPropertySymbols(session).map((symbol) => (session as Record<symbol, unknown>)[symbol]));
      expect(keepStreamsYoung(session as unknown as http2.ServerHttp2Session)).toBe(false);
      expect(Object.getOwnPropertySymbols(session).map((symbol) => (session as Record<symbol, unknown>)[symbol])).toEqual(before);
    }
  });
});
