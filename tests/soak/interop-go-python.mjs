import { execFile, execFileSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { findPythonGrpc } from './lib/python-grpc.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { modelConfig } from './lib/workload.mjs';

export const name = 'interop-go-python';
export const about =
  'grpc-go (grpcurl) and Python grpcio, by reflection and by schema; installed on first use, skipped where that cannot be';
export const short = (run) => suite(run);
export const long = (run) => suite(run);
export const shortLimitMinutes = 8;

const root = fileURLToPath(new URL('../..', import.meta.url));
const cache = join(root, 'node_modules/.cache/inferflow/interop');
const grpcurlModule = 'github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4';

const sum = {
  dag_execution_config: { component_dependency: { sum: ['feature_initializer'] } },
  component_config: {
    numerix_components: [
      {
        component: 'sum',
        component_id: 'item_id',
        score_col: 'total',
        data_type: 'DataTypeFP32',
        expression: 'a b +',
        score_mapping: { 'a@DataTypeFP32': 'a', 'b@DataTypeFP32': 'b' },
      },
    ],
  },
  response_config: { features: ['item_id', 'total'] },
};

/** Longer than any caller here waits. */
const slowMs = 5000;

async function suite(run) {
  const fakes = await startFaultFakes(run);
  fakes.store.delayMs = slowMs;
  const slow = modelConfig(`127.0.0.1:${fakes.model.port}`);
  const env = { ...environmentFor(fakes), EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: slowMs };
  const server = await startServer(run, { env, models: { sum, slow } });
  mkdirSync(cache, { recursive: true });
  await withGo(run, server);
  await withPython(run, server);
}

/** Output and exit code of a command; never throws. */
function tryRun(command, args, options = {}) {
  return new Promise((resolve) => {
    execFile(command, args, { timeout: 300_000, maxBuffer: 1 << 24, ...options }, (error, out, problems) =>
      resolve({ code: error === null ? 0 : (error.code ?? 1), out, problems }),
    );
  });
}

function skipped(run, what, why) {
  run.note(`!!!!! SKIPPED: ${what} was not tried: ${why.trim().split('\n').at(-1)}`);
}

function has(command) {
  try {
    execFileSync(command, [command === 'go' ? 'version' : '--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

async function withGo(run, server) {
  const grpcurl = join(cache, 'bin/grpcurl');
  if (!existsSync(grpcurl)) {
    if (!has('go')) return skipped(run, 'grpc-go', 'there is no Go');
    const env = { ...process.env, GOBIN: join(cache, 'bin'), GOWORK: 'off', CGO_ENABLED: '0', GOFLAGS: '-buildvcs=false' };
    const { code, problems } = await tryRun('go', ['install', '-trimpath', grpcurlModule], { env });
    if (code !== 0) return skipped(run, 'grpc-go', `grpcurl could not be installed: ${problems}`);
  }
  const address = `127.0.0.1:${server.port}`;
  const base64 = (text) => Buffer.from(text).toString('base64');
  const request = JSON.stringify({
    model_config_id: 'sum',
    target_input_schema: [
      { name: 'a', data_type: 'DataTypeString' },
      { name: 'b', data_type: 'DataTypeString' },
    ],
    targets: [{ id: 'one', feature_values: [base64('1'), base64('2')] }],
  });
  const call = (...args) => tryRun(grpcurl, ['-plaintext', ...args]);
  const total = (out) => {
    try {
      return Buffer.from(JSON.parse(out).targetScores[0].outputValues[1], 'base64').readFloatLE(0);
    } catch {
      return Number.NaN;
    }
  };

  const list = await call(address, 'list');
  run.check(
    'grpc-go by reflection: lists the services',
    ['Predict', 'Inferflow', 'grpc.health.v1.Health'].every((service) => list.out.includes(service)),
    list.out.split('\n').join(' '),
  );
  const described = await call(address, 'describe', 'PointWiseRequest');
  run.check('grpc-go by reflection: describes a message', described.out.includes('model_config_id'), described.problems);
  const scored = await call('-d', request, address, 'Predict/InferPointWise');
  run.check('grpc-go by reflection: scores', total(scored.out) === 3, scored.problems || `total ${total(scored.out)}`);
  const schema = ['-import-path', join(root, 'proto'), '-proto', 'predict.proto'];
  const bySchema = await call(...schema, '-d', request, address, 'Predict/InferPointWise');
  run.check('grpc-go by schema: scores', total(bySchema.out) === 3, bySchema.problems || `total ${total(bySchema.out)}`);
  const bad = await call('-d', '{"model_config_id":"sum"}', address, 'Predict/InferPointWise');
  const shown = `${bad.out}${bad.problems}`;
  run.check(
    'grpc-go: a refusal with details',
    bad.code !== 0 && shown.includes('InvalidArgument') && shown.includes('"field": "targets"'),
    shown.split('\n').slice(0, 4).join(' '),
  );
  const health = await call('-d', '{"service":"Predict"}', address, 'grpc.health.v1.Health/Check');
  run.check('grpc-go: health', health.out.includes('SERVING'), health.problems);
}

async function withPython(run, server) {
  const { python, why } = await findPythonGrpc();
  if (python === null) return skipped(run, 'Python grpcio', why);
  const generated = run.directory();
  const script = join(import.meta.dirname, 'lib/python_client.py');
  const { code, out, problems } = await tryRun(python, [script, String(server.port), join(root, 'proto'), generated], { timeout: 60_000 });
  for (const line of out.split('\n').filter((text) => text.startsWith('{'))) {
    const { name: title, ok, detail } = JSON.parse(line);
    run.check(title, ok, detail);
  }
  run.check('python: the script ran to its end', code === 0, problems.trim().split('\n').at(-1) ?? '');
}
