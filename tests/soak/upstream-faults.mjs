import { startFaultFakes } from './lib/fault-fakes.mjs';
import { ask } from './lib/load.mjs';
import { patient } from './lib/patience.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { modelConfig } from './lib/workload.mjs';

export const name = 'upstream-faults';
export const about = 'every way in which a feature store, model or compute service can go wrong: bounded, honest, counted, survived';
export const short = (run) => suite(run, { requests: 4, turns: 1 });
export const long = (run, minutes = 10) => suite(run, { requests: 20, turns: Math.max(1, Math.round(minutes / 2)) });

const deadlineMs = patient(1000);
/** Beyond the caller's deadline: what a busy two-core machine may add. */
const slackMs = patient(400);
const targets = 12;

/**
 * What each fault may do to the rows: `mixed` some right and some faulty in every answer, `faulty` some faulty, `right` none faulty,
 * `honest` anything that is owned up to. A batch fault hits every second call of one component, so half of the rows.
 */
const batchFaults = {
  status: { fault: { kind: 'status', code: 13 }, rows: 'mixed' },
  'wrong auth': { fault: { kind: 'wrong-auth' }, rows: 'mixed' },
  slow: { fault: { kind: 'slow', ms: patient(2000) }, rows: 'mixed' },
  'reset mid-answer': { fault: { kind: 'reset' }, rows: 'honest' },
  'connection lost mid-answer': { fault: { kind: 'reset', socket: true }, rows: 'honest' },
  '5 rows instead of 6': { fault: { kind: 'short-rows' }, rows: 'mixed' },
  'extra rows': { fault: { kind: 'extra-rows' }, rows: 'honest' },
  'wrong shape': { fault: { kind: 'wrong-shape' }, rows: 'mixed' },
  'wrong type': { fault: { kind: 'wrong-type' }, rows: 'mixed' },
  'no outputs': { fault: { kind: 'no-outputs' }, rows: 'mixed' },
  'garbage message': { fault: { kind: 'garbage' }, rows: 'mixed' },
  'truncated message': { fault: { kind: 'truncated' }, rows: 'mixed' },
  'no gRPC frame': { fault: { kind: 'no-frame' }, rows: 'mixed' },
  'HTTP 502': { fault: { kind: 'http-502' }, rows: 'honest' },
  'no status': { fault: { kind: 'no-status' }, rows: 'mixed' },
  '100 MB answer': { fault: { kind: 'huge' }, rows: 'mixed' },
};
const componentOf = { store: 'item', model: 'ranker', compute: 'blend' };

async function suite(run, { requests, turns }) {
  const fakes = await startFaultFakes(run);
  const endpoint = `127.0.0.1:${fakes.model.port}`;
  const server = await startServer(run, {
    env: { ...environmentFor(fakes), NUMERIX_CLIENT_V1_BATCHSIZE: 6, EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(300) },
    models: { soak: modelConfig(endpoint), strict: modelConfig(endpoint, { onFailure: 'fail' }) },
  });
  await healthy(run, server, 'before any fault');
  const rssBefore = server.rss;

  for (let turn = 0; turn < turns; turn++) {
    for (const service of ['store', 'model', 'compute']) {
      for (const [title, { fault, rows }] of Object.entries(batchFaults)) {
        let calls = 0;
        const when = ({ name }) => name === componentOf[service] && calls++ % 2 === 0;
        await tryFault(run, server, `${service}: ${title}`, rows, requests, () => {
          fakes[service].fault = { ...fault, when };
          return () => {
            fakes[service].fault = null;
          };
        });
      }
      await tryFault(run, server, `${service}: refused`, 'faulty', requests, async () => {
        await fakes[service].stop();
        return () => fakes[service].start();
      });
      await tryFault(run, server, `${service}: garbage on the connection`, 'faulty', requests, async () => {
        fakes[service].fault = { kind: 'garbage-socket' };
        await fakes[service].stop();
        await fakes[service].start();
        return () => {
          fakes[service].fault = null;
        };
      });
      await tryFault(run, server, `${service}: connects, then says nothing`, 'faulty', Math.min(requests, 4), async () => {
        fakes[service].fault = { kind: 'black-hole' };
        await fakes[service].stop();
        await fakes[service].start();
        return async () => {
          fakes[service].fault = null;
          await fakes[service].stop();
          await fakes[service].start();
        };
      });
    }
    await tryFault(run, server, 'store: rows in another order', 'right', requests, () => {
      fakes.store.fault = { kind: 'permuted' };
      return () => {
        fakes.store.fault = null;
      };
    });
    await nanAnswers(run, server, fakes, requests);
    await strictModel(run, server, fakes);
  }

  const malformed = Object.values(fakes).flatMap((fake) => fake.malformed);
  run.check('every call to an upstream was well formed', malformed.length === 0, malformed.slice(0, 2).join('; '));
  const errors = server.errors.filter((entry) => /uncaught|unhandled|unexpected/i.test(entry.msg ?? ''));
  run.check('no uncaught exception in the log', errors.length === 0, errors[0] && JSON.stringify(errors[0]).slice(0, 300));
  run.check('memory bounded over all faults', server.rss < rssBefore + 400e6, `RSS ${mib(rssBefore)} → ${mib(server.rss)} MiB`);
  const inFlight = (await server.metrics()).sum('inferflow_requests_in_flight');
  run.check('nothing is left in flight', inFlight === 0, `${inFlight}`);
}

const mib = (bytes) => (bytes / 1048576).toFixed(0);

async function healthy(run, server, when) {
  let tally;
  const isHealthy = await until(
    async () => {
      tally = await ask(server.port, 3, { deadlineMs, targets });
      return tally.cleanAnswers === 3;
    },
    8000,
    100,
  );
  if (!isHealthy || when !== '') run.check(`all right ${when}`, isHealthy, tally.text);
  return isHealthy;
}

/** Switches a fault on, asks, looks, switches it off and waits until all is right again. */
async function tryFault(run, server, title, rows, requests, switchOn) {
  const before = await server.metrics();
  const switchOff = await switchOn();
  const tally = await ask(server.port, requests, { deadlineMs, targets, timeoutMs: 5000 });
  const after = server.alive ? await server.metrics() : before;
  await switchOff();
  const problems = [];
  if (!server.alive) problems.push('THE SERVER DIED');
  if (tally.failures > 0) problems.push('a request failed as a whole');
  if (tally.wrongCount > 0) problems.push('wrong values');
  if (tally.maxMs > deadlineMs + slackMs) problems.push(`took ${tally.maxMs.toFixed(0)} ms of ${deadlineMs}`);
  if (rows === 'mixed' && (tally.rightRows === 0 || tally.faultyRows === 0)) problems.push('expected right and faulty rows');
  if (rows === 'faulty' && tally.faultyRows === 0) problems.push('expected faulty rows');
  if (rows === 'right' && tally.faultyRows > 0) problems.push('expected no faulty row');
  const reasons = reasonsBetween(before, after);
  if (tally.faultyRows > 0 && reasons.length === 0) problems.push('no metric with a reason moved');
  const isBack = await healthy(run, server, '');
  if (!isBack) problems.push('not all right afterwards');
  const detail = [tally.text, `reasons ${reasons.join(' ') || 'none'}`, [...tally.rowErrors][0] ?? ''].filter(Boolean).join('; ');
  run.check(title, problems.length === 0, `${problems.length > 0 ? `${problems.join(', ')}: ` : ''}${detail}`);
}

const reasonMetrics = [
  ['inferflow_upstream_failure_total', 'reason'],
  ['inferflow_row_faults_total', 'reason'],
  ['inferflow_component_outcome_total', 'reason'],
  ['inferflow_component_execution_error_total', 'error_type'],
];

/** Values of the label that tells why, on every counter of failures that went up. */
function reasonsBetween(before, after) {
  const reasons = new Set();
  for (const [name, label] of reasonMetrics)
    for (const sample of after.find(name)) {
      const value = sample.labels[label];
      if (value !== undefined && value !== '' && sample.value > before.sum(name, sample.labels)) reasons.add(value);
    }
  return [...reasons];
}

/** A model's NaN is no score; a stored NaN is a value like any other and reaches the model. */
async function nanAnswers(run, server, fakes, requests) {
  for (const service of ['model', 'compute']) {
    await tryFault(run, server, `${service}: NaN`, 'mixed', requests, () => {
      let calls = 0;
      fakes[service].fault = { kind: 'nan', when: ({ name }) => name === componentOf[service] && calls++ % 2 === 0 };
      return () => {
        fakes[service].fault = null;
      };
    });
  }
  fakes.store.fault = { kind: 'nan', when: ({ name }) => name === 'item' };
  const tally = await ask(server.port, requests, { deadlineMs, targets, nanIsValue: true });
  fakes.store.fault = null;
  run.check('store: NaN', tally.wrongCount === 0 && tally.failures === 0 && tally.nanRows + tally.faultyRows > 0, tally.text);
}

/** `on_failure: fail` turns the same faults into a status, in time. */
async function strictModel(run, server, fakes) {
  for (const [title, fault] of [
    ['an error', { kind: 'status', code: 13 }],
    ['slowness', { kind: 'slow', ms: patient(2000) }],
    ['garbage', { kind: 'garbage' }],
  ]) {
    fakes.model.fault = { ...fault, when: ({ name }) => name === 'ranker' };
    const tally = await ask(server.port, 3, { deadlineMs, targets, modelId: 'strict' });
    fakes.model.fault = null;
    const codes = [...tally.failed.keys()];
    const isRight = tally.answered === 0 && codes.every((code) => [4, 14].includes(code)) && tally.maxMs <= deadlineMs + slackMs;
    run.check(`on_failure: fail under ${title} of the model is a status`, isRight, tally.text);
  }
  await sleep(50);
  await healthy(run, server, 'after the faults of one turn');
}
