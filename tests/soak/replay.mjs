import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, createWriteStream, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { sleep, until } from './lib/suite-run.mjs';

export const name = 'replay';
export const about = 'a scoring log of the demo, copied to a million rows: replayed in bounded memory, a planted change is found';
export const short = (run) => suite(run, 50_000);
export const long = (run) => suite(run, 1_000_000);
export const longLimitMinutes = 15;

const root = fileURLToPath(new URL('../../', import.meta.url));
const cli = join(root, 'apps/cli/dist/main.js');
const movies = join(root, 'examples/movies');
const requests = ['rank-drama', 'compare-films', 'plan-evening', 'score-for-many-users'];
const mostMemory = 400e6;

async function suite(run, rows) {
  const directory = run.directory();
  const messages = await logDemo(run, join(directory, 'scoring'));
  run.check('the demo logged every request', messages.length === requests.length, `${messages.length} records`);
  const log = join(directory, 'large.scoring');
  const written = await copyToRows(messages, log, rows);
  run.note(`${written.rows} rows in ${written.records} records, ${(written.bytes / 1e6).toFixed(0)} MB`);

  const same = await replay(run, log, movies, directory);
  run.check('the same configuration: nothing differs', same.code === 0 && same.report.ok, `exit status ${same.code}`);
  run.check('every row was compared', same.report.totals.rows === written.rows, `${same.report.totals.rows} of ${written.rows}`);
  const rate = Math.round(same.report.totals.rows / same.report.totals.seconds);
  run.check('memory is bounded', same.peak < mostMemory, `at most ${mib(same.peak)}; ${rate} rows a second`);
  const [first, last] = [Math.max(...quarter(same.samples, 1)), Math.max(...quarter(same.samples, 3))];
  run.check('memory does not grow with the log', last - first < 80e6, `${mib(first)} in the second quarter, ${mib(last)} in the last`);

  const candidate = join(directory, 'candidate');
  cpSync(movies, candidate, { recursive: true, filter: (path) => !path.includes('node_modules') });
  const expressions = join(candidate, 'expressions.json');
  writeFileSync(expressions, readFileSync(expressions, 'utf8').replace('0.25 * rating', '0.26 * rating'));
  const planted = await replay(run, log, candidate, directory, '--limit', '400');
  const changed = planted.report.models.flatMap(({ scores }) => scores.filter((score) => score.changed > 0).map(({ column }) => column));
  run.check('a planted change is found, and only that', planted.code === 1 && changed.join() === 'blend:final_score', changed.join());
}

/** Serves the demo, sends its requests and returns the ScoringLog messages. */
async function logDemo(run, scoring) {
  const env = {
    ...process.env,
    APP_PORT: '0',
    APP_LOG_LEVEL: 'INFO',
    INFERFLOW_HOST: '127.0.0.1',
    INFERFLOW_SCORING_DIR: scoring,
    INFERFLOW_SCORING_PERCENT: '100',
  };
  const server = spawn(process.execPath, [cli, 'serve'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  run.defer(() => server.kill('SIGKILL'));
  let text = '';
  server.stdout.on('data', (chunk) => {
    text += chunk;
  });
  const port = () => /"port":(\d+)[^\n]*"listening"/.exec(text)?.[1];
  if (!(await until(() => port() !== undefined, 20_000, 50))) throw new Error(`the demo does not listen: ${text}`);
  for (const request of requests) {
    const client = spawn(process.execPath, [cli, 'infer', join(movies, 'requests', `${request}.json`), '-s', `127.0.0.1:${port()}`], {
      stdio: 'ignore',
    });
    await once(client, 'exit');
  }
  server.kill('SIGTERM');
  await once(server, 'exit');
  const files = readdirSync(scoring, { recursive: true }).filter((file) => file.endsWith('.scoring'));
  return files.flatMap((file) => split(readFileSync(join(scoring, file))));
}

function split(bytes) {
  const messages = [];
  for (let at = 0; at < bytes.length; ) {
    let [length, scale] = [0, 1];
    for (;;) {
      const byte = bytes[at++];
      length += (byte & 0x7f) * scale;
      scale *= 128;
      if (byte < 0x80) break;
    }
    messages.push(bytes.subarray(at, at + length));
    at += length;
  }
  return messages;
}

/** Writes copies with a record id of their own: of a field that is there twice, the last one counts. */
async function copyToRows(messages, path, rows) {
  const { fromBinary } = await import(join(root, 'node_modules/@bufbuild/protobuf/dist/esm/index.js'));
  const { ScoringLogSchema } = await import(join(root, 'packages/proto/dist/index.js'));
  const counts = messages.map((message) => fromBinary(ScoringLogSchema, message).rowCount);
  const file = createWriteStream(path);
  const written = { rows: 0, records: 0, bytes: 0 };
  while (written.rows < rows) {
    const parts = messages.flatMap((message) => {
      const id = Buffer.from(`copy-${written.records++}`);
      const length = message.length + 2 + id.length;
      return [varint(length), message, Buffer.from([0x0a, id.length]), id];
    });
    for (const count of counts) written.rows += count;
    const chunk = Buffer.concat(parts);
    written.bytes += chunk.length;
    if (!file.write(chunk)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
  return written;
}

function varint(value) {
  const bytes = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    bytes.push(rest > 127 ? (rest % 128) | 0x80 : rest);
    if (rest <= 127) return Buffer.from(bytes);
  }
}

async function replay(run, log, candidate, directory, ...flags) {
  const json = join(directory, 'report.json');
  const child = spawn(process.execPath, [cli, 'replay', log, '--config', candidate, '--json', json, ...flags], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  run.defer(() => child.kill('SIGKILL'));
  const samples = [];
  let code;
  child.on('exit', (status) => {
    code = status;
  });
  while (code === undefined) {
    samples.push(residentBytes(child.pid));
    await sleep(50);
  }
  return { code, report: JSON.parse(readFileSync(json, 'utf8')), samples, peak: Math.max(...samples) };
}

function residentBytes(pid) {
  try {
    return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function quarter(samples, index) {
  const size = Math.max(1, Math.floor(samples.length / 4));
  return samples.slice(index * size, (index + 1) * size).concat(0);
}

function mib(bytes) {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`;
}
