// npm run bench [-- --workload W1,W5] [--outstanding 16,64] [--seconds 1] [--cycles 6] [--server "name=<command>"] [--prototypes DIR]
//                [--latency 2,5] [--rate 200] [--check] [--save-baseline] [--json FILE] …                        (see README.md)
//
// CPU per request of the stock server beside the same flow written straightforwardly on connect-node and on grpc-js, on the same
// requests, fakes and configuration, in one run: all servers are up, loads are short and taken in turn, ratios are medians of the ratios
// of neighbouring loads, figures are of right answers. Answers are checked bit by bit before and after the load, and held against those under it.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeMessages } from './lib/messages.mjs';
import { readOptions } from './lib/options.mjs';
import { checkPlan, loadsOf, serversOf } from './lib/plan.mjs';
import { warning } from './lib/processes.mjs';
import { addSamples, printBaseline, printGate, printTable, ratiosOfRun, saveBaseline, worseThan, wrongOf } from './lib/report.mjs';
import { lastLines, load, measure, startFakes, startServer, stop, verify } from './lib/servers.mjs';
import { modelConfig, request, WORKLOADS } from './lib/workloads.mjs';

const options = readOptions();
if (options.help) {
  console.log(readFileSync(fileURLToPath(new URL('README.md', import.meta.url)), 'utf8'));
  process.exit(0);
}
checkPlan(options);
const { workloads, seconds, cycles } = options;
const [storeMs, modelMs] = options.latency;
process.on('uncaughtException', (error) => {
  console.error(`bench: ${error.message}`);
  process.exit(1);
});
const work = mkdtempSync(join(tmpdir(), 'inferflow-bench-'));
process.on('exit', () => rmSync(work, { recursive: true, force: true, maxRetries: 5 }));
const distinctSeeds = Array.from({ length: 48 }, (_, seed) => seed + 1);
/** Of the message of seed 0 mostly; who answers one request with what another is owed is found out by the rest. */
const sameOrder = distinctSeeds.flatMap((seed) => [...new Array(15).fill(0), seed]);

function writeFiles(workload) {
  const directory = join(work, workload.name);
  mkdirSync(join(directory, 'models'), { recursive: true });
  const config = modelConfig(workload);
  const file = (name) => join(work, `${workload.name}.${name}`);
  const body = (name, seeds, order) => {
    writeMessages(
      file(name),
      seeds.map((seed) => request(workload, 'predict', seed)),
    );
    return { messages: file(name), workload: workload.name, seeds, order };
  };
  writeFileSync(join(directory, 'models', `${encodeURIComponent(workload.modelId)}.json`), JSON.stringify(config));
  if (workload.logging)
    writeFileSync(join(directory, 'services.json'), JSON.stringify({ v2_logging_type: 'proto', compression_enabled: false }));
  writeFileSync(file('json'), JSON.stringify({ [workload.modelId]: config }));
  return {
    work,
    directory,
    config: file('json'),
    same: body('same', [0, ...distinctSeeds], sameOrder),
    distinct: body('distinct', distinctSeeds),
  };
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
  for (const [server, how] of serversOf(workload, options))
    servers.push(await startServer(server, { ...how, ...placed }, workload, fakes, files));
  for (const server of servers) await verified(server, workload, [0, 0, ...distinctSeeds], 'before the load');
  fakes.mark();
  for (const server of servers) await load(server, files.same, 'closed', 16, 4);

  const loads = loadsOf(options);
  for (let cycle = 0; cycle < cycles; cycle++) {
    for (const { key, mode, amount, body, isFor } of loads) {
      const chosen = servers.filter(isFor);
      for (let turn = 0; turn < chosen.length; turn++) {
        const server = chosen[(turn + cycle) % chosen.length];
        const sample = await measure(server, fakes, files[body], mode, amount(server), seconds);
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
const worse = options.check ? await check() : [];
// What was measured again may be wrong, too.
const problems = [...wrongOf(results), ...worse];
if (options['save-baseline'] && problems.length === 0)
  saveBaseline(options.baseline, ratiosOfRun(results), {
    ...thisMachine(),
    seconds,
    cycles,
    latency: options.latency.join(','),
    unpinned: options.unpinned,
  });
if (options.json !== undefined) writeFileSync(options.json, JSON.stringify({ ...thisMachine(), options, results }, null, 1));
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
  printBaseline(options.baseline, ratios, thisMachine());
  return worseThan(options.baseline, ratios).map((key) => `worse than the baseline by more than 15 %: ${key}`);
}

function thisMachine() {
  return { node: process.version, cpu: cpus()[0]?.model ?? '', date: new Date().toISOString().slice(0, 10) };
}
