// Child processes pinned to a core, their CPU time and memory.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';

if (!existsSync('/proc/self/stat')) {
  console.error('The benchmarks read CPU time and memory of processes from /proc: they need Linux.');
  process.exit(2);
}
const children = new Set();
process.on('exit', () => {
  for (const child of children) endAll(child);
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

const hasTaskset =
  process.platform === 'linux' &&
  (process.env.PATH ?? '').split(':').some((folder) => folder !== '' && existsSync(join(folder, 'taskset')));
const cores = coresOfThisProcess();
const canPin = hasTaskset && cores.length > 1;

/** The core of the servers, and that of load and fakes; null = wherever the system puts them. */
export const serverCore = canPin ? cores[0] : null;
export const loadCore = canPin ? cores[1] : null;

/** What a reader of the figures must know about this machine; '' when everything is as it should be. */
export function warning() {
  if (cores.length === 1)
    return 'this process may use one core only: servers, load and fakes share it; rates and latencies say little, ratios of CPU still do';
  if (!hasTaskset)
    return 'there is no taskset (package util-linux): servers are not pinned to a core, so CPU per request is not that of one core';
  return '';
}

/** Cores that this process may run on, which a container or a caller may have narrowed. */
function coresOfThisProcess() {
  const list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'latin1'))?.[1] ?? '0';
  return list.split(',').flatMap((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, index) => first + index);
  });
}

/** Starts a command on one core. */
export function start(core, command, args, options) {
  const child = spawn(core === null ? command : 'taskset', core === null ? args : ['-c', String(core), command, ...args], options);
  children.add(child);
  child.once('error', (error) => {
    children.delete(child);
    child.ended = error.message;
  });
  child.once('exit', (code, signal) => {
    children.delete(child);
    child.ended = code ?? signal;
  });
  return child;
}

/** Ends a child and what it has started, at once. */
function endAll(child) {
  for (const pid of processesOf(child.pid).reverse()) kill(pid);
}

function kill(pid) {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has gone.
  }
}

/** SIGTERM, and SIGKILL when that takes more than two seconds. What the child has started goes with it: a shell leaves it behind. */
export async function stop(child) {
  if (child.ended !== undefined) return;
  const family = processesOf(child.pid).map((pid) => ({ pid, bornAt: bornAt(pid) }));
  child.kill('SIGTERM');
  for (let turn = 0; turn < 40 && child.ended === undefined; turn++) await sleep(50);
  if (child.ended === undefined) endAll(child);
  while (child.ended === undefined) await sleep(20);
  for (const each of family) if (each.bornAt !== '' && bornAt(each.pid) === each.bornAt) kill(each.pid);
}

/** When a process was started, which tells it from a later one of the same number; '' = there is none. */
function bornAt(pid) {
  try {
    return statOf(pid)[19];
  } catch {
    return '';
  }
}

/** The fields of /proc/…/stat from the state on, the third in its documentation. */
function statOf(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

/** What /proc counts user and system time in. */
const tickUs = 10_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

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

/**
 * CPU microseconds and resident bytes of a process and its children. `live` is from the nanosecond counters of the threads that there are,
 * where the kernel has them, `main` that of the first threads; `user` and `system` are from ticks, with threads and children that have ended.
 */
export function usage(pid) {
  let processes = 0;
  let nanoseconds = 0;
  let main = 0;
  let user = 0;
  let system = 0;
  let rss = 0;
  for (const each of processesOf(pid)) {
    try {
      const fields = statOf(each);
      user += (Number(fields[11]) + Number(fields[13])) * tickUs;
      system += (Number(fields[12]) + Number(fields[14])) * tickUs;
      processes++;
      rss += Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${each}/status`, 'latin1'))?.[1] ?? 0) * 1024;
      for (const thread of readdirSync(`/proc/${each}/task`)) {
        const here = nanosecondsOf(each, thread);
        nanoseconds += here;
        if (thread === String(each)) main += here;
      }
    } catch {
      // The process ended meanwhile.
    }
  }
  return { live: nanoseconds / 1000, main: main / 1000, user, system, rss, processes };
}

/** 0 when the thread ended meanwhile, or the kernel counts none. */
function nanosecondsOf(pid, thread) {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'latin1').split(' ')[0]);
  } catch {
    return 0;
  }
}

/**
 * CPU microseconds between two looks: from the fine counters, unless the ticks show more than they can be off by. Then threads or children
 * have ended in between and have taken what they had counted with them.
 */
export function cpuBetween(before, after) {
  const fine = after.live - before.live;
  const ticks = after.user + after.system - before.user - before.system;
  const offBy = 2 * tickUs * Math.max(before.processes, after.processes);
  return after.live === 0 || ticks > fine + offBy ? ticks : fine;
}

/** A process and those that it, and they, have started. */
export function processesOf(root) {
  const childrenOf = new Map();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const parent = Number(statOf(entry)[1]);
      childrenOf.set(parent, [...(childrenOf.get(parent) ?? []), Number(entry)]);
    } catch {
      // The process ended meanwhile.
    }
  }
  const found = [root];
  for (let index = 0; index < found.length; index++) found.push(...(childrenOf.get(found[index]) ?? []));
  return found;
}
