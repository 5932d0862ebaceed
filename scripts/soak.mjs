// npm run soak -- <suite…> [--minutes N] [--short] [--retry] | --list | --short
//
// Fault and load suites against the built server. Every suite runs in a process group of its own, which is killed when the suite ends,
// fails, hangs or this process goes away, with a TMPDIR of its own, which is removed then: nothing stays behind. One line per check, then
// "N passed, N failed"; exit code 0 only if nothing failed. `--short` alone runs every suite in its short form. `--retry` runs a suite that
// failed once more, with more patience, and lets the second run count, both printed: for machines whose load is not ours to choose
// (`.ci/run`). SOAK_PATIENCE=N has patience from the start: all that a check gives a time gets N times that.
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { makeTemporary, removeTemporary } from '../tests/soak/lib/temporary.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'tests/soak');
const names = readdirSync(folder)
  .filter((file) => file.endsWith('.mjs'))
  .map((file) => file.slice(0, -4))
  .sort();
const { values: options, positionals } = readArguments();

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        minutes: { type: 'string' },
        short: { type: 'boolean', default: false },
        list: { type: 'boolean', default: false },
        retry: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    return usageError(error.message);
  }
}

function usageError(text) {
  console.error(`soak: ${text}`);
  console.error(`usage: npm run soak -- <suite…> [--minutes N] [--short] [--retry] | --short | --list\nsuites: ${names.join(' ')}`);
  process.exit(2);
}

const load = (name) => import(pathToFileURL(join(folder, `${name}.mjs`)).href);

if (options.list) {
  for (const name of names) console.log(`${name.padEnd(18)} ${(await load(name)).about}`);
  process.exit(0);
}
const unknown = positionals.filter((name) => !names.includes(name));
if (unknown.length > 0) usageError(`there is no suite ${unknown.map((name) => `"${name}"`).join(', ')}`);
if (positionals.length === 0 && !options.short) usageError('name the suites to run, or --short for the short form of all of them');
const minutes = options.minutes === undefined ? undefined : Number(options.minutes);
// Longer than any timer can wait.
if (minutes !== undefined && !(minutes > 0 && minutes <= 10_000))
  usageError(`--minutes takes a number of minutes above 0, at most 10000, not "${options.minutes}"`);
if (!existsSync(join(root, 'apps/server/dist/main.js'))) {
  console.error('apps/server is not built: npm run build');
  process.exit(2);
}

/** What failed for want of time does not fail with this much more of it; what is broken does. */
const retryPatience = 4;
const givenPatience = Number(process.env.SOAK_PATIENCE ?? 1);
if (!(givenPatience >= 1 && givenPatience <= 100))
  usageError(`SOAK_PATIENCE takes a number from 1 to 100, not "${process.env.SOAK_PATIENCE}"`);

const suites = positionals.length > 0 ? positionals : names;
/** The suite that runs: its child, and the directory for all temporary files of its processes. */
let active;
const endSuite = () => {
  if (active === undefined) return;
  try {
    if (active.child?.pid !== undefined) process.kill(-active.child.pid, 'SIGKILL');
  } catch {
    // The group has ended.
  }
  removeTemporary(active.temporary);
};
process.on('exit', endSuite);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

let passed = 0;
let failed = 0;
for (const name of suites) {
  const started = performance.now();
  let result = await runSuite(name, givenPatience);
  if (result.failed > 0 && options.retry) {
    console.log(`-- ${name}: ${result.failed} failed, once more, with patience`);
    result = await runSuite(name, retryPatience * givenPatience);
  }
  passed += result.passed;
  failed += result.failed;
  const seconds = ((performance.now() - started) / 1000).toFixed(0);
  console.log(`-- ${name}: ${result.passed} passed, ${result.failed} failed, ${seconds} s`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

/** Runs one suite in a child that leads its own process group; `patience` stretches every time it allows. */
async function runSuite(name, patience) {
  const suite = await load(name);
  console.log(`\n-- ${name}: ${suite.about}`);
  const limitMs = (options.short ? (suite.shortLimitMinutes ?? 4) : (minutes ?? 0) + (suite.longLimitMinutes ?? 45)) * 60_000 * patience;
  active = { temporary: makeTemporary() };
  const child = spawn(
    process.execPath,
    [join(folder, 'lib/child.mjs'), name, options.short ? 'short' : 'long', ...(minutes === undefined ? [] : [String(minutes)])],
    {
      cwd: root,
      detached: true,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: { ...process.env, TMPDIR: active.temporary, SOAK_PATIENCE: String(patience) },
    },
  );
  active.child = child;
  const tally = { passed: 0, failed: 0 };
  let isFinished = false;
  child.on('message', (message) => {
    if (message.kind === 'finished') isFinished = true;
    else if (message.ok) tally.passed++;
    else tally.failed++;
  });
  const timer = setTimeout(() => {
    console.log(`FAIL  ${name}: not finished after ${limitMs / 60_000} minutes`);
    endSuite();
  }, limitMs);
  const [code, signal] = await new Promise((resolve) => child.once('exit', (...ended) => resolve(ended)));
  clearTimeout(timer);
  endSuite();
  active = undefined;
  if (!isFinished || code !== 0) {
    tally.failed++;
    console.log(`FAIL  ${name}: the suite ended with ${signal ?? code}`);
  }
  return tally;
}
