import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { loadZstd, RecordEncoder } from '../../packages/logging/dist/index.js';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { accounted, loggedModel } from './lib/log-world.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep } from './lib/suite-run.mjs';
import { entityIds, expectedRows, schemaEntries, typedRecord } from './lib/typed-record.mjs';
import { expectedRow } from './lib/workload.mjs';

export const name = 'log-readers';
export const about =
  'inference logs through the readers of others: the published Python decoder, DuckDB, pyarrow; installed on first use, skipped where that cannot be';
export const short = (run) => suite(run);
export const long = (run) => suite(run);
export const shortLimitMinutes = 8;

const root = fileURLToPath(new URL('../..', import.meta.url));
const environment = join(root, 'node_modules/.cache/inferflow/log-readers');
const python = join(environment, 'bin/python');
const packages = [
  'inference-logging-client==0.1.0',
  'numpy==2.4.6',
  'pandas==3.1.1',
  'pyarrow==26.0.1',
  'zstandard==0.25.0',
  'duckdb==2.0.0',
];

async function suite(run) {
  const problem = await install();
  if (problem !== null) return run.note(`!!!!! SKIPPED: no reader of others was tried: ${problem}`);
  await records(run);
  await tables(run);
}

async function install() {
  if (existsSync(join(environment, 'installed'))) return null;
  try {
    execFileSync('python3', ['--version'], { stdio: 'ignore' });
  } catch {
    return 'there is no Python';
  }
  mkdirSync(join(environment, '..'), { recursive: true });
  rmSync(environment, { recursive: true, force: true });
  const made = await tryRun('python3', ['-m', 'venv', environment]);
  if (made.code !== 0) return `no virtual environment: ${lastLine(made.problems)}`;
  const args = ['-m', 'pip', 'install', '-q', '--disable-pip-version-check', '--no-compile', '--only-binary', ':all:', ...packages];
  const installed = await tryRun(python, args);
  if (installed.code !== 0) return `they could not be installed: ${lastLine(installed.problems)}`;
  mkdirSync(join(environment, 'installed'));
  return null;
}

const lastLine = (text) => text.trim().split('\n').at(-1) ?? '';

function tryRun(command, args) {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 300_000, maxBuffer: 1 << 28 }, (error, out, problems) =>
      resolve({ code: error === null ? 0 : (error.code ?? 1), out, problems }),
    );
  });
}

async function read(...args) {
  const { code, out, problems } = await tryRun(python, [join(import.meta.dirname, 'lib/read_logs.py'), ...args]);
  if (code !== 0) throw new Error(`the reader failed: ${lastLine(problems)}`);
  return JSON.parse(out);
}

/** Every format, every type, compressed or not: the published decoder sees the values that were logged. */
async function records(run) {
  const zstd = await loadZstd();
  const manifest = [];
  for (const format of ['proto', 'arrow', 'parquet'])
    for (const [compression, codec] of [
      ['plain', null],
      ['zstd', zstd],
    ]) {
      const { record, schema } = typedRecord();
      const encoder = new RecordEncoder({
        encoded: ({ value, messageStart, messageLength }) =>
          manifest.push({
            name: `${format}, ${compression}`,
            message: Buffer.from(value.subarray(messageStart, messageStart + messageLength)).toString('base64'),
            schema: schemaEntries,
          }),
        lost: (_, rows, reason) => run.check(`${format}, ${compression}: nothing is lost`, false, `${rows} ${reason}`),
        unfit: (_, cells) => run.check(`${format}, ${compression}: every value fits`, false, `${cells} do not`),
      });
      const task = {
        record,
        parentEntity: 'parent',
        schema,
        format,
        zstd: codec,
        topic: 't',
        maxRecordBytes: 1e6,
        createdAtMs: Date.now(),
      };
      for (const _ of encoder.encode(task));
    }
  const path = join(run.directory(), 'manifest.json');
  writeFileSync(path, JSON.stringify(manifest));
  const answers = await read('records', path);
  for (const { name: title, error, ids, rows, header, frame } of answers) {
    const wrong = error ?? firstDifference(title, ids, rows);
    run.check(`Python decoder, ${title}: every value of ${schemaEntries.length} types`, wrong === null, wrong ?? '');
    if (error !== undefined) continue;
    run.check(
      `Python decoder, ${title}: header and data frame`,
      header.version === 3 &&
        header.compressed === title.endsWith('zstd') &&
        header.tracking_id === 'track-ü' &&
        header.user_id === 'user' &&
        frame[0] === entityIds.length &&
        frame[1] === 'entity_id' &&
        frame[2] === schemaEntries.length + 1,
      JSON.stringify({ ...header, frame }),
    );
  }
  run.check('Python decoder: all formats, both compressions', answers.length === 6);
}

function firstDifference(title, ids, rows) {
  if (JSON.stringify(ids) !== JSON.stringify(entityIds)) return `ids ${JSON.stringify(ids)}`;
  for (const [row, cells] of expectedRows.entries())
    for (const [column, expected] of cells.entries()) {
      const got = rows[row]?.[column] ?? null;
      // Large integers come as texts.
      const wanted = expected === null && title.startsWith('proto') ? missingIn(schemaEntries[column].feature_type) : expected;
      const same = JSON.stringify(normal(got)) === JSON.stringify(normal(wanted));
      if (!same) return `row ${row}, ${schemaEntries[column].feature_type}: ${JSON.stringify(got)} for ${JSON.stringify(expected)}`;
    }
  return null;
}

/** The proto layout has a place for every scalar: a missing one is a zero, and the row's first byte says that something is missing. */
const missingIn = (type) => (/Vector|String|BYTES/.test(type) ? null : type === 'BOOL' ? false : 0);

const normal = (value) =>
  Array.isArray(value) ? value.map(normal) : typeof value === 'number' || /^-?\d+$/.test(value) ? String(value) : value;

/** Files of a real server: one table with a typed column per feature, in DuckDB and pyarrow. */
async function tables(run) {
  const fakes = await startFaultFakes(run);
  const directory = run.directory();
  const server = await startServer(run, {
    models: { soak: loggedModel(fakes) },
    env: {
      ...environmentFor(fakes),
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: 10_000,
      NUMERIX_CLIENT_V1_DEADLINE_MS: 10_000,
      INFERFLOW_LOG_DIR: directory,
      INFERFLOW_LOG_FILE_BYTES: 200_000,
      INFERFLOW_LOG_FILE_INTERVAL_MS: 700,
    },
  });
  const load = startLoad(server.port, { outstanding: 4 });
  await settle(load);
  await sleep(2500);
  await load.stop();
  const rows = await accounted(server, 20_000);
  const files = readdirSync(directory, { recursive: true }).filter((path) => path.endsWith('.parquet'));
  run.check(
    'Parquet files: closed by size and time, in their partitions',
    files.length > 2 && files.every((path) => /^model=soak\/date=\d{4}-\d\d-\d\d\/hour=\d\d\/[^/]+\.parquet$/.test(path)),
    `${files.length} files, e.g. ${files[0]}`,
  );
  server.terminate();
  await server.ended(15_000);
  const left = readdirSync(directory, { recursive: true }).filter((path) => path.includes('.tmp'));
  run.check('Parquet files: none is half-written', left.length === 0, left.join(' '));
  const seen = await read('tables', directory);
  const asked = rows.logged;
  run.check('DuckDB: every logged row', seen.rows.length === asked && rows.delivered === asked, `${seen.rows.length} of ${asked}`);
  const wrong = seen.rows.find(([id, score, score2, final, model, feature]) => {
    const expected = expectedRow(id, userOf(id));
    return (
      model !== 'soak' || typeof feature !== 'number' || score !== expected.score || score2 !== expected.score2 || final !== expected.final
    );
  });
  run.check('DuckDB: scores and features, value for value', wrong === undefined, JSON.stringify(wrong ?? seen.rows[0]));
  run.check(
    'DuckDB: a typed column per feature',
    seen.duckdb['item:stats:f0'] === 'FLOAT' && seen.duckdb['item:meta:brand'] === 'VARCHAR' && seen.duckdb._logged_at === 'TIMESTAMP',
    Object.entries(seen.duckdb)
      .map(([column, type]) => `${column} ${type}`)
      .join(', '),
  );
  run.check(
    'pyarrow: the same table',
    seen.arrowRows === asked && seen.arrow['item:stats:f0'] === 'float' && seen.arrow.final === 'float' && seen.arrow.model === 'string',
    `${seen.arrowRows} rows`,
  );
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  run.check('pyarrow: the same scores', sum(seen.arrowScores) === sum(seen.rows.map(([, score]) => score)));
}

/** The load asks for user `n mod 1000` with item `i<n>-<row>`. */
const userOf = (itemId) => `u${Number(/^i(\d+)-/.exec(itemId)?.[1]) % 1000}`;
