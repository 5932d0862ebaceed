// npm run bench [-- --workload W1,W5] [--seconds 1] [--cycles 6] [--outstanding 16,64] [--server "<command>"] [--json FILE] …
//
// CPU per request of the stock server beside the same flow written straightforwardly on connect-node and protobuf-es, on the same
// requests, fakes and configuration, in one run: all servers are up, loads are short and taken in turn, ratios are medians of the ratios
// of neighbouring loads. Every answer that is checked is checked bit by bit, before and after the load.
import { execFile } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { connect, requestHead } from './lib/h2net.mjs';
import { freePort, start, stop, usage, waitForPort } from './lib/processes.mjs';
import { check, expected, modelConfig, PATHS, request, WORKLOADS } from './lib/workloads.mjs';

const { values: options } = parseArgs({
  options: {
    workload: { type: 'string', default: 'W1,W2,W3,W4,W5' },
    outstanding: { type: 'string', default: '16,64' },
    seconds: { type: 'string', default: '1' },
    cycles: { type: 'string', default: '6' },
    latency: { type: 'string', default: '0,0' },
    rate: { type: 'string' },
    server: { type: 'string' },
    share: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const here = fileURLToPath(new URL('.', import.meta.url));
const root = join(here, '..');
const work = mkdtempSync(join(tmpdir(), 'inferflow-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const serverCore = cpus().length > 1 ? 0 : null;
const loadCore = cpus().length > 1 ? 1 : null;
const path = PATHS.predict;
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1];
const quartile = (values, share) => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];

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
  };
}

async function startFakes(latency) {
  const child = start(loadCore, process.execPath, [join(here, 'fakes.mjs'), ...latency.split(',')], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const { ports } = await new Promise((resolve) => child.once('message', resolve));
  const stats = () =>
    new Promise((resolve) => {
      child.once('message', (message) => resolve(message.stats));
      child.send('stats');
    });
  return { child, ports, mark: () => child.send('mark'), stats };
}

async function startServer(name, command, workload, fakes, files, extra) {
  const port = await freePort();
  const log = join(work, `${name}.log`);
  const descriptor = openSync(log, 'w');
  const env = {
    PATH: process.env.PATH,
    ...environmentOf(workload, port, fakes.ports),
    INFERFLOW_CONFIG_DIR: files.directory,
    BENCH_MODEL_CONFIG: files.config,
    ...extra,
  };
  const child = start(serverCore, '/bin/sh', ['-c', `exec ${command}`], {
    cwd: root,
    stdio: ['ignore', descriptor, descriptor],
    env: Object.fromEntries(Object.entries(env).map(([key, value]) => [key, String(value)])),
  });
  closeSync(descriptor);
  try {
    await waitForPort(port, child);
  } catch (error) {
    throw new Error(`${name}: ${error.message}\n${readFileSync(log, 'utf8').slice(-2000)}`);
  }
  return { name, child, port, log, samples: new Map() };
}

async function verify(server, workload, times) {
  const connection = await connect(server.port);
  const right = expected(workload);
  for (let turn = 0; turn < times; turn++) {
    const answer = await new Promise((resolve, reject) =>
      connection.call(requestHead(path, `127.0.0.1:${server.port}`), request(workload, 'predict'), (error, bytes) =>
        error ? reject(error) : resolve(Buffer.from(bytes)),
      ),
    );
    check(workload, 'predict', answer, right);
  }
}

function load(server, body, mode, amount, seconds) {
  const args = [join(here, 'lib/load.mjs'), String(server.port), path, body, mode, String(amount), String(seconds)];
  const pinned = loadCore !== null;
  return new Promise((resolve, reject) => {
    execFile(
      pinned ? 'taskset' : process.execPath,
      pinned ? ['-c', String(loadCore), process.execPath, ...args] : args,
      { timeout: 120_000 },
      (error, output) => (error ? reject(error) : resolve(JSON.parse(output))),
    );
  });
}

async function measure(server, fakes, body, mode, amount) {
  const [before, countsBefore] = [usage(server.child.pid), await fakes.stats()];
  const result = await load(server, body, mode, amount, Number(options.seconds));
  const [after, countsAfter] = [usage(server.child.pid), await fakes.stats()];
  return { ...result, cpu: (after.cpu - before.cpu) / result.requests, rss: after.rss, wrongTensors: countsAfter.odd - countsBefore.odd };
}

function print(workload, key, servers) {
  console.log(
    `\n${workload.name}, ${key}\n\n| server | CPU µs/request | quartiles | cheaper than connect | quartiles | req/s | p50 ms | p99 ms | p99.9 ms | RSS MiB | failed / wrong tensors |\n|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|`,
  );
  const reference = servers.find((server) => server.name === 'connect')?.samples.get(key);
  for (const server of servers) {
    const samples = server.samples.get(key);
    const of = (field) => samples.map((sample) => sample[field]);
    const ratios = reference?.map((sample, index) => sample.cpu / samples[index].cpu);
    const format = (value, digits = 1) => value.toFixed(digits);
    const sum = (field) => of(field).reduce((total, value) => total + value, 0);
    console.log(
      `| ${server.name} | ${format(median(of('cpu')))} | ${format(quartile(of('cpu'), 0.25))}–${format(quartile(of('cpu'), 0.75))} | ${ratios ? `×${format(median(ratios))} | ${format(quartile(ratios, 0.25))}–${format(quartile(ratios, 0.75))}` : '– | –'} | ${format(median(of('rps')), 0)} | ${format(median(of('p50')) / 1000, 2)} | ${format(median(of('p99')) / 1000, 2)} | ${format(median(of('p999')) / 1000, 2)} | ${format(median(of('rss')) / 1048576, 0)} | ${sum('failed')} / ${sum('wrongTensors')} |`,
    );
  }
}

const commands = {
  connect: 'node benchmarks/competitors/connect.mjs',
  inferflow: 'node apps/server/dist/main.js',
  ...(options.server && { other: options.server }),
};
const everything = [];
for (const name of options.workload.split(',')) {
  const workload = WORKLOADS[name];
  if (workload === undefined) throw new Error(`unknown workload ${name}; there are ${Object.keys(WORKLOADS).join(', ')}`);
  const directory = join(work, name);
  mkdirSync(join(directory, 'models'), { recursive: true });
  const config = modelConfig(workload);
  const files = { directory, config: join(work, `${name}.json`) };
  writeFileSync(join(directory, 'models', `${encodeURIComponent(workload.modelId)}.json`), JSON.stringify(config));
  writeFileSync(files.config, JSON.stringify({ [workload.modelId]: config }));
  const body = join(work, `${name}.bin`);
  writeFileSync(body, request(workload, 'predict'));
  const fakes = await startFakes(options.latency);
  const servers = [];
  for (const [server, command] of Object.entries(commands)) {
    servers.push(
      await startServer(
        server,
        command,
        workload,
        fakes,
        files,
        server === 'inferflow' ? { INFERFLOW_SHARE_FETCHES: options.share ? 1 : 0 } : {},
      ),
    );
  }
  for (const server of servers) await verify(server, workload, 3);
  fakes.mark();
  for (const server of servers) await load(server, body, 'closed', 16, 2);
  const loads = [
    ...options.outstanding.split(',').map((amount) => ['closed', Number(amount), `${amount} outstanding`]),
    ...(options.rate ? [['open', Number(options.rate), `${options.rate} requests/s`]] : []),
  ];
  for (let cycle = 0; cycle < Number(options.cycles); cycle++) {
    for (const [mode, amount, key] of loads) {
      for (let turn = 0; turn < servers.length; turn++) {
        const server = servers[(turn + cycle) % servers.length];
        const sample = await measure(server, fakes, body, mode, amount);
        server.samples.set(key, [...(server.samples.get(key) ?? []), sample]);
      }
    }
  }
  for (const server of servers) await verify(server, workload, 2);
  for (const [, , key] of loads) print(workload, key, servers);
  everything.push({
    workload: name,
    servers: servers.map((server) => ({ name: server.name, samples: Object.fromEntries(server.samples) })),
  });
  for (const server of servers) await stop(server.child);
  await stop(fakes.child);
}
if (options.json) writeFileSync(options.json, JSON.stringify({ node: process.version, options, results: everything }, null, 1));
process.exit(0);
