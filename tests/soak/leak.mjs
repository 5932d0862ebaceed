import { existsSync, readFileSync, rmSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Client } from './lib/client.mjs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { startLoad } from './lib/load.mjs';
import { patient } from './lib/patience.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { freshRequest, modelConfig, PATH } from './lib/workload.mjs';

export const name = 'leak';
export const about = 'half load with some cancels and some faults for long: memory flat, counters back to zero';
export const short = (run) => suite(run, 45);
export const long = (run, minutes = 10) => suite(run, minutes * 60);
export const longLimitMinutes = 20;

async function suite(run, seconds) {
  const fakes = await startFaultFakes(run);
  const endpoint = `127.0.0.1:${fakes.model.port}`;
  const probe = `${run.directory()}/heap.json`;
  const server = await startServer(run, {
    nodeArguments: ['--expose-gc', `--import=${pathToFileURL(fileURLToPath(new URL('./lib/heap-probe.mjs', import.meta.url))).href}`],
    env: { ...environmentFor(fakes), IN_MEMORY_CACHE_SIZE_IN_BYTES: 4_000_000, SOAK_HEAP_PROBE: probe },
    models: { soak: modelConfig(endpoint), cached: modelConfig(endpoint, { cached: true }) },
  });
  const atRest = await server.metrics();
  const rate = await halfOfCapacity(server);
  run.note(`half of what this machine can do with the load on it: ${rate.toFixed(0)} requests a second`);
  const plain = startLoad(server.port, { rate: rate / 2, connections: 4, deadlineMs: patient(2000) });
  const cached = startLoad(server.port, { rate: rate / 2, connections: 4, modelId: 'cached', pool: 5000, deadlineMs: patient(2000) });
  const mess = startMess(server, fakes);
  const warmUp = Math.min(15, seconds / 3);
  await sleep(warmUp * 1000);
  const heapBefore = await heapOf(server, probe);
  const samples = [];
  for (let second = warmUp; second < seconds; second++) {
    samples.push(server.rss);
    await sleep(1000);
  }
  await mess.stop();
  const tallies = [await plain.stop(), await cached.stop()];
  for (const [which, tally] of Object.entries({ plain: tallies[0], cached: tallies[1] }))
    run.check(`${which}: honest to the last row`, tally.wrongCount === 0 && tally.failures === 0 && tally.answered > 0, tally.text);

  const malformed = Object.values(fakes).flatMap((fake) => fake.malformed);
  run.check('every call to an upstream was well formed', malformed.length === 0, malformed.slice(0, 2).join('; '));

  const isLong = seconds >= 120;
  const every = Math.max(1, Math.floor(samples.length / 20));
  run.note(
    `RSS every ${every} s: ${samples
      .filter((_, at) => at % every === 0)
      .map((bytes) => (bytes / 1048576).toFixed(0))
      .join(' ')} MiB`,
  );
  // The first minute still grows by what is compiled and by the young generation: the short form only meets a gross leak.
  const mark = isLong ? samples.slice(60 - warmUp - 5, 60 - warmUp + 5) : samples.slice(0, samples.length / 4);
  const [first, last] = [median(mark), median(samples.slice(isLong ? -10 : -samples.length / 4))];
  run.check(
    isLong ? 'RSS at the end is within 10 % of RSS after the first minute' : 'memory is flat',
    isLong ? last <= first * 1.1 : last - first < Math.max(first * 0.5, 24e6),
    `RSS ${mib(first)}, at the end ${mib(last)}, at most ${mib(Math.max(...samples))}, over ${seconds} s`,
  );
  // Constants of models stay; what requests hold must be given back.
  const gauges = ['inferflow_requests_in_flight', 'inferflow_memory_pool_outstanding_bytes'];
  let metrics;
  const isZero = await until(
    async () => {
      metrics = await server.metrics();
      return gauges.every((gauge) => metrics.find(gauge).length > 0 && metrics.sum(gauge) === atRest.sum(gauge));
    },
    6000,
    200,
  );
  run.check(
    'in flight and outstanding are what they were before the load',
    isZero,
    gauges.map((gauge) => `${gauge} ${metrics.find(gauge).length === 0 ? 'not there' : metrics.sum(gauge)}`).join(', '),
  );
  const isClosed = await until(async () => (await server.metrics()).sum('inferflow_connections', { protocol: 'h2' }) === 0, 3000, 200);
  run.check('no connection of a caller is left', isClosed);
  const cacheBytes = metrics.sum('inferflow_feature_cache_bytes');
  run.check(
    'the feature cache keeps its bound',
    cacheBytes > 0 && cacheBytes <= 4_000_000 * 1.05,
    `${cacheBytes} bytes, ${metrics.sum('inferflow_feature_cache_rows')} rows`,
  );
  const heapAfter = await heapOf(server, probe);
  const total = ({ heapUsed, external }) => heapUsed + external;
  run.check(
    'what is left after a collection is what was left before',
    total(heapAfter) < total(heapBefore) * 1.1 + 4e6,
    `heap ${mib(heapBefore.heapUsed)} → ${mib(heapAfter.heapUsed)}, outside of it ${mib(heapBefore.external)} → ${mib(heapAfter.external)}`,
  );
  const discarded = metrics.sum('inferflow_runs_discarded_total');
  run.note(`runs not reused: ${discarded}, heap ${mib(metrics.sum('nodejs_heap_size_used_bytes'))}`);
}

/** What a server holds when all garbage is collected. */
async function heapOf(server, probe) {
  rmSync(probe, { force: true });
  server.child.kill('SIGUSR2');
  if (!(await until(() => existsSync(probe), 5000))) throw new Error('the server did not collect its garbage');
  return JSON.parse(readFileSync(probe, 'utf8'));
}

const mib = (bytes) => `${(bytes / 1048576).toFixed(0)} MiB`;
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];

async function halfOfCapacity(server) {
  const load = startLoad(server.port, { outstanding: 16, connections: 4 });
  await sleep(1500);
  load.mark();
  const begun = performance.now();
  await sleep(2000);
  const { answered } = load.mark();
  await load.stop();
  return (answered / (performance.now() - begun)) * 500;
}

/** What goes wrong all the time anyway: callers who leave, short deadlines, a store that fails now and then, nonsense. */
function startMess(server, fakes) {
  let isStopped = false;
  const loop = (async () => {
    let client = new Client(server.port);
    for (let turn = 0; !isStopped; turn++) {
      const call = client.start(PATH, freshRequest(6).message, { deadlineMs: turn % 3 === 0 ? 2 : patient(500) });
      if (turn % 3 === 1) setTimeout(() => call.stream?.close(8), 3);
      if (turn % 10 === 2) await client.start(PATH, Buffer.from([0, 0, 0, 0, 4, 1, 2, 3, 4]), { raw: true }).result;
      if (turn % 40 === 3) fakes.store.fault = { kind: ['status', 'garbage', 'reset', 'short-rows'][(turn / 40) & 3], code: 13 };
      await sleep(20);
      fakes.store.fault = null;
      if (turn % 50 === 49) {
        client.close();
        client = new Client(server.port);
      }
    }
    client.close();
  })();
  return {
    async stop() {
      isStopped = true;
      await loop;
    },
  };
}
