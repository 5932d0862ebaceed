// The command line of bench.mjs. What is wrong with it is said before anything starts, with exit code 2.
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readBaseline } from './report.mjs';
import { WORKLOADS } from './workloads.mjs';

const most = { seconds: 600, cycles: 10_000, rate: 100_000 };

export function usageError(text) {
  console.error(`bench: ${text}\n--help shows the options`);
  process.exit(2);
}

/** The options as they are used: numbers are numbers, lists are lists, defaults are there. */
export function readOptions() {
  const given = parse();
  if (given.help) return { help: true };
  const { check, 'save-baseline': isSaved } = given;
  if (check && isSaved) usageError('--check compares with the baseline and --save-baseline replaces it: give one of them');
  const workloads = listOf(given.workload);
  for (const name of workloads)
    if (!Object.hasOwn(WORKLOADS, name)) usageError(`there is no workload "${name}", only ${Object.keys(WORKLOADS).join(', ')}`);
  const outstanding = listOf(given.outstanding).filter(Boolean);
  if (!outstanding.every((amount) => /^[1-9]\d*$/.test(amount))) usageError('--outstanding takes numbers of requests: 16,64');
  const latency = given.latency.split(',');
  if (latency.length !== 2 || !latency.every((ms) => /^\d+(\.\d+)?$/.test(ms)))
    usageError('--latency takes the milliseconds of the feature store and of the model server: 2,5');
  if (given.prototypes !== undefined && !existsSync(join(given.prototypes, 'proto-server.mjs')))
    usageError(`--prototypes: there is no proto-server.mjs in "${given.prototypes}"`);
  if (check && !existsSync(given.baseline)) usageError(`there is no baseline ${given.baseline}; --save-baseline stores one`);
  const stored = check || isSaved ? storedIn(given.baseline) : { conditions: {}, ratios: {} };
  // Servers get faster as they get warm: a comparison needs loads as many and as long as those of the baseline.
  const like = check ? stored.conditions : {};
  if (Object.keys(stored.ratios).length > 0) checkConditions(given, stored.conditions);
  if (isSaved) checkWritable('baseline', given.baseline);
  if (given.json !== undefined) checkWritable('json', given.json);
  return {
    ...given,
    // Of a comparison, what the baseline holds, and no more: the time is better spent on repetitions.
    ...((check || isSaved) && { 'no-half': true, 'no-sharing': true, only: given.only ?? 'connect,inferflow' }),
    isCompared: check || isSaved,
    storedRatios: stored.ratios,
    workloads,
    outstanding: outstanding.map(Number),
    latency: latency.map(Number),
    seconds: numberOf('seconds', given.seconds ?? like.seconds ?? 1),
    cycles: wholeNumberOf('cycles', given.cycles ?? like.cycles ?? 6),
    rate: given.rate === undefined ? undefined : numberOf('rate', given.rate),
  };
}

function parse() {
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
        baseline: { type: 'string', default: fileURLToPath(new URL('../baseline.json', import.meta.url)) },
        json: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values;
  } catch (error) {
    return usageError(error.message);
  }
}

const listOf = (text) => [...new Set(text.split(','))];

function numberOf(option, text) {
  if (!(Number(text) > 0 && Number(text) <= most[option]))
    usageError(`--${option} takes a number above 0, at most ${most[option]}, not "${text}"`);
  return Number(text);
}

function wholeNumberOf(option, text) {
  const number = numberOf(option, text);
  if (!Number.isInteger(number)) usageError(`--${option} takes a whole number, not "${text}"`);
  return number;
}

/** Ratios are of a latency and a placement: what was measured under others is neither compared nor kept beside them. */
function checkConditions({ latency, unpinned, baseline }, stored) {
  const [now, then] = [conditionsOf(latency, unpinned), conditionsOf(stored.latency ?? '0,0', stored.unpinned ?? false)];
  if (now !== then) usageError(`the baseline ${baseline} is of ${then}, this run is of ${now}: give another --baseline`);
}

const conditionsOf = (latency, unpinned) => `--latency ${String(latency).split(',').map(Number).join(',')}${unpinned ? ' --unpinned' : ''}`;

function storedIn(file) {
  try {
    return readBaseline(file);
  } catch (error) {
    return usageError(error.message);
  }
}

/** By opening it: only the system knows. What was not there before is not there afterwards. */
function checkWritable(option, path) {
  const wasThere = existsSync(path);
  try {
    closeSync(openSync(path, 'a'));
    if (!wasThere) rmSync(path);
  } catch (error) {
    usageError(`--${option} cannot be written: ${error.message}`);
  }
}
