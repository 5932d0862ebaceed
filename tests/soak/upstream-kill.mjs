import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { settle, startLoad } from './lib/load.mjs';
import { patient } from './lib/patience.mjs';
import { environmentFor } from './lib/server-environment.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep } from './lib/suite-run.mjs';
import { startUpstream } from './lib/upstream-process.mjs';
import { modelConfig } from './lib/workload.mjs';

export const name = 'upstream-kill';
export const about = 'kill -9 and restart of each upstream under load: bounded, honest answers, recovery; two addresses, one dead';
export const short = (run) => suite(run, { rate: 60, turns: 1, downMs: 1500 });
export const long = (run, minutes = 5) => suite(run, { rate: 100, turns: Math.max(2, minutes), downMs: 4000 });

const deadlineMs = patient(1000);
const slackMs = patient(250);
const recoveryMs = patient(4000);

async function suite(run, { rate, turns, downMs }) {
  const upstreams = {};
  for (const kind of ['store', 'model', 'compute']) upstreams[kind] = await startUpstream(run, kind);
  const server = await startServer(run, {
    env: environmentFor(upstreams),
    models: { soak: modelConfig(`127.0.0.1:${upstreams.model.port}`) },
  });
  const load = startLoad(server.port, { rate, deadlineMs, targets: 6, connections: 4 });
  await settle(load);
  await sleep(1000);
  const quiet = load.mark();
  run.check('under load, before anything is killed', isClean(quiet), quiet.text);
  for (let turn = 0; turn < turns; turn++)
    for (const [kind, upstream] of Object.entries(upstreams)) await killOne(run, server, load, kind, upstream, downMs);
  await load.stop();
  await server.kill();
  for (const upstream of Object.values(upstreams)) await upstream.kill();
  await twoAddresses(run, { rate, downMs });
}

const isClean = (tally) => tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0 && tally.answered > 0;

async function killOne(run, server, load, kind, upstream, downMs) {
  load.mark();
  await upstream.kill();
  await sleep(downMs);
  const down = load.mark();
  const isHonest = down.failures === 0 && down.wrongCount === 0 && down.faultyRows > 0;
  run.check(
    `${kind} killed: every answer is in time and owns up`,
    isHonest && down.maxMs <= deadlineMs + slackMs && server.alive,
    down.text,
  );
  await upstream.start();
  const restarted = performance.now();
  await sleep(recoveryMs);
  const recovering = load.mark();
  run.check(`${kind} back: no wrong answer meanwhile`, recovering.failures === 0 && recovering.wrongCount === 0, recovering.text);
  await sleep(1000);
  const after = load.mark();
  run.check(`${kind} back: all right ${((performance.now() - restarted - 1000) / 1000).toFixed(0)} s later`, isClean(after), after.text);
}

/** A name with two addresses, a process on each. */
async function twoAddresses(run, { rate, downMs }) {
  const model = await startUpstream(run, 'model');
  const compute = await startUpstream(run, 'compute');
  const first = await startUpstream(run, 'store', { host: '127.0.0.1', delayMs: 3 });
  const second = await startUpstream(run, 'store', { host: '127.0.0.2', port: first.port, delayMs: 3 });
  const server = await startServer(run, {
    env: {
      ...environmentFor({ store: first, model, compute }),
      EXTERNAL_SERVICE_ONFS_FS_HOST: 'two.test',
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: patient(2000),
    },
    models: { soak: modelConfig(`127.0.0.1:${model.port}`) },
    nodeArguments: ['--import', pathToFileURL(join(import.meta.dirname, 'lib/two-addresses.mjs')).href],
  });
  // Time enough for the second try, however busy the machine is.
  const load = startLoad(server.port, { rate, deadlineMs: patient(6000), connections: 4 });
  await settle(load);
  await sleep(1000);
  const [one, two] = [await first.calls(), await second.calls()];
  run.check('two addresses: both are used', Math.min(one, two) > Math.max(one, two) / 4, `${one} and ${two} calls`);
  run.check('two addresses: all right', isClean(load.tally), load.mark().text);
  await second.kill();
  await sleep(downMs + 1000);
  const dead = load.mark();
  run.check('one of two addresses killed: no failed request, no failed row', isClean(dead), dead.text);
  await second.start();
  await sleep(Math.max(patient(3000), downMs));
  const calls = await second.calls();
  const back = load.mark();
  run.check('the address is back: used again, all right', isClean(back) && calls > 0, `${calls} calls; ${back.text}`);
  await load.stop();
}
