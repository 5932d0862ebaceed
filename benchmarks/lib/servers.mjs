// Servers under test and the fakes they call: how they are started, asked, measured.
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { freePort } from '../../scripts/free-ports.mjs';
import { connect, requestHead } from './h2net.mjs';
import { writeMessages } from './messages.mjs';
import { cpuBetween, loadCore, processesOf, serverCore, sleep, start, stop, usage, waitForPort } from './processes.mjs';
import { check, expected, hasRowErrors, PATHS, request } from './workloads.mjs';

const here = fileURLToPath(new URL('..', import.meta.url));
const path = PATHS.predict;

/** Feature store, model server, expression service, Kafka and StatsD in one process. */
export async function startFakes(storeMs, modelMs) {
  const child = start(loadCore, process.execPath, [join(here, 'fakes.mjs'), String(storeMs), String(modelMs)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  // A message that does not arrive is noticed by who waits for the answer.
  const tell = (what) => child.send(what, () => undefined);
  const { ports } = await nextMessage(child);
  const stats = async () => {
    const answer = nextMessage(child);
    tell('stats');
    return (await answer).stats;
  };
  return { child, ports, mark: () => tell('mark'), stats };
}

/** Rejects when the fakes end before they say anything. */
function nextMessage(child) {
  return new Promise((resolve, reject) => {
    const ended = () => reject(new Error(`the fakes of store and model ended with ${child.ended}`));
    if (child.ended !== undefined) return ended();
    child.once('exit', ended);
    child.once('error', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      child.off('error', ended);
      resolve(message);
    });
  });
}

/** What every server gets, whoever wrote it. */
function environmentOf(workload, port, ports) {
  return {
    APP_NAME: workload.app,
    APP_ENV: 'bench',
    APP_PORT: port,
    APP_LOG_LEVEL: 'ERROR',
    EXTERNAL_SERVICE_ONFS_FS_HOST: '127.0.0.1',
    EXTERNAL_SERVICE_ONFS_FS_PORT: ports.onfs,
    EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: 200,
    EXTERNAL_SERVICE_ONFS_FS_BATCH_SIZE: 50,
    EXTERNAL_SERVICE_PREDATOR_PORT: ports.model,
    EXTERNAL_SERVICE_PREDATOR_DEADLINE: 200,
    NUMERIX_CLIENT_V1_HOST: '127.0.0.1',
    NUMERIX_CLIENT_V1_PORT: ports.numerix,
    NUMERIX_CLIENT_V1_DEADLINE_MS: 5000,
    METRIC_SAMPLING_RATE: 1,
    TELEGRAF_HOST: '127.0.0.1',
    TELEGRAF_PORT: ports.udp,
    ...(workload.logging && { KAFKA_BOOTSTRAP_SERVERS: `127.0.0.1:${ports.kafka}`, KAFKA_LOGGING_TOPIC: 'inferflow_inference_logs' }),
  };
}

/** Starts a server and waits until it listens. `files`: { directory, config, work }. */
export async function startServer(name, { command, env: extra = {}, core = serverCore }, workload, fakes, files) {
  const port = await freePort();
  const log = join(files.work, `${name.replace(/\W+/g, '-')}.log`);
  const gcFile = join(files.work, `${name.replace(/\W+/g, '-')}.gc`);
  const descriptor = openSync(log, 'w');
  const env = {
    PATH: process.env.PATH,
    HOME: process.env.HOME,
    ...environmentOf(workload, port, fakes.ports),
    INFERFLOW_CONFIG_DIR: files.directory,
    BENCH_MODEL_CONFIG: files.config,
    BENCH_GC_FILE: gcFile,
    NODE_OPTIONS: `--import=${pathToFileURL(join(here, 'lib/gc-probe.mjs')).href}`,
    ...extra,
  };
  const child = start(core, '/bin/sh', ['-c', `exec ${command}`], {
    cwd: join(here, '..'),
    stdio: ['ignore', descriptor, descriptor],
    env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, String(value)])),
  });
  closeSync(descriptor);
  const server = { name, child, port, log, gcFile, samples: new Map(), best: 0, answers: new Map() };
  try {
    await waitForPort(port, child);
  } catch (error) {
    throw new Error(`${name}: ${error.message}\n${lastLines(server)}`);
  }
  return server;
}

export const lastLines = (server) => readFileSync(server.log, 'utf8').slice(-2000);

const answerWithinMs = 15_000;

/**
 * Asks and compares bit by bit; throws when anything is wrong. What the server answered is what loads hold its answers against. On a busy
 * machine processes that have just started may take longer for a call than it has: the first two answers of a server may say so.
 */
export async function verify(server, workload, seeds) {
  const connection = await connect(server.port);
  const ask = async (seed) => {
    let timer;
    const answer = await new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Error(`no answer within ${answerWithinMs / 1000} s`)), answerWithinMs);
      connection.call(requestHead(path, `127.0.0.1:${server.port}`), request(workload, 'predict', seed), (error, bytes) =>
        error ? reject(error) : resolve(Buffer.from(bytes)),
      );
    });
    clearTimeout(timer);
    return answer;
  };
  for (let first = 0; server.answers.size === 0 && first < 2; first++) {
    const answer = await ask(seeds[0]);
    if (!hasRowErrors(answer)) check(workload, 'predict', answer, expected(workload, seeds[0]), seeds[0]);
  }
  for (const seed of seeds) {
    const answer = await ask(seed);
    check(workload, 'predict', answer, expected(workload, seed), seed);
    server.answers.set(seed, answer);
  }
}

/** Runs the load generator; see lib/load.mjs. `body`: { messages, workload, seeds, order }, of seeds that the server was verified with. */
export async function load(server, body, mode, amount, seconds) {
  const answers = `${server.log}.answers`;
  writeMessages(
    answers,
    body.seeds.map((seed) => server.answers.get(seed)),
  );
  const job = JSON.stringify({ port: server.port, path, mode, amount, seconds, answers, ...body });
  const child = start(loadCore, process.execPath, [join(here, 'lib/load.mjs'), job], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: seconds * 1000 + 120_000,
  });
  const [output, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  checkAlive(server, body);
  if (child.exitCode !== 0) throw new Error(`the load generator ended with ${child.ended}\n${errors}${lastLines(server)}`);
  return JSON.parse(output);
}

function checkAlive(server, { workload }) {
  const { ended } = server.child;
  if (ended !== undefined) throw new Error(`${workload}, ${server.name}: the server ended with ${ended}\n${lastLines(server)}`);
}

/** Microseconds that garbage collection has paused the processes of the server so far; NaN when none of them is Node. */
async function gcPauses(server) {
  const [folder, prefix] = [dirname(server.gcFile), `${basename(server.gcFile)}.`];
  const alive = new Set(processesOf(server.child.pid));
  let total = Number.NaN;
  for (const name of readdirSync(folder)) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : Number.NaN;
    if (!alive.has(pid)) continue;
    const paused = await gcPausesOf(pid, join(folder, name));
    if (!Number.isNaN(paused)) total = (Number.isNaN(total) ? 0 : total) + paused;
  }
  return total;
}

async function gcPausesOf(pid, file) {
  rmSync(file, { force: true });
  try {
    process.kill(pid, 'SIGUSR2');
  } catch {
    return Number.NaN;
  }
  for (let turn = 0; turn < 50; turn++) {
    await sleep(10);
    try {
      const paused = readFileSync(file, 'utf8');
      if (paused !== '') return Number(paused);
    } catch {
      // Not written yet.
    }
  }
  return Number.NaN;
}

/** One short load with what it cost; what is told per request is per right answer. */
export async function measure(server, fakes, body, mode, amount, seconds) {
  checkAlive(server, body);
  const gcBefore = await gcPauses(server);
  const [before, countsBefore] = [usage(server.child.pid), await fakes.stats()];
  const result = await load(server, body, mode, amount, seconds);
  const [after, countsAfter] = [usage(server.child.pid), await fakes.stats()];
  const gc = (await gcPauses(server)) - gcBefore;
  const cpu = cpuBetween(before, after);
  return {
    ...result,
    cpu: cpu / result.requests,
    user: (after.user - before.user) / result.requests,
    system: (after.system - before.system) / result.requests,
    gcShare: gc / cpu,
    // How many cores it kept busy, and how much of that was its first thread.
    cores: (cpu * result.rps) / result.requests / 1e6,
    mainCores: ((after.main - before.main) * result.rps) / result.requests / 1e6,
    rss: after.rss,
    wrongTensors: countsAfter.odd - countsBefore.odd,
    storeCalls: (countsAfter.onfs - countsBefore.onfs) / result.requests,
    modelCalls: (countsAfter.model - countsBefore.model) / result.requests,
  };
}

export { stop };
