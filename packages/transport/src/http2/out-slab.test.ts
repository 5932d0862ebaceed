import { once } from 'node:events';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { sleep, until } from '../testing/probe-call.js';
import { OutSlab, SlabPool, slabBytes } from './out-slab.js';
import { TurnEnd } from './turn-end.js';

let server: net.Server;
let far: net.Socket;
let near: net.Socket;
let pool: SlabPool;
let events: string[];
let out: OutSlab;
let received: Buffer[];

beforeEach(async () => {
  received = [];
  events = [];
  server = net.createServer((socket) => {
    far = socket;
    far.on('data', (chunk) => received.push(chunk));
    far.on('error', () => {});
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  near = net.connect((server.address() as net.AddressInfo).port, '127.0.0.1');
  near.on('error', () => {});
  await once(near, 'connect');
  await until(() => far !== undefined && !far.destroyed);
  pool = new SlabPool();
  out = new OutSlab(near, { beforeWrite: () => events.push('before'), drained: () => events.push('drained'), stuck: () => {} }, pool);
});

afterEach(() => {
  near.destroy();
  far.destroy();
  server.close();
});

function put(text: string | Buffer): void {
  const bytes = Buffer.from(text);
  const at = out.reserve(bytes.length);
  out.bytes.set(bytes, at);
  out.at = at + bytes.length;
}

describe('OutSlab', () => {
  it('sends what a turn put in one write, then gives the slab back', async () => {
    let writes = 0;
    const write = near.write.bind(near) as (bytes: Uint8Array, callback: () => void) => boolean;
    near.write = ((bytes: Uint8Array, callback: () => void) => {
      writes++;
      return write(bytes, callback);
    }) as typeof near.write;
    for (const word of ['one', ' ', 'two']) put(word);
    expect(pool.taken).toBe(1);
    expect(received).toEqual([]);
    await until(() => Buffer.concat(received).toString() === 'one two');
    expect(writes).toBe(1);
    expect(pool).toMatchObject({ taken: 0, idle: 1 });
    expect(events).toEqual(['before', 'drained']);
    put('three');
    expect(pool).toMatchObject({ taken: 1, idle: 0 });
    await until(() => Buffer.concat(received).toString() === 'one twothree');
  });

  it('keeps order and slabs over many slabs and a slow reader', async () => {
    far.pause();
    const parts: Buffer[] = [];
    for (let i = 0; i < 60; i++) {
      const part = Buffer.alloc(200_000 + i * 311, i + 1);
      parts.push(part);
      put(part);
      if (i % 7 === 0) await sleep(0);
    }
    await sleep(10);
    expect(out.backlog).toBeGreaterThan(1_000_000);
    expect(pool.taken).toBeGreaterThan(4);
    far.resume();
    const whole = Buffer.concat(parts);
    await until(() => received.reduce((sum, { length }) => sum + length, 0) === whole.length, 'all bytes');
    expect(Buffer.concat(received).equals(whole)).toBe(true);
    await until(() => events.includes('drained'));
    expect(pool.taken).toBe(0);
    expect(out.backlog).toBe(0);
  });

  it('leaves slabs to the garbage collector that a closed socket may still have', async () => {
    far.pause();
    for (let i = 0; i < 40; i++) put(Buffer.alloc(slabBytes));
    await sleep(5);
    put('never sent');
    near.destroy();
    await once(near, 'close');
    out.close();
    out.close();
    expect(pool.taken).toBe(0);
    out.flush();
    out.send();
  });

  it('drops what is put after its end, and gives the slabs back', async () => {
    near.destroy();
    await once(near, 'close');
    out.close();
    for (let i = 0; i < 3; i++) put(Buffer.alloc(slabBytes));
    expect(pool.taken).toBe(3);
    await until(() => pool.taken === 0, 'the end of the turn');
    expect(out.backlog).toBe(0);
    expect(events).toEqual([]);
  });
});

describe('OutSlab, broken', () => {
  it('gives the connection up', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const owner = {
      beforeWrite: () => {
        throw new Error('broken owner');
      },
      drained: () => {},
      stuck: () => {},
    };
    const broken = new OutSlab(near, owner, pool);
    broken.reserve(1);
    expect((await warned).message).toContain('broken owner');
    expect(near.destroyed).toBe(true);
    broken.close();
    expect(pool.taken).toBe(0);
  });
});

describe('TurnEnd', () => {
  it('flushes once a turn, whatever is marked meanwhile waits for the next, and one that throws holds nobody up', async () => {
    const turns = new TurnEnd();
    const log: string[] = [];
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    const bad = {
      isDirty: false,
      flush: () => {
        throw new Error('broken flush');
      },
    };
    const good = {
      isDirty: false,
      flush: () => {
        log.push('good');
        if (log.length < 3) turns.mark(good);
      },
    };
    turns.mark(bad);
    turns.mark(good);
    turns.mark(good);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['good']);
    expect((await warned).message).toContain('broken flush');
    await until(() => log.length === 3);
    await sleep(2);
    expect(log).toHaveLength(3);
  });

  it('starts the calls of a turn before its connections write, and calls marked meanwhile in the next turn', async () => {
    const turns = new TurnEnd();
    const log: string[] = [];
    const connection = { isDirty: false, flush: () => log.push('write') };
    let again = true;
    const calls = {
      isDirty: false,
      flush: () => {
        log.push('calls');
        turns.mark(connection);
        if (again) turns.markCalls(calls);
        again = false;
      },
    };
    turns.mark(connection);
    turns.markCalls(calls);
    turns.markCalls(calls);
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toEqual(['calls', 'write']);
    await until(() => log.length === 4);
    expect(log).toEqual(['calls', 'write', 'calls', 'write']);
  });
});
