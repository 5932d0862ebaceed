// Runs the wire conformance kit against the built server: every case as recorded, once more with each configuration translated into the
// documented dialect, once with the configurations in etcd (the kit's stand-in; `--etcd URL` uses a real one for all), and once through the
// lean listener. With `--combinations` the first of these runs in all four combinations of upstream client (lean, node:http2) and WebAssembly (on, off).
// Three runs go at once: the kit waits more than it works. With `--retry` a case that failed is run once more, alone, and loudly: some are about
// time, and a machine that stood still for a moment must not look like a defect. Extra arguments go to the kit.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const own = ['--combinations', '--retry'];
const extra = process.argv.slice(2).filter((argument) => !own.includes(argument));
const common = ['conformance/wire/run.mjs', '--cases', 'conformance/wire/cases'];
const combinations = ['lean', 'node'].flatMap((client) =>
  ['1', '0'].map((wasm) => [`INFERFLOW_UPSTREAM_CLIENT=${client}`, `INFERFLOW_WASM=${wasm}`]),
);
const runs = [
  { title: 'as recorded' },
  { title: 'translated into the documented dialect', through: ['--through', 'node apps/cli/dist/main.js convert --to documented -'] },
  { title: 'in etcd', isInEtcd: true },
  { title: 'as recorded', env: ['INFERFLOW_LEAN_LISTENER=1'] },
];
if (process.argv.includes('--combinations')) runs.splice(0, 1, ...combinations.map((env) => ({ title: 'as recorded', env })));

const running = new Set();
process.on('exit', () => {
  for (const kit of running) kit.kill();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

const failed = [];
const waiting = [...runs];
// A real etcd is one place for all.
await Promise.all(Array.from({ length: extra.includes('--etcd') ? 1 : 3 }, work));
const repeated = process.argv.includes('--retry') ? failed.splice(0) : [];
for (const { how, cases, ...options } of repeated) {
  if (cases.length === 0) {
    failed.push({ how });
    continue;
  }
  const { isGood, output } = await run({ ...options, only: ['--only', `^(${cases.join('|')})$`] });
  console.log(`\n-- once more, alone: configurations ${how}\n${output.trimEnd()}`);
  if (!isGood) failed.push({ how });
}
const repeats = repeated.length === 0 ? '' : `, ${repeated.length} of them with cases that had to be repeated`;
console.log(
  failed.length === 0
    ? `\nall ${runs.length} runs passed${repeats}`
    : `\nfailed: ${failed.map(({ how }) => `configurations ${how}`).join('; ')}`,
);
process.exit(failed.length === 0 ? 0 : 1);

async function work() {
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const how = [next.title, ...(next.env ?? [])].join(', ');
    const { isGood, output } = await run(next);
    console.log(`\n-- configurations ${how}\n${output.trimEnd()}`);
    if (!isGood) failed.push({ ...next, how, cases: [...output.matchAll(/^FAIL (\S+)/gm)].map(([, name]) => name) });
  }
}

/** Runs the kit once. What it prints is shown in one piece. */
async function run({ isInEtcd = false, through = [], env = [], only = [] }) {
  const directory = mkdtempSync(join(tmpdir(), 'inferflow-conformance-'));
  const place = isInEtcd || extra.includes('--etcd') ? [] : ['--config-dir', directory];
  // The kit gives servers no environment but its own.
  const server = ['--server', ['env', ...env, 'node apps/server/dist/main.js'].join(' ')];
  const kit = spawn(process.execPath, [...common, ...server, ...place, ...through, ...only, ...extra], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  running.add(kit);
  let output = '';
  for (const stream of [kit.stdout, kit.stderr]) stream.setEncoding('utf8').on('data', (text) => (output += text));
  const [code] = await once(kit, 'close');
  running.delete(kit);
  rmSync(directory, { recursive: true, force: true });
  return { isGood: code === 0, output };
}
