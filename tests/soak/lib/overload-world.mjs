// The reference workloads of the benchmarks with the stock server on one core; load (paced-load.mjs) and fakes on another.
import { mkdirSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { connect, requestHead } from '../../../benchmarks/lib/h2net.mjs';
import { loadCore, start } from '../../../benchmarks/lib/processes.mjs';
import { startFakes, startServer, stop, verify } from '../../../benchmarks/lib/servers.mjs';
import { modelConfig, PATHS, request, WORKLOADS } from '../../../benchmarks/lib/workloads.mjs';
import { freePort } from '../../../scripts/free-ports.mjs';
import { patient } from './patience.mjs';

const generator = fileURLToPath(new URL('./paced-load.mjs', import.meta.url));
const path = PATHS.predict;
/** Of every load: what a look at a socket costs is shared by the calls it finds there, so a peak on fewer is no measure. */
const connections = 4;

/** Starts server and fakes of a workload, with the lean listener or the default one; `load(options)` runs one load and resolves with its figures. */
export async function startOverloadWorld(run, name, isLean) {
  const workload = WORKLOADS[name];
  const lean = isLean ? { INFERFLOW_LEAN_LISTENER: 1, INFERFLOW_FULL_PORT: await freePort() } : {};
  const work = run.directory();
  mkdirSync(join(work, 'models'));
  writeFileSync(join(work, 'models', `${workload.modelId}.json`), JSON.stringify(modelConfig(workload)));
  const fakes = await startFakes(0, 0);
  run.defer(() => stop(fakes.child));
  const how = {
    command: 'node apps/server/dist/main.js',
    env: { INFERFLOW_SHARE_FETCHES: 0, EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(200), ...lean },
  };
  const server = await startServer('inferflow', how, workload, fakes, { work, directory: work, config: join(work, 'none.json') });
  run.defer(() => stop(server.child));
  // The same twice: what is stored from the first must not show in the second.
  await verify(server, workload, [0, 0]);
  const message = request(workload, 'predict', 0);
  writeFileSync(join(work, 'message'), message);
  writeFileSync(join(work, 'answer'), await answerOf(server.port, message));
  const files = { message: join(work, 'message'), answer: join(work, 'answer') };
  return {
    port: server.port,
    /** Where gRPC other than scoring is answered as well. */
    fullPort: lean.INFERFLOW_FULL_PORT ?? server.port,
    pid: server.child.pid,
    load: (options) => runLoad({ port: server.port, path, connections, ...files, ...options }),
    async stop() {
      await stop(server.child);
      await stop(fakes.child);
    },
  };
}

async function answerOf(port, message) {
  const connection = await connect(port);
  return new Promise((resolve, reject) =>
    connection.call(requestHead(path, `127.0.0.1:${port}`), message, (error, bytes) =>
      error ? reject(error) : resolve(Buffer.from(bytes)),
    ),
  );
}

/** Load yields to the fakes beside it: what they answer late would look like a slow server. */
const niceness = 10;

async function runLoad(options) {
  const child = start(loadCore, process.execPath, [generator, JSON.stringify(options)], { stdio: ['ignore', 'pipe', 'inherit'] });
  if (child.pid !== undefined) setPriority(child.pid, niceness);
  return JSON.parse(await text(child.stdout));
}
