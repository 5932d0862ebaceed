// What a run of bench.mjs measures: the servers of every workload, and the loads that each of them gets.
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { usageError } from './options.mjs';
import { WORKLOADS } from './workloads.mjs';

/** Where the prototypes look for `node_modules` with their libraries: of ours, those of this package are all that `hybrid` takes. */
const hybridEnv = { BENCH_CACHE: process.env.BENCH_CACHE ?? fileURLToPath(new URL('../../packages/proto', import.meta.url)) };

/** Servers of a workload, the reference first: name → { command, env }. */
export function serversOf(workload, options) {
  // The Node that runs this file, whatever the PATH says.
  const node = `'${process.execPath}'`;
  const ours = `${node} apps/server/dist/main.js`;
  const isSimple = workload.comps.length === 1 && !workload.cache && !workload.logging;
  const all = {
    connect: { command: `${node} benchmarks/competitors/connect.mjs` },
    'grpc-js': { command: `${node} benchmarks/competitors/grpc-js.mjs` },
    // The prototypes know one feature component and one model.
    ...(options.prototypes &&
      isSimple && { hybrid: { command: `${node} '${resolve(options.prototypes, 'proto-server.mjs')}' hybrid`, env: hybridEnv } }),
    ...Object.fromEntries(options.server.map((text, at) => named(text, at))),
    inferflow: { command: ours, env: { INFERFLOW_SHARE_FETCHES: 0 } },
    ...(!options['no-sharing'] && { 'inferflow+sharing': { command: ours, env: { INFERFLOW_SHARE_FETCHES: 1 } } }),
  };
  const wanted = options.only?.split(',');
  const unknown = wanted?.find((name) => !Object.hasOwn(all, name) && !(name === 'hybrid' && options.prototypes));
  if (unknown === 'hybrid') usageError('--only hybrid needs --prototypes, the folder that it is in');
  if (unknown !== undefined) usageError(`--only: there is no server "${unknown}", only ${Object.keys(all).join(', ')}`);
  return Object.entries(all).filter(([name]) => wanted === undefined || wanted.includes(name));
}

const namedCommand = /^([\w-]+)=(.*)$/;

function named(text, at) {
  const parts = namedCommand.exec(text);
  return [parts?.[1] ?? `server ${at + 1}`, { command: parts?.[2] ?? text, env: { INFERFLOW_SHARE_FETCHES: 0 } }];
}

const isOurs = ({ name }) => name.startsWith('inferflow');

/** One after the other: `amount(server)` requests outstanding, or a second; `body` is the file of their messages. */
export function loadsOf(options) {
  const loads = options.outstanding.map((amount) => ({
    key: outstandingKey(amount),
    mode: 'closed',
    amount: () => amount,
    body: 'same',
  }));
  if (!options['no-half'] && loads.length > 0)
    loads.push({
      key: 'half load (open loop at half of its best rate)',
      mode: 'open',
      amount: (server) => Math.max(10, server.best / 2),
      body: 'same',
    });
  if (!options['no-sharing'])
    loads.push({
      key: '64 outstanding, 48 requests with distinct keys',
      mode: 'closed',
      amount: () => 64,
      body: 'distinct',
      isFor: isOurs,
    });
  if (options.rate !== undefined)
    loads.push({ key: `${options.rate} requests/s (open loop)`, mode: 'open', amount: () => options.rate, body: 'same' });
  return loads.map((load) => ({ isFor: () => true, ...load }));
}

const outstandingKey = (amount) => `${amount} outstanding`;

const ownNames = ['connect', 'grpc-js', 'hybrid', 'inferflow'];

/** One name would stand for two servers, and one of them would not be measured. */
function checkNames(servers) {
  const names = servers.map((text) => namedCommand.exec(text)?.[1]).filter((name) => name !== undefined);
  const own = names.find((name) => ownNames.includes(name));
  if (own !== undefined) usageError(`--server: "${own}" is a server of the benchmark, give yours another name`);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) usageError(`--server: two servers are named "${twice}"`);
}

/** Refuses a run that would measure nothing, or compare nothing, or one thing under the name of another. */
export function checkPlan(options) {
  checkNames(options.server);
  if (options.isCompared) checkComparison(options);
  const loads = loadsOf(options);
  if (loads.length === 0) usageError('there is no load to measure: --outstanding is empty, with --no-sharing and without --rate');
  for (const workload of options.workloads) {
    const servers = namesOf(workload, options);
    if (servers.length === 0) usageError(`${workload}: no server of --only ${options.only} knows this workload`);
    if (!servers.some((name) => loads.some(({ isFor }) => isFor({ name }))))
      usageError(
        `there is no load to measure for ${servers.join(', ')}: --outstanding is empty, without --rate, and distinct keys are for inferflow`,
      );
  }
}

function checkComparison({ check, baseline, storedRatios, workloads, outstanding, ...options }) {
  if (outstanding.length === 0) usageError('the baseline is of closed loops: --outstanding must not be empty');
  const servers = namesOf(workloads[0], options);
  if (!servers.includes('connect') || !servers.includes('inferflow'))
    usageError('the baseline is of inferflow against connect: --only has to hold both');
  const keys = workloads.flatMap((name) => outstanding.map((amount) => `${name}, ${outstandingKey(amount)}`));
  if (check && !keys.some((key) => Object.hasOwn(storedRatios, key)))
    usageError(`nothing to compare: ${baseline} holds no load of this run, such as "${keys[0]}"; --save-baseline stores them`);
}

const namesOf = (workload, options) => serversOf(WORKLOADS[workload], options).map(([name]) => name);
