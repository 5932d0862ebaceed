// node benchmarks/memory.mjs [W1,W2]   What a request in flight holds in the server's memory, at its peak: its features are there, its model
// inputs have been sent, and the model takes its time. Everything collectable is collected before memory is read.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, requestHead } from './lib/h2net.mjs';
import { sleep } from './lib/processes.mjs';
import { startFakes, startServer, stop, verify } from './lib/servers.mjs';
import { modelConfig, PATHS, request, WORKLOADS } from './lib/workloads.mjs';

const usage = `node benchmarks/memory.mjs [W1,W2]     what a request in flight holds in the server's memory
workloads: ${Object.keys(WORKLOADS).join(', ')}; without a list W1,W2`;
const names = readNames();
process.on('uncaughtException', (error) => {
  console.error(`memory: ${error.message}`);
  process.exit(1);
});
const works = [];
// Servers are killed before this: lib/processes.mjs, which also ends the process on signals, was there first.
process.on('exit', () => {
  for (const work of works) rmSync(work, { recursive: true, force: true, maxRetries: 5 });
});

const probe = pathToFileURL(fileURLToPath(new URL('../tests/soak/lib/heap-probe.mjs', import.meta.url))).href;
const modelMs = 1500;
/** So many are begun at once by a server that has just started; what comes on top waits for its turn. */
const begun = 32;
const waiting = 256;
const kib = (bytes) => `${(bytes / 1024).toFixed(0)} KiB`;

function readNames() {
  let given;
  try {
    given = parseArgs({ allowPositionals: true, options: { help: { type: 'boolean', short: 'h', default: false } } });
  } catch (error) {
    return usageError(error.message);
  }
  if (given.values.help) {
    console.log(usage);
    process.exit(0);
  }
  if (given.positionals.length > 1) return usageError(`one list of workloads is taken, not ${given.positionals.length}: W1,W2`);
  const list = [...new Set((given.positionals[0] ?? 'W1,W2').split(','))];
  const unknown = list.find((name) => !Object.hasOwn(WORKLOADS, name));
  return unknown === undefined ? list : usageError(`there is no workload "${unknown}"`);
}

function usageError(text) {
  console.error(`memory: ${text}\n${usage}`);
  process.exit(2);
}

async function measure(name) {
  const workload = WORKLOADS[name];
  const work = mkdtempSync(join(tmpdir(), 'inferflow-memory-'));
  works.push(work);
  const place = join(work, 'heap.json');
  mkdirSync(join(work, 'models'));
  writeFileSync(join(work, 'models', `${workload.modelId}.json`), JSON.stringify(modelConfig(workload)));
  const fakes = await startFakes(0, modelMs);
  const how = {
    command: `node --expose-gc --import=${probe} apps/server/dist/main.js`,
    env: { INFERFLOW_SHARE_FETCHES: 0, SOAK_HEAP_PROBE: place },
  };
  const server = await startServer('inferflow', how, workload, fakes, { work, directory: work, config: join(work, 'none.json') });
  await verify(server, workload, [0, 0]);
  const connection = await connect(server.port);
  const message = request(workload, 'predict', 0);
  const head = requestHead(PATHS.predict, `127.0.0.1:${server.port}`, [['grpc-timeout', '600S']]);
  const send = (count) =>
    Promise.all(
      Array.from(
        { length: count },
        () => new Promise((resolve, reject) => connection.call(head, message, (error) => (error ? reject(error) : resolve()))),
      ),
    );
  const held = async () => {
    rmSync(place, { force: true });
    server.child.kill('SIGUSR2');
    while (!existsSync(place)) await sleep(10);
    const { heapUsed, external } = JSON.parse(readFileSync(place, 'utf8'));
    const metrics = await (await fetch(`http://127.0.0.1:${server.port}/metrics`)).text();
    const [pooled, idle] = ['outstanding', 'idle'].map((what) =>
      Number(new RegExp(`^inferflow_memory_pool_${what}_bytes (.*)$`, 'm').exec(metrics)[1]),
    );
    return { heap: heapUsed, outside: external - pooled - idle, pooled };
  };
  const during = async (count) => {
    const answers = send(count);
    await sleep(modelMs / 2);
    const now = await held();
    await answers;
    return now;
  };
  for (let turn = 0; turn < 3; turn++) await send(begun);
  const rest = await held();
  const some = await during(begun);
  const many = await during(begun + waiting);
  const each = (more, less, count, what) => Math.max(0, more[what] - less[what]) / count;
  const [heap, buffers, pooled] = ['heap', 'outside', 'pooled'].map((what) => each(some, rest, begun, what));
  const idle = ['heap', 'outside', 'pooled'].reduce((sum, what) => sum + each(many, some, waiting, what), 0);
  console.log(
    `${name}: a request that is worked on holds ${kib(heap + buffers + pooled)} (pooled memory ${kib(pooled)}, other buffers ${kib(buffers)}, heap ${kib(heap)}); one that waits for its turn ${kib(idle)}, its message of ${kib(message.length)} included`,
  );
  await stop(server.child);
  await stop(fakes.child);
}

for (const name of names) await measure(name);
process.exit(0);
