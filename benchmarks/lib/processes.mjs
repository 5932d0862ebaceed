// Child processes pinned to a core, their CPU time and memory.
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';

const children = new Set();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
});
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.exit(1));

/** Starts a command on one core; `taskset` is used where it exists. */
export function start(core, command, args, options) {
  const pinned = core !== null && hasTaskset;
  const child = spawn(pinned ? 'taskset' : command, pinned ? ['-c', String(core), command, ...args] : args, options);
  children.add(child);
  child.once('exit', (code, signal) => {
    children.delete(child);
    child.ended = code ?? signal;
  });
  return child;
}

const hasTaskset =
  process.platform === 'linux' &&
  process.env.PATH.split(':').some((folder) => {
    try {
      return readdirSync(folder).includes('taskset');
    } catch {
      return false;
    }
  });

/** SIGTERM, and SIGKILL when that takes more than two seconds. */
export async function stop(child) {
  if (child.ended !== undefined) return;
  child.kill('SIGTERM');
  for (let turn = 0; turn < 40 && child.ended === undefined; turn++) await sleep(50);
  if (child.ended === undefined) child.kill('SIGKILL');
  while (child.ended === undefined) await sleep(20);
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const freePort = () =>
  new Promise((resolve) => {
    const server = net.createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** Waits until something accepts connections on the port. */
export async function waitForPort(port, child, timeoutMs = 20_000) {
  for (const until = Date.now() + timeoutMs; Date.now() < until; ) {
    if (child.ended !== undefined) throw new Error(`the server exited with ${child.ended}`);
    const open = await new Promise((resolve) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });
    if (open) return;
    await sleep(50);
  }
  throw new Error('nothing listens on the port');
}

/** CPU microseconds (all threads; `cpu` from nanosecond counters of the scheduler, `user` and `system` from ticks) and resident bytes of a process and its children. */
export function usage(pid) {
  let cpu = 0;
  let user = 0;
  let system = 0;
  let rss = 0;
  for (const each of tree(pid)) {
    try {
      const stat = readFileSync(`/proc/${each}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      user += Number(fields[11]) * 10_000;
      system += Number(fields[12]) * 10_000;
      rss += Number(fields[21]) * 4096;
      for (const thread of readdirSync(`/proc/${each}/task`))
        cpu += Number(readFileSync(`/proc/${each}/task/${thread}/schedstat`, 'latin1').split(' ')[0]) / 1000;
    } catch {
      // The process ended meanwhile.
    }
  }
  return { cpu, user, system, rss };
}

function tree(root) {
  const childrenOf = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'latin1');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(entry)]);
    } catch {
      // The process ended meanwhile.
    }
  }
  const found = [root];
  for (let index = 0; index < found.length; index++) found.push(...(childrenOf.get(found[index]) ?? []));
  return found;
}
