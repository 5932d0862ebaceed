import cluster, { type Worker } from 'node:cluster';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net, { type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { Handovers } from './handovers.js';

// Greets who connects; takes all file descriptors, or gives them back, as it is told.
const program = `
import net from 'node:net';
import { closeSync, openSync } from 'node:fs';
const server = net.createServer((socket) => socket.on('error', () => {}).write('hello'));
if (process.env.ROOM) server.maxConnections = Number(process.env.ROOM);
server.listen(0, '127.0.0.1');
let taken = [];
process.on('message', (word) => {
  if (word === 'take') try { for (;;) taken.push(openSync('/dev/null')); } catch {}
  else if (word === 'close') server.close();
  else taken = taken.forEach(closeSync) ?? [];
  process.send(word);
});
`;

const folder = mkdtempSync(join(tmpdir(), 'handovers-'));
const { execPath } = process;
beforeAll(() => {
  writeFileSync(join(folder, 'worker.mjs'), program);
  // The few descriptors that a worker has.
  process.execPath = join(folder, 'node');
  writeFileSync(process.execPath, `#!/bin/sh\nulimit -n 100\nexec '${execPath}' "$@"\n`);
  chmodSync(process.execPath, 0o755);
  cluster.setupPrimary({ exec: join(folder, 'worker.mjs'), execArgv: [] });
});
afterAll(() => {
  process.execPath = execPath;
  rmSync(folder, { recursive: true });
});

const workers: Worker[] = [];
const sockets: Socket[] = [];
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy();
  await Promise.all(
    workers.splice(0).map((worker) => {
      worker.process.kill('SIGKILL');
      return worker.isDead() || once(worker, 'exit');
    }),
  );
});

/** Workers that listen on one port. `handedOver` settles with the next that a connection is handed to. */
async function clustered(count: number, room = '') {
  const lines: Record<string, unknown>[] = [];
  const world = { port: 0, refused: 0, lines, handedOver: () => new Promise<Worker>((resolve) => listeners.push(resolve)) };
  const listeners: ((worker: Worker) => void)[] = [];
  const logger = pino({}, { write: (line: string) => void lines.push(JSON.parse(line)) });
  const handovers = new Handovers(logger, () => world.refused++);
  for (let number = 1; number <= count; number++) {
    const worker = cluster.fork({ ROOM: room });
    const { send } = worker.process;
    const spied = (message: { act?: string }, ...rest: unknown[]): unknown => {
      if (message.act === 'newconn') for (const listener of listeners.splice(0)) listener(worker);
      return Reflect.apply(send, worker.process, [message, ...rest]);
    };
    // Only what is used of it.
    worker.process.send = spied as typeof send;
    handovers.watch(worker);
    workers.push(worker);
    world.port = (await once(worker, 'listening'))[0].port;
  }
  return world;
}

function call(port: number): Socket {
  const socket = net.connect(port, '127.0.0.1').on('error', () => {});
  sockets.push(socket);
  return socket;
}

/** What a caller gets first: the greeting, or the end. */
async function got(socket: Socket): Promise<string> {
  return Promise.race([once(socket, 'data').then(String), once(socket, 'close').then(() => 'closed')]);
}

async function tell(worker: Worker, word: string): Promise<void> {
  const done = once(worker, 'message');
  worker.send(word);
  await done;
}

describe('Handovers', () => {
  it('closes what a worker had not taken yet when it died', async () => {
    const { port, handedOver } = await clustered(2);
    for (let death = 0; death < 2; death++) {
      for (const worker of workers) worker.process.kill('SIGSTOP');
      const at = handedOver();
      const socket = call(port);
      const worker = await at;
      worker.process.kill('SIGKILL');
      expect(await got(socket)).toBe('closed');
      for (const other of workers) other.process.kill('SIGCONT');
    }
  });

  it('closes what a worker has no file descriptor for, and the worker takes others when it has', async () => {
    const world = await clustered(1);
    await tell(workers[0]!, 'take');
    for (let times = 1; times <= 3; times++) {
      expect(await got(call(world.port))).toBe('closed');
      expect(world.refused).toBe(times);
    }
    await tell(workers[0]!, 'give back');
    expect(await got(call(world.port))).toBe('hello');
    expect(world.lines).toMatchObject([{ connections: 1, msg: expect.stringContaining('no file descriptor') }]);
  });

  it('closes what no worker has room for, and asks each of them before', async () => {
    const world = await clustered(2, '2');
    const taken = [1, 2, 3, 4].map(() => call(world.port));
    expect(await Promise.all(taken.map(got))).toEqual(['hello', 'hello', 'hello', 'hello']);
    expect(await got(call(world.port))).toBe('closed');
    expect(world.refused).toBe(1);
    taken[0]?.destroy();
    await expect.poll(() => got(call(world.port))).toBe('hello');
  });

  it('does not wait for a worker that says nothing, nor for one that listens no more', async () => {
    const world = await clustered(2, '1');
    workers[0]?.process.kill('SIGSTOP');
    const first = [call(world.port), call(world.port)].map(got);
    expect(await Promise.race(first)).toBe('hello');
    expect(await got(call(world.port))).toBe('closed');
    workers[0]?.process.kill('SIGCONT');
    expect(await Promise.all(first)).toEqual(['hello', 'hello']);
    await tell(workers[0]!, 'close');
    const refused = world.refused;
    expect(await got(call(world.port))).toBe('closed');
    expect(world.refused).toBe(refused + 1);
  });
});
