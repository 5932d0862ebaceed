// npm run bench [-- --workload W1,W5] [--outstanding 16,64] [--seconds 1] [--cycles 6] [--server "name=<command>"] [--prototypes DIR]
//                [--latency 2,5] [--rate 200] [--check] [--save-baseline] [--json FILE] …                        (see README.md)
//
// CPU per request of the stock server beside the same flow written straightforwardly on connect-node and on grpc-js, on the same
// requests, fakes and configuration, in one run: all servers are up, loads are short and taken in turn, ratios are medians of the ratios
// of neighbouring loads. Every answer that is checked is checked bit by bit, before and after the load.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { warning } from './lib/processes.mjs';
import {
  addSamples,
  printBaseline,
  printGate,
  printTable,
  ratiosOfRun,
  readBaseline,
  saveBaseline,
  worseThan,
  wrongOf,
} from './lib/report.mjs';
import { lastLines, load, measure, startFakes, startServer, stop, verify } from './lib/servers.mjs';
import { modelConfig, request, WORKLOADS } from './lib/workloads.mjs';

const options = readOptions();
if (options.help) {
  console.log(readFileSync(fileURLToPath(new URL('README.md', import.meta.url)), 'utf8'));
  process.exit(0);
}
if (options.check || options['save-baseline']) {
  // What the baseline holds, and no more: the time is better spent on repetitions.
  options['no-half'] = options['no-sharing'] = true;
  options.only ??= 'connect,inferflow';
}
// Servers get faster as they get warm: a comparison needs loads as many and as long as those of the baseline.
if (options.check && !existsSync(options.baseline)) usageError(`there is no baseline ${options.baseline}`);
const like = options.check ? readBaseline(options.baseline).conditions : {};
const seconds = numberOf('seconds', options.seconds ?? like.seconds ?? 1);
const cycles = numberOf('cycles', options.cycles ?? like.cycles ?? 6);
if (!Number.isInteger(cycles)) usageError('--cycles takes a whole number');
if (options.rate !== undefined) numberOf('rate', options.rate);
const outstanding = options.outstanding.split(',').filter(Boolean);
if (!outstanding.every((amount) => /^[1-9]\d*$/.test(amount))) usageError('--outstanding takes numbers of requests: 16,64');
const latency = options.latency.split(',');
if (latency.length !== 2 || !latency.every((ms) => /^\d+(\.\d+)?$/.test(ms)))
  usageError('--latency takes the milliseconds of the feature store and of the model server: 2,5');
const workloads = options.workload.split(',');
for (const name of workloads)
  if (!Object.hasOwn(WORKLOADS, name)) usageError(`there is no workload "${name}", only ${Object.keys(WORKLOADS).join(', ')}`);
process.on('uncaughtException', (error) => {
  console.error(`bench: ${error.message}`);
  process.exit(1);
});
const work = mkdtempSync(join(tmpdir(), 'inferflow-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true }));
const distinctSeeds = Array.from({ length: 48 }, (_, seed) => seed + 1);
const [storeMs, modelMs] = latency.map(Number);

function readOptions() {
  try {
    return parseArgs({
      options: {
        workload: { type: 'string', default: 'W1,W1g4,W1v,W2,W3,W4,W5,W6' },
        outstanding: { type: 'string', default: '16,64' },
        seconds: { type: 'string' },
        cycles: { type: 'string' },
        latency: { type: 'string', default: '0,0' },
        rate: { type: 'string' },
        'no-half': { type: 'boolean', default: false },
        'no-sharing': { type: 'boolean', default: false },
        unpinned: { type: 'boolean', default: false },
        only: { type: 'string' },
        server: { type: 'string', multiple: true, default: [] },
        prototypes: { type: 'string' },
        check: { type: 'boolean', default: false },
        'save-baseline': { type: 'boolean', default: false },
        baseline: { type: 'string', default: fileURLToPath(new URL('baseline.json', import.meta.url)) },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    return usageError(error.message);
  }
}

function numberOf(option, text) {
  if (!(Number(text) > 0)) usageError(`--${option} takes a number above 0, not "${text}"`);
  return Number(text);
}

function usageError(text) {
  console.error(`bench: ${text}\n--help shows the options`);
  process.exit(2);
}

/** Servers of a workload, the reference first. */
function commandsFor(workload) {
  // The Node that runs this file, whatever the PATH says.
  const node = `'${process.execPath}'`;
  const ours = `${node} apps/server/dist/main.js`;
  const isSimple = workload.comps.length === 1 && !workload.cache && !workload.logging;
  const all = {
    connect: { command: `${node} benchmarks/competitors/connect.mjs` },
    'grpc-js': { command: `${node} benchmarks/competitors/grpc-js.mjs` },
    // The prototypes know one feature component and one model.
    ...(options.prototypes && isSimple && { hybrid: { command: `${node} ${resolve(options.prototypes, 'proto-server.mjs')} hybrid` } }),
    ...Object.fromEntries(options.server.map((text, at) => named(text, at))),
    inferflow: { command: ours, env: { INFERFLOW_SHARE_FETCHES: 0 } },
    ...(!options['no-sharing'] && { 'inferflow+sharing': { command: ours, env: { INFERFLOW_SHARE_FETCHES: 1 } } }),
  };
  const wanted = options.only?.split(',');
  const unknown = wanted?.find((name) => all[name] === undefined);
  if (unknown !== undefined && unknown !== 'hybrid')
    usageError(`--only: there is no server "${unknown}", only ${Object.keys(all).join(', ')}`);
  return Object.entries(all).filter(([name]) => wanted === undefined || wanted.includes(name));
}

function named(text, at) {
  const parts = /^([\w-]+)=(.*)$/.exec(text);
  return [parts?.[1] ?? `server ${at + 1}`, { command: parts?.[2] ?? text, env: { INFERFLOW_SHARE_FETCHES: 0 } }];
}

function writeFiles(workload) {
  const directory = join(work, workload.name);
  mkdirSync(join(directory, 'models'), { recursive: true });
  const config = modelConfig(workload);
  const file = (name) => join(work, `${workload.name}.${name}`);
  writeFileSync(join(directory, 'models', `${encodeURIComponent(workload.modelId)}.json`), JSON.stringify(config));
  if (workload.logging)
    writeFileSync(join(directory, 'services.json'), JSON.stringify({ v2_logging_type: 'proto', compression_enabled: false }));
  writeFileSync(file('json'), JSON.stringify({ [workload.modelId]: config }));
  writeBodies(file('same'), workload, [0]);
  writeBodies(file('distinct'), workload, distinctSeeds);
  return { work, directory, config: file('json'), same: file('same'), distinct: file('distinct') };
}

/** Messages one after the other, each with its length in front. */
function writeBodies(path, workload, seeds) {
  const parts = seeds.flatMap((seed) => {
    const message = request(workload, 'predict', seed);
    const head = Buffer.alloc(4);
    head.writeUInt32LE(message.length);
    return [head, message];
  });
  writeFileSync(path, Buffer.concat(parts));
}

async function verified(server, workload, seeds, when) {
  try {
    await verify(server, workload, seeds);
  } catch (error) {
    throw new Error(`${workload.name}, ${server.name}: ${error.message} ${when}\n${lastLines(server)}`);
  }
}

async function run(name) {
  const workload = WORKLOADS[name];
  const files = writeFiles(workload);
  const fakes = await startFakes(storeMs, modelMs);
  const servers = [];
  const placed = options.unpinned ? { core: null } : {};
  for (const [server, how] of commandsFor(workload)) servers.push(await startServer(server, { ...how, ...placed }, workload, fakes, files));
  for (const server of servers) await verified(server, workload, [0, 0, ...distinctSeeds], 'before the load');
  fakes.mark();
  for (const server of servers) await load(server, files.same, 'closed', 16, 4);

  const ours = ({ name: server }) => server.startsWith('inferflow');
  const loads = outstanding
    .map(Number)
    .map((amount) => ({ key: `${amount} outstanding`, mode: 'closed', amount: () => amount, body: files.same }));
  if (!options['no-half'] && outstanding.length > 0)
    loads.push({
      key: 'half load (open loop at half of its best rate)',
      mode: 'open',
      amount: (server) => Math.max(10, server.best / 2),
      body: files.same,
    });
  if (!options['no-sharing'])
    loads.push({
      key: '64 outstanding, 48 requests with distinct keys',
      mode: 'closed',
      amount: () => 64,
      body: files.distinct,
      isFor: ours,
    });
  if (options.rate !== undefined)
    loads.push({ key: `${options.rate} requests/s (open loop)`, mode: 'open', amount: () => Number(options.rate), body: files.same });

  for (let cycle = 0; cycle < cycles; cycle++) {
    for (const { key, mode, amount, body, isFor = () => true } of loads) {
      const chosen = servers.filter(isFor);
      for (let turn = 0; turn < chosen.length; turn++) {
        const server = chosen[(turn + cycle) % chosen.length];
        const sample = await measure(server, fakes, body, mode, amount(server), seconds);
        if (mode === 'closed') server.best = Math.max(server.best, sample.rps);
        server.samples.set(key, [...(server.samples.get(key) ?? []), sample]);
      }
    }
  }
  for (const server of servers) await verified(server, workload, [0, 0], 'after the load');
  for (const { key } of loads) printTable(name, key, servers);
  printGate(
    name,
    loads.map(({ key }) => key),
    servers,
  );
  for (const server of servers) await stop(server.child);
  await stop(fakes.child);
  return { workload: name, servers: servers.map((server) => ({ name: server.name, samples: Object.fromEntries(server.samples) })) };
}

console.log(
  `Node ${process.version}, ${cycles} cycles of ${seconds} s, store ${storeMs} ms, model ${modelMs} ms; servers in turn ${options.unpinned ? 'on all cores' : 'on one core'}, load and fakes on another`,
);
if (warning() !== '') console.log(`Note: ${warning()}.`);
const results = [];
for (const name of workloads) results.push(await run(name));
if (options['save-baseline']) saveBaseline(options.baseline, ratiosOfRun(results), { ...thisMachine(), seconds, cycles });
const problems = wrongOf(results);
if (options.check) problems.push(...(await check()));
if (options.json) writeFileSync(options.json, JSON.stringify({ ...thisMachine(), options, results }, null, 1));
if (problems.length > 0) console.error(`\n${problems.join('\n')}`);
process.exit(problems.length > 0 ? 1 : 0);

/** Compares with the baseline. Noise makes a load look worse now and then, not twice more: what is worse is measured again, and counts with all of it. */
async function check() {
  for (let again = 0; again < 2; again++) {
    const names = workloads.filter((name) => worseThan(options.baseline, ratiosOfRun(results)).some((key) => key.startsWith(`${name}, `)));
    if (names.length === 0) break;
    console.log(`\nworse than the baseline, so measured again: ${names.join(', ')}`);
    for (const name of names)
      addSamples(
        results.find(({ workload }) => workload === name),
        await run(name),
      );
  }
  const ratios = ratiosOfRun(results);
  if (Object.keys(ratios).length === 0) return ['nothing to compare: --check needs connect and inferflow in a closed loop'];
  printBaseline(options.baseline, ratios, thisMachine());
  return worseThan(options.baseline, ratios).map((key) => `worse than the baseline by more than 15 %: ${key}`);
}

function thisMachine() {
  return { node: process.version, cpu: cpus()[0]?.model ?? '', date: new Date().toISOString().slice(0, 10) };
}
