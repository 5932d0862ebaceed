import { existsSync, readFileSync } from 'node:fs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { patient } from './lib/patience.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { modelConfig } from './lib/workload.mjs';

export const name = 'workers';
export const about = 'several processes on one port: dead ones are replaced, one /metrics for all, kill -TERM loses nothing';
export const short = (run) => suite(run, { workers: 2, kills: 2 });
export const long = (run, minutes = 5) => suite(run, { workers: 4, kills: 6 * minutes });

/** A worker that died early waits up to 30 s for its successor. */
const backOffMs = 45_000;

async function suite(run, { workers, kills }) {
  const fakes = await startFaultFakes(run);
  const models = { soak: modelConfig(`127.0.0.1:${fakes.model.port}`, { deadlineMs: patient(4000) }) };
  const deadlines = { EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(4000), NUMERIX_CLIENT_V1_DEADLINE_MS: patient(4000) };
  const env = { ...environmentFor(fakes), ...deadlines, INFERFLOW_DRAIN_DELAY_MS: 300 };
  const statusFile = `${run.directory()}/status.json`;
  const server = await startServer(run, { env: { ...env, INFERFLOW_WORKERS: workers, INFERFLOW_STATUS_FILE: statusFile }, models });
  const started = () => server.lines.filter((line) => line.includes('"msg":"listening"')).length;
  run.check(`${workers} workers listen on one port`, await until(() => started() >= workers, 15_000));
  const load = startLoad(server.port, { outstanding: 16, connections: workers * 4, repeats: 0 });
  await settle(load, { withinMs: 500, timeoutMs: 8000 });
  await sleep(1000);
  const warm = load.mark();
  run.check('answers are right', warm.failures === 0 && warm.faultyRows === 0 && warm.answered > 0, warm.text);
  const children = workerIds(server);
  run.check('as many processes as workers', children.length === workers, `workers ${children.join(', ')}`);

  const statusFiles = Array.from({ length: workers }, (_, index) => (index === 0 ? statusFile : `${statusFile}.worker-${index + 1}`));
  const areLive = () => statusFiles.every((file) => existsSync(file) && JSON.parse(readFileSync(file, 'utf8')).models[0]?.state === 'live');
  run.check(
    'each worker has a status file of its own',
    await until(areLive, 5000),
    statusFiles.map((file) => file.slice(file.lastIndexOf('/') + 1)).join(' '),
  );

  const scrapes = [];
  for (let scrape = 0; scrape < workers * 3; scrape++) {
    scrapes.push(counted(await metricsOf(server)));
    await sleep(50);
  }
  run.check('a scrape shows all workers whichever answers', rises(scrapes), scrapes.join(' '));

  let killed = 0;
  for (; killed < kills; killed++) {
    const before = counted(await metricsOf(server));
    const victims = workerIds(server);
    process.kill(victims[killed % victims.length], 'SIGKILL');
    const isBack = await until(async () => (await metricsOf(server)).sum('inferflow_worker_restarts_total') > killed, backOffMs, 100);
    const after = await until(async () => (await metricsOf(server)).sum('inferflow_workers') === workers, backOffMs, 100);
    run.check(`worker ${killed + 1} killed: replaced`, isBack && after);
    const now = counted(await metricsOf(server));
    run.check('counters do not fall', now >= before, `${before} → ${now}`);
  }
  const during = load.mark();
  run.check(
    'only requests on the connections of the killed were lost',
    during.failures <= kills * 16 && during.faultyRows === 0 && during.wrongCount === 0,
    during.text,
  );
  await settle(load, { withinMs: 500, timeoutMs: 8000 });

  load.mark();
  server.terminate('SIGTERM');
  const ended = await server.ended(15_000);
  const tally = await load.stop();
  run.check('SIGTERM: exit code 0', ended?.code === 0, `${ended?.signal ?? ended?.code}`);
  run.check('SIGTERM: no accepted request failed', tally.failures <= during.failures && tally.wrongCount === 0, tally.text);
  run.check(
    'no worker is left',
    children.every((id) => !isAlive(id)),
  );

  const taken = await startServer(run, {
    env: { ...env, INFERFLOW_WORKERS: 2, INFERFLOW_AUTH_FILE: '/nonexistent' },
    models,
    mayFail: true,
  });
  await until(() => !taken.alive, 15_000);
  const said = taken.errors.filter(({ level }) => level === 'fatal').map(({ msg }) => msg);
  run.check('what no worker can start with ends the server with code 1', taken.exited?.code === 1 && said.length > 0, said[0]);
}

const counted = (metrics) => metrics.sum('inferflow_router_api_request_total');
const rises = (values) => values.every((value, index) => index === 0 || value >= values[index - 1]);

/** A connection that was being dealt to a worker when it was killed hangs: ask again. */
async function metricsOf(server) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await server.metrics();
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

/** Process ids of the workers. */
function workerIds(server) {
  const { pid } = server.child;
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ').filter(Boolean).map(Number);
}

function isAlive(id) {
  try {
    process.kill(id, 0);
    return true;
  } catch {
    return false;
  }
}
