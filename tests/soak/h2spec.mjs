import { execFile } from 'node:child_process';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startServer } from './lib/server-process.mjs';

export const name = 'h2spec';
export const about =
  'h2spec against both listeners, plaintext and TLS: the lean one breaks no more rules of HTTP/2 than Node; installed by go on first use, skipped where there is none';
export const short = (run) => suite(run);
export const long = (run) => suite(run);
export const shortLimitMinutes = 6;

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, 'node_modules/.cache/inferflow/h2spec');
const testdata = join(root, 'packages/transport/src/testdata');
const h2specModule = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible';
/** What h2spec says of `node:http2` of Node 20.20, the least that is asked of the lean listener, whatever Node says here. */
const leastPassed = 136;

async function suite(run) {
  const h2spec = await install(run);
  if (h2spec === null) return;
  const tls = { INFERFLOW_TLS_CERT: join(testdata, 'server.pem'), INFERFLOW_TLS_KEY: join(testdata, 'server.key') };
  for (const [title, env, flags] of [
    ['plaintext', {}, []],
    ['TLS', tls, ['-t', '-k']],
  ]) {
    const node = await judge(run, h2spec, env, flags);
    const lean = await judge(run, h2spec, { ...env, INFERFLOW_LEAN_LISTENER: '1' }, flags);
    for (const [kind, { failed }] of [
      ['node:http2', node],
      ['lean', lean],
    ])
      for (const test of failed) run.note(`${kind}, ${title}, fails: ${test}`);
    run.check(
      `over ${title} the lean listener keeps to HTTP/2 as well as node:http2`,
      lean.total === node.total && lean.passed >= Math.max(node.passed, leastPassed),
      `lean ${lean.passed} of ${lean.total}, node:http2 ${node.passed}`,
    );
  }
}

/** What h2spec says of a server with this environment. */
async function judge(run, h2spec, env, flags) {
  const server = await startServer(run, { env });
  const { out } = await tryRun(h2spec, ['-h', '127.0.0.1', '-p', String(server.port), '-o', '2', ...flags], { timeout: 120_000 });
  await server.kill();
  const [, total, passed] = /(\d+) tests, (\d+) passed/.exec(out) ?? [0, '0', '0'];
  const failures = out.slice(out.indexOf('Failures:'));
  return { total: Number(total), passed: Number(passed), failed: [...failures.matchAll(/^\s*× (.*)$/gm)].map(([, test]) => test) };
}

/** The path of h2spec, installed on first use; `null` where that cannot be. */
async function install(run) {
  const installed = join(cache, 'h2spec');
  if (isExecutable(installed)) return installed;
  const go = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/go/bin'].map((folder) => join(folder, 'go')).find(isExecutable);
  if (go === undefined) return skipped(run, 'there is no go');
  mkdirSync(cache, { recursive: true });
  const env = { ...process.env, GOBIN: cache, GOWORK: 'off', CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
  const { code, problems } = await tryRun(go, ['install', '-trimpath', h2specModule], { env, timeout: 300_000 });
  return code === 0 ? installed : skipped(run, `it could not be installed: ${problems.trim().split('\n').at(-1)}`);
}

function skipped(run, why) {
  run.note(`!!!!! SKIPPED: h2spec was not tried: ${why}`);
  return null;
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Output and exit code of a command; never throws. */
function tryRun(command, args, options) {
  return new Promise((resolve) => {
    execFile(command, args, { maxBuffer: 1 << 24, ...options }, (error, out, problems) =>
      resolve({ code: error === null ? 0 : (error.code ?? 1), out, problems }),
    );
  });
}
