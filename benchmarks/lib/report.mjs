// Tables, and the comparison with a stored baseline.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';

export const median = (values) => quantile(values, 0.5);
export const quantile = (values, share) => {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
};
/** Ratios of neighbouring loads. */
export const ratiosOf = (reference, samples) => samples.map((sample, at) => reference[at].cpu / sample.cpu);
const format = (value, digits = 1) => (Number.isFinite(value) ? value.toFixed(digits) : '–');

const columns = [
  'server', 'CPU µs/request', 'quartiles', 'user + system', 'times cheaper', 'quartiles', 'req/s', 'p50 ms', 'p99 ms', 'p99.9 ms', 'RSS MiB', 'GC %', 'cores, first thread', 'calls store/model', 'failed / wrong / wrong tensors',
]; // biome-ignore format: one line per thought

/** One table: a workload under one load, every server that had it; times cheaper than the first. */
export function printTable(workload, key, servers) {
  const measured = servers.filter((server) => server.samples.has(key));
  const reference = measured[0];
  if (reference === undefined) return;
  console.log(`\n### ${workload}, ${key} (times cheaper than ${reference.name})\n`);
  console.log(`| ${columns.join(' | ')} |\n|---|${'--:|'.repeat(columns.length - 1)}`);
  for (const server of measured) {
    const samples = server.samples.get(key);
    const of = (field) => samples.map((sample) => sample[field]);
    const sum = (field) => of(field).reduce((total, value) => total + value, 0);
    const ratios = ratiosOf(reference.samples.get(key), samples);
    const cells = [
      server.name,
      format(median(of('cpu'))),
      `${format(quantile(of('cpu'), 0.25))}–${format(quantile(of('cpu'), 0.75))}`,
      `${format(median(of('user')), 0)} + ${format(median(of('system')), 0)}`,
      server === reference ? '1' : format(median(ratios), 2),
      server === reference ? '' : `${format(quantile(ratios, 0.25), 2)}–${format(quantile(ratios, 0.75), 2)}`,
      format(median(of('rps')), 0),
      format(median(of('p50')) / 1000, 2),
      format(median(of('p99')) / 1000, 2),
      format(median(of('p999')) / 1000, 2),
      format(median(of('rss')) / 1048576, 0),
      format(median(of('gcShare')) * 100),
      `${format(median(of('cores')), 2)}, ${format(median(of('mainCores')), 2)}`,
      `${format(median(of('storeCalls')), 2)}/${format(median(of('modelCalls')), 2)}`,
      `${sum('failed')} / ${sum('wrong')} / ${sum('wrongTensors')}`,
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

/** How much dearer than `hybrid` the server may be, where that prototype takes part. */
const gates = { W1: 1.6, W2: 1.75, W5: 1.45 };

/** Prints whether the gates of a workload hold; nothing without the prototype. */
export function printGate(workload, keys, servers) {
  const limit = gates[workload];
  const ours = servers.find(({ name }) => name === 'inferflow');
  const prototype = servers.find(({ name }) => name === 'hybrid');
  if (limit === undefined || ours === undefined || prototype === undefined) return;
  for (const key of keys) {
    if (!ours.samples.has(key) || !prototype.samples.has(key)) continue;
    const ratio = 1 / median(ratiosOf(prototype.samples.get(key), ours.samples.get(key)));
    console.log(`\ngate ${workload}, ${key}: ×${format(ratio, 2)} of hybrid, limit ×${limit}: ${ratio <= limit ? 'holds' : 'BROKEN'}`);
  }
}

/** The ratios that a baseline keeps: ours against connect, per workload and load. */
export function ratiosOfRun(results) {
  const ratios = {};
  for (const { workload, servers } of results) {
    const ours = servers.find(({ name }) => name === 'inferflow');
    const reference = servers.find(({ name }) => name === 'connect');
    if (ours === undefined || reference === undefined) continue;
    for (const [key, samples] of Object.entries(ours.samples)) {
      if (!/^\d+ outstanding$/.test(key) || reference.samples[key] === undefined) continue;
      ratios[`${workload}, ${key}`] = Number(median(ratiosOf(reference.samples[key], samples)).toFixed(2));
    }
  }
  return ratios;
}

/** Samples of a second run of a workload are added to those of the first. */
export function addSamples(first, second) {
  for (const server of first.servers) {
    const more = second.servers.find(({ name }) => name === server.name)?.samples ?? {};
    for (const [key, samples] of Object.entries(more)) server.samples[key] = [...(server.samples[key] ?? []), ...samples];
  }
}

/** What must never be, of any server: wrong answers, model inputs that are not those of the checked answers, and requests that failed in a closed loop. */
export function wrongOf(results) {
  const problems = [];
  for (const { workload, servers } of results) {
    for (const { name, samples } of servers) {
      for (const [key, loads] of Object.entries(samples)) {
        const sum = (field) => loads.reduce((total, load) => total + load[field], 0);
        const where = `${workload}, ${key}, ${name}`;
        if (sum('wrongTensors') > 0) problems.push(`wrong model inputs: ${sum('wrongTensors')} (${where})`);
        if (sum('wrong') > 0) problems.push(`wrong answers: ${sum('wrong')} (${where})`);
        if (!key.includes('open loop') && sum('failed') > 0) problems.push(`failed requests: ${sum('failed')} (${where})`);
      }
    }
  }
  return problems;
}

/** The loads whose ratio is more than 15 % worse than the stored one. */
export function worseThan(file, ratios) {
  const stored = readBaseline(file).ratios;
  return Object.entries(ratios).flatMap(([key, now]) => (stored[key] !== undefined && now < stored[key] * 0.85 ? [key] : []));
}

/** Prints the stored ratios and those of now, and what differs between the machines that they are of. */
export function printBaseline(file, ratios, machine) {
  const { conditions, ratios: stored } = readBaseline(file);
  const worse = new Set(worseThan(file, ratios));
  console.log('\n### Against the baseline (times cheaper than connect)\n\n| load | baseline | now | |\n|---|--:|--:|---|');
  for (const [key, now] of Object.entries(ratios)) {
    const verdict = stored[key] === undefined ? 'new' : worse.has(key) ? 'WORSE by more than 15 %' : 'ok';
    console.log(`| ${key} | ${stored[key] ?? '–'} | ${now} | ${verdict} |`);
  }
  const other = ['node', 'cpu'].filter((what) => conditions[what] !== undefined && conditions[what] !== machine[what]);
  if (other.length > 0)
    console.log(
      `\nThe baseline is of another ${other.join(' and ')}: ${other.map((what) => conditions[what]).join(', ')}. --save-baseline stores one of this machine.`,
    );
}

/** The stored ratios, and what they were measured under; empty when there is no such file. Throws when it is damaged. */
export function readBaseline(file) {
  if (!existsSync(file)) return { conditions: {}, ratios: {} };
  const damaged = (what) =>
    new Error(`the baseline ${file} is damaged: ${what}; restore it, or remove it and store one with --save-baseline`);
  let stored;
  try {
    stored = JSON.parse(readFileSync(file, 'utf8'));
  } catch (error) {
    throw damaged(error.message);
  }
  if (!isRecord(stored)) throw damaged('it holds no object');
  const { conditions = {}, ratios = {} } = stored;
  if (!isRecord(conditions)) throw damaged('"conditions" is no object');
  if (!isRecord(ratios)) throw damaged('"ratios" is no object');
  for (const [key, ratio] of Object.entries(ratios))
    if (!(typeof ratio === 'number' && ratio > 0)) throw damaged(`the ratio "${key}" is no number above 0`);
  return { conditions, ratios };
}

const isRecord = (value) => typeof value === 'object' && value !== null && !Array.isArray(value);

export function saveBaseline(file, ratios, conditions) {
  writeFileSync(file, `${JSON.stringify({ conditions, ratios: { ...readBaseline(file).ratios, ...ratios } }, null, 2)}\n`);
}
