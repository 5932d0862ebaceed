import { Client } from './lib/client.mjs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { IdleThread } from './lib/idle-thread.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { patience, patient } from './lib/patience.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { freshRequest, modelConfig, PATH, verify } from './lib/workload.mjs';

export const name = 'config-changes';
export const about =
  'models changed, broken, written in pieces and deleted under load, 20 changes a second: no failed request, nothing bad goes live';
export const short = (run) => suite(run, { seconds: 6, timed: 10 });
export const long = (run, minutes = 5) => suite(run, { seconds: 60 * minutes, timed: 60 });

const changesPerSecond = 20;
const liveWithinMs = 500;

async function suite(run, { seconds, timed }) {
  const fakes = await startFaultFakes(run);
  const seen = new Map();
  // The model's name carries the version of the configuration: the first call under a name is the moment it went live.
  fakes.model.fault = {
    kind: 'none',
    when: ({ name }) => {
      if (!seen.has(name)) seen.set(name, performance.now());
      return false;
    },
  };
  const endpoint = `127.0.0.1:${fakes.model.port}`;
  const config = (marker = '', extra = {}) => modelConfig(endpoint, { marker, deadlineMs: patient(2000), ...extra });
  const server = await startServer(run, {
    env: { ...environmentFor(fakes), EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(2000), NUMERIX_CLIENT_V1_DEADLINE_MS: patient(2000) },
    models: { soak: config(), changing: config('-v0'), victim: config() },
  });
  const stable = startLoad(server.port, { rate: 60, connections: 2, modelId: 'soak' });
  const changing = startLoad(server.port, { rate: 60, connections: 2, modelId: 'changing' });
  for (const load of [stable, changing]) await settle(load);

  await timeToLive(run, server, config, seen, timed, 'quiet');
  await brokenVersions(run, server, config, fakes);
  await pieces(run, server, config, seen);
  await deletion(run, server, config);

  for (const load of [stable, changing]) load.mark();
  const churn = startChurn(server, config);
  await sleep(seconds * 500);
  await timeToLive(run, server, config, seen, timed, `${changesPerSecond} changes a second`);
  await sleep(seconds * 500);
  const changes = await churn.stop();
  const perSecond = changes.count / changes.seconds;
  run.check(
    'the changes kept their pace',
    perSecond > (changesPerSecond * 0.8) / patience,
    `${changes.count} changes, ${perSecond.toFixed(1)} a second`,
  );
  const results = { stable: await stable.stop(), changing: await changing.stop() };
  for (const [which, tally] of Object.entries(results)) {
    const isRight = tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0;
    run.check(`${which} model through all changes: no failed request, no wrong row`, isRight, tally.text);
  }
  const bad = [...seen.keys()].filter((name) => name.includes('-bad'));
  run.check('no refused version was ever live', bad.length === 0, bad.join());
  await sleep(patient(600));
  const metrics = await server.metrics();
  const states = Object.fromEntries(metrics.find('inferflow_config_models').map(({ labels, value }) => [labels.state, value]));
  run.check('in the end every model is live', states.live === 3 && !states.stale && !states.rejected, JSON.stringify(states));
}

async function status(server, modelId) {
  const client = new Client(server.port);
  const request = freshRequest(3, modelId);
  const answer = await client.unary(PATH, request.message);
  client.close();
  return { ...answer, isRight: answer.code === 0 && verify(request, answer.body).right === 3 };
}

/** How long a good change takes until a request is answered by it, apart from what even an idle thread has to wait for a processor. */
async function timeToLive(run, server, config, seen, count, when) {
  const times = [];
  const idle = new IdleThread();
  run.defer(() => idle.stop());
  for (let turn = 0; turn < count; turn++) {
    const marker = `-${when.slice(0, 2).trim()}${turn}-${Math.random().toString(36).slice(2, 6)}`;
    const written = performance.now();
    server.config.put('changing', config(marker));
    await until(() => seen.has(`ranker${marker}`), 3000, 2);
    times.push((seen.get(`ranker${marker}`) ?? Number.POSITIVE_INFINITY) - written);
    await sleep(Math.random() * 60);
  }
  const idleMs = await idle.longestMs();
  await idle.stop();
  const worst = Math.max(...times);
  const median = times.toSorted((a, b) => a - b)[times.length >> 1];
  run.check(
    `a change is live in under ${patient(liveWithinMs)} ms (${when})`,
    worst - idleMs < patient(liveWithinMs),
    `median ${median.toFixed(0)} ms, worst ${worst.toFixed(0)} ms of ${count}; an idle thread waited ${idleMs.toFixed(0)} ms`,
  );
}

const cycle = (config) => {
  const broken = config('-bad-cycle');
  broken.dag_execution_config.component_dependency.item = ['blend'];
  return broken;
};
const unknownComponent = (config) => {
  const broken = config('-bad-unknown');
  broken.dag_execution_config.component_dependency.ranker = ['itme', 'user', 'brand'];
  return broken;
};
const badSplit = (config) => {
  const broken = config('-bad-split');
  broken.component_config.predator_components[0].model_end_points = [
    { endpoint: 'a', percentage: 60 },
    { endpoint: 'b', percentage: 60 },
  ];
  return broken;
};

/** A bad version leaves the last good one in force; a model that never had a good one says so. */
async function brokenVersions(run, server, config) {
  const kinds = {
    'not JSON': '{"dag_execution_config": ',
    'a list': '[]',
    'a cycle': cycle(config),
    'an unknown component': unknownComponent(config),
    'a bad split': badSplit(config),
  };
  for (const [title, broken] of Object.entries(kinds)) {
    server.config.put('victim', broken);
    await sleep(patient(400));
    const kept = await status(server, 'victim');
    run.check(`${title}: the last good version answers`, kept.isRight, `code ${kept.code} ${kept.message}`);
    if (title === 'not JSON') continue;
    server.config.put('newcomer', broken);
    const isRefused = await until(async () => (await status(server, 'newcomer')).code === 9, 1500, 50);
    const { code, message } = await status(server, 'newcomer');
    run.check(`${title}, never good: FAILED_PRECONDITION`, isRefused, `code ${code} ${message}`);
    server.config.remove('newcomer');
    await sleep(300);
  }
  server.config.put('victim', config());
  await sleep(patient(400));
  run.check('repaired: it answers', (await status(server, 'victim')).isRight);
  server.config.put('victim', '');
  const isAbsent = await until(async () => (await status(server, 'victim')).code === 3, 2000, 50);
  run.check('a file that stays empty counts as absent', isAbsent);
  server.config.put('victim', config());
  await until(async () => (await status(server, 'victim')).isRight, 1000, 20);
}

/** A file that is written in place, bit by bit, is not taken before it is whole. */
async function pieces(run, server, config, seen) {
  const refusedBefore = server.errors.length;
  for (let turn = 0; turn < 5; turn++) await server.config.putSlowly('changing', config(`-slow${turn}`), 6, 8);
  const isLive = await until(() => seen.has('ranker-slow4'), 1500, 5);
  await sleep(200);
  const refused = server.errors.slice(refusedBefore).filter((entry) => /refused/.test(entry.msg));
  run.check('files written in pieces: never seen half', isLive && refused.length === 0, `${refused.length} refusals in the log`);
}

async function deletion(run, server, config) {
  server.config.remove('victim');
  const isGone = await until(async () => (await status(server, 'victim')).code === 3, liveWithinMs, 10);
  const gone = await status(server, 'victim');
  run.check('a deleted model is unknown', isGone && gone.code === 3, `code ${gone.code} ${gone.message}`);
  server.config.put('victim', config());
  const isBack = await until(async () => (await status(server, 'victim')).isRight, liveWithinMs, 10);
  run.check('… and known again when it is back', isBack);
}

/** Changes of all kinds, twenty a second, until stopped; leaves everything good. */
function startChurn(server, config) {
  let count = 0;
  let isStopped = false;
  const begun = performance.now();
  const broken = [cycle, unknownComponent, badSplit];
  const steps = [
    (turn) => server.config.put('victim', config(`-c${turn}`)),
    (turn) => server.config.put('victim', broken[turn % broken.length](config)),
    () => server.config.put('other', config('-o')),
    () => server.config.put('victim', '{"half": '),
    () => server.config.remove('other'),
    () => server.config.remove('victim'),
    (turn) => server.config.put('soak', config(turn % 2 === 0 ? '' : '-s')),
    () => server.config.put('other', cycle(config)),
    (turn) => server.config.put('soak', turn % 3 === 0 ? cycle(config) : config()),
    () => server.config.remove('other'),
  ];
  const loop = (async () => {
    while (!isStopped) {
      const due = ((performance.now() - begun) / 1000) * changesPerSecond;
      while (count < due) steps[count % steps.length](count++);
      await sleep(5);
    }
  })();
  return {
    async stop() {
      isStopped = true;
      await loop;
      const seconds = (performance.now() - begun) / 1000;
      server.config.put('victim', config());
      server.config.put('soak', config());
      server.config.remove('other');
      return { count, seconds };
    },
  };
}
