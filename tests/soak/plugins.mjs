import { join } from 'node:path';
import { Client } from './lib/client.mjs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { patient } from './lib/patience.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { expectedRow, freshRequest, modelConfig, PATH, readAnswer } from './lib/workload.mjs';

export const name = 'plugins';
export const about = 'plugins that throw, hang, write late or where they may not, and modules that cannot be loaded';
export const short = (run) => suite(run, { requests: 6, scribbleRounds: 1 });
export const long = (run, minutes = 3) => suite(run, { requests: 20 * minutes, scribbleRounds: 5 * minutes });

const deadlineMs = patient(800);
const slackMs = patient(250);
const folder = join(import.meta.dirname, 'plugins');

/** The workload with a plugin behind the ranker; its column is answered too. */
function withPlugin(endpoint, mode, { type = 'soak_misbehaving', onFailure, config = { mode } } = {}) {
  const model = modelConfig(endpoint, { deadlineMs: patient(3000) });
  model.dag_execution_config.component_dependency.rerank = ['ranker'];
  model.component_config.plugin_components = [{ component: 'rerank', type, config, ...(onFailure && { on_failure: onFailure }) }];
  model.response_config.features = ['item_id', 'score', 'score2', 'final', 'plugin_score'];
  return model;
}

/** What each mode must come to: a value in the plugin's column, or a row error that names the component. */
const expectations = {
  fine: 'value',
  'throws-error': 'error',
  'throws-nothing': 'error',
  rejects: 'error',
  'never-resolves': 'error',
  'pending-forever': 'error',
  'ends-twice': 'value',
  'writes-nothing': 'error',
  'beyond-its-rows': 'error',
  'beyond-its-columns': 'either',
  'into-what-it-reads': 'value',
  'writes-late': 'error',
};

async function suite(run, { requests, scribbleRounds }) {
  const fakes = await startFaultFakes(run);
  const endpoint = `127.0.0.1:${fakes.model.port}`;
  const models = Object.fromEntries(Object.keys(expectations).map((mode) => [mode, withPlugin(endpoint, mode)]));
  const server = await startServer(run, {
    // A busy machine fires timers late; the reserve has to cover that too.
    env: {
      ...environmentFor(fakes),
      INFERFLOW_PLUGINS: join(folder, 'misbehaving.mjs'),
      INFERFLOW_RESERVE_MS: patient(200),
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(3000),
      NUMERIX_CLIENT_V1_DEADLINE_MS: patient(3000),
    },
    models: {
      ...models,
      soak: modelConfig(endpoint, { deadlineMs: patient(3000) }),
      strict: withPlugin(endpoint, 'throws-error', { onFailure: 'fail' }),
      'strict-late': withPlugin(endpoint, 'never-resolves', { onFailure: 'fail' }),
      'bad-config': withPlugin(endpoint, 'no-such-mode'),
      'cannot-be-made': withPlugin(endpoint, '', { type: 'soak_throws_at_create' }),
      'unknown-type': withPlugin(endpoint, '', { type: 'soak_misbehavin' }),
    },
  });
  const others = startLoad(server.port, { rate: 40, connections: 2 });
  await settle(others);
  const client = new Client(server.port);
  for (const [mode, expectation] of Object.entries(expectations)) await tryMode(run, server, client, mode, expectation, requests);
  await strictModes(run, client);
  await refusedModels(run, server, client);
  await lateWriters(run, server, client, others, scribbleRounds);
  const tally = await others.stop();
  run.check(
    'a model without plugins through all of it',
    tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0,
    tally.text,
  );
  client.close();
  await refusedModules(run, endpoint, fakes);
}

async function tryMode(run, server, client, mode, expectation, count) {
  const problems = new Set();
  let slowest = 0;
  let sample = '';
  for (let turn = 0; turn < count; turn++) {
    const request = freshRequest(4, mode);
    const begun = performance.now();
    const answer = await client.unary(PATH, request.message, { deadlineMs });
    slowest = Math.max(slowest, performance.now() - begun);
    if (answer.code !== 0) {
      problems.add(`code ${answer.code} ${answer.message}`);
      continue;
    }
    readAnswer(answer.body).rows.forEach((row, index) => {
      const right = expectedRow(request.itemIds[index], request.userId);
      const value = (position) => (row.values[position]?.length === 4 ? row.values[position].readFloatLE(0) : null);
      for (const [position, column] of [
        [1, 'score'],
        [2, 'score2'],
        [3, 'final'],
      ])
        if (value(position) !== right[column]) problems.add(`${column} ${value(position)} is not ${right[column]}: ${row.error}`);
      if (row.error !== '') sample = row.error;
      const plugin = value(4);
      const isValue = row.error === '' && plugin === Math.fround(right.score + 1);
      const isError =
        row.error !== '' && row.error.includes('rerank') && (plugin === null || plugin === 0 || plugin === Math.fround(right.score + 1));
      const isRight = expectation === 'either' ? isValue || isError : expectation === 'value' ? isValue : isError;
      if (!isRight) problems.add(`plugin_score ${plugin} with the error "${row.error}"`);
    });
  }
  const isInTime = slowest <= deadlineMs + slackMs;
  run.check(
    `${mode}: in time, ${expectation === 'value' ? 'right' : 'owned up to'}, the rest right`,
    server.alive && isInTime && problems.size === 0,
    [`slowest ${slowest.toFixed(0)} ms`, sample, ...[...problems].slice(0, 2)].filter(Boolean).join('; '),
  );
}

/** `on_failure: fail` names the plugin in the status. */
async function strictModes(run, client) {
  for (const modelId of ['strict', 'strict-late']) {
    const begun = performance.now();
    const { code, message } = await client.unary(PATH, freshRequest(4, modelId).message, { deadlineMs });
    const took = performance.now() - begun;
    const isNamed = message.includes('rerank') || (modelId === 'strict-late' && code === 4);
    run.check(
      `${modelId}: a status that names the component`,
      [4, 14].includes(code) && isNamed && took < deadlineMs + slackMs,
      `code ${code}: ${message}, ${took.toFixed(0)} ms`,
    );
  }
}

/** What can be known when a model is loaded refuses that model, and says why. */
async function refusedModels(run, server, client) {
  for (const [modelId, word] of Object.entries({
    'bad-config': 'mode',
    'cannot-be-made': 'cannot be made',
    'unknown-type': 'soak_misbehav',
  })) {
    const { code, message } = await client.unary(PATH, freshRequest(2, modelId).message);
    const logged = server.lines.find((line) => line.includes('refused') && line.includes(modelId));
    run.check(
      `${modelId}: the model is refused when it loads, with the reason`,
      code === 9 && (logged ?? '').includes(word),
      `code ${code} ${message}; log ${logged?.slice(0, 240)}`,
    );
  }
}

/** Nothing that a late writer scribbles on belongs to a later request. */
async function lateWriters(run, server, client, others, rounds) {
  others.mark();
  const problems = new Set();
  let checked = 0;
  for (let round = 0; round < rounds; round++) {
    await Promise.all(Array.from({ length: 30 }, () => client.unary(PATH, freshRequest(4, 'writes-late').message, { deadlineMs })));
    const end = performance.now() + 2500;
    while (performance.now() < end) {
      const batch = Array.from({ length: 10 }, () => freshRequest(4, 'fine'));
      const answers = await Promise.all(batch.map((request) => client.unary(PATH, request.message, { deadlineMs: patient(2000) })));
      answers.forEach((answer, at) => {
        if (answer.code !== 0) return problems.add(`code ${answer.code} ${answer.message}`);
        readAnswer(answer.body).rows.forEach((row, index) => {
          checked++;
          const right = expectedRow(batch[at].itemIds[index], batch[at].userId);
          if (row.error !== '' || row.values[4]?.readFloatLE(0) !== Math.fround(right.score + 1))
            problems.add(`row ${index}: ${row.error} ${row.values[4]?.toString('hex')}`);
        });
      });
    }
  }
  run.check(
    '30 late writers scribble: no later answer changes',
    problems.size === 0 && checked > 100,
    `${checked} rows checked ${[...problems].slice(0, 2).join('; ')}`,
  );
  const metrics = await server.metrics();
  const abandoned = metrics.sum('inferflow_component_abandoned_total');
  const isIdle = await until(async () => (await server.metrics()).sum('inferflow_requests_in_flight') < 5, 3000, 100);
  run.check(
    'abandoned runs are counted, nothing stays in flight',
    abandoned > 0 && isIdle,
    `${abandoned} abandoned, ${metrics.sum('inferflow_runs_discarded_total')} runs given up`,
  );
  await sleep(100);
}

/** What can be known when a module is loaded ends the start, with the module named. */
async function refusedModules(run, endpoint, fakes) {
  const kinds = {
    'wrong-version': 'version',
    'no-export': 'components',
    'throws-on-import': 'cannot be loaded',
    'taken-name': 'predator',
    'does-not-exist': 'does-not-exist',
  };
  const names = Object.keys(kinds);
  const server = await startServer(run, {
    env: { ...environmentFor(fakes), INFERFLOW_PLUGINS: names.map((module) => join(folder, `${module}.mjs`)).join(',') },
    models: { soak: modelConfig(endpoint) },
    mayFail: true,
  });
  const exited = await server.ended(5000);
  run.check('plugins that cannot be used end the start', exited !== undefined && exited.code !== 0, `exit ${exited?.code}`);
  for (const [module, word] of Object.entries(kinds)) {
    const line = server.lines.find((text) => text.includes(module));
    run.check(`${module}: named, with the reason`, line?.includes(word), line?.slice(0, 260) ?? 'no line');
  }
}
