import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { makeCertificates } from '../../scripts/services/etcd.mjs';
import { randomFaults } from './lib/etcd-random.mjs';
import { ARRIVES_MS, EtcdWorld } from './lib/etcd-world.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';

export const name = 'etcd';
export const about = 'faults of etcd under load with changes flowing: no failed request, every change arrives, nothing goes away unasked';
export const shortLimitMinutes = 8;
export const longLimitMinutes = 75;

/** One version of etcd, outages of a few seconds. */
export async function short(run) {
  await oneMember(run, { outage: 3 });
  await values(run, {});
  await pushes(run, {});
  await logins(run, {});
  await lastGood(run, {});
  await crowd(run, { models: 300, changes: 2000, seconds: 2 });
  await random(run, { seconds: 60 });
}

/** The whole table on both versions, one member and three. */
export async function long(run, minutes = 10) {
  for (const version of ['3.5', '3.6']) {
    run.note(`etcd ${version}`);
    await oneMember(run, { version, outage: 60 });
    await threeMembers(run, { version });
    await values(run, { version });
    await pushes(run, { version });
    await logins(run, { version });
    await certificates(run, { version });
    await lastGood(run, { version });
    await crowd(run, { version, models: 2000, changes: 10_000, seconds: 10 });
    await random(run, { version, seconds: minutes * 30 });
    await random(run, { version, members: 3, seconds: minutes * 30 });
  }
}

async function oneMember(run, { version, outage }) {
  const world = await EtcdWorld.start(run, { version });
  const { cluster, writer } = world;
  await world.isState('live');
  await world.arrives('in peace', await world.change());

  await cluster.restart(0);
  await world.arrives('restarted', await world.change());
  await cluster.kill(0);
  const stale = world.isState('stale');
  await sleep(outage * 1000);
  await stale;
  await cluster.restart(0);
  await world.arrives(`killed, ${outage} s`, await world.change());
  await world.isState('live');

  for (const mode of ['cut', 'hang']) {
    world.cut(mode);
    await writer.put('gone', world.config());
    const change = await world.change();
    await writer.remove('gone');
    const stale = world.isState('stale');
    await sleep(outage * 1000);
    await stale;
    await cluster.compact();
    await writer.putKey('/elsewhere', 'x');
    world.cut('pass');
    await world.arrives(`${mode} off for ${outage} s, history compacted meanwhile`, change, performance.now());
    await world.isState('live');
  }
  world.unharmed('outages');

  await writer.put('kept', world.config('-kept'));
  await until(async () => (await world.ask('kept')).code === 0, 3000);
  await cluster.wipe(0);
  await world.isState('stale');
  run.check('the loss of data is named', await until(async () => (await world.status()).config?.kind === 'data-loss', ARRIVES_MS, 50));
  run.check('it is a metric', (await world.server.metrics()).sum('inferflow_config_source_data_loss') === 1);
  const { code } = await world.ask('kept');
  run.check('what is lost goes on serving', code === 0, `code ${code}`);
  await world.arrives('data lost', await world.change());
  for (const id of ['soak', 'kept']) await writer.put(id, world.config());
  await world.isState('live');
  await writer.remove('kept');
  run.check('a model that is back can be deleted', await until(async () => (await world.ask('kept')).code !== 0, 2000));
  world.unharmed('data lost');
  await world.stop();
}

async function threeMembers(run, { version }) {
  const world = await EtcdWorld.start(run, { version, members: 3 });
  const { cluster } = world;
  for (let turn = 0; turn < 3; turn++) {
    const leader = await cluster.leader();
    await cluster.kill(leader);
    await world.arrives('leader killed', await world.change());
    await cluster.restart(leader);
  }
  for (const member of [0, 1, 2]) {
    cluster.signal(member, 'SIGSTOP');
    await world.arrives(`member ${member} hangs`, await world.change());
    cluster.signal(member, 'SIGCONT');
    world.proxies[member].set('hang');
    await world.arrives(`member ${member} cannot be reached`, await world.change());
    world.proxies[member].set('pass');
  }
  for (const member of [await cluster.leader(), 0, 1, 2]) {
    // Clients still reach it: it has to be left because it knows nothing new, not because it does not answer.
    world.peers.isolate([member]);
    await world.arrives(`member ${member} is cut off from the others`, await world.change());
    world.peers.isolate([]);
    await world.arrives(`member ${member} is back`, await world.change());
  }
  for (const left of [0, 1, 2]) {
    world.proxies.forEach((proxy, member) => proxy.set(member === left ? 'pass' : 'cut'));
    await world.arrives(`all endpoints but ${left} down`, await world.change());
  }
  world.cut('pass');
  await cluster.kill(0);
  await cluster.kill(1);
  await world.isState('stale');
  await cluster.restart(0);
  await world.arrives('majority lost and back', await world.change());
  await world.isState('live');
  world.unharmed('faults of members');
  await world.stop();
}

async function values(run, { version }) {
  const ids = ['m1', 'm10', 'm1-b', 'a-bc', 'ab-c', 'AB-C'];
  const world = await EtcdWorld.start(run, { version });
  const { writer } = world;
  for (const id of ids) await writer.put(id, world.config(`-${id}`));
  const state = async () => {
    const found = {};
    for (const id of ids) {
      const { code } = await world.ask(id);
      found[id] = code === 0 ? [...world.seen].find((name) => name.startsWith(`ranker-${id}`))?.slice(7) : code;
    }
    return JSON.stringify(found);
  };
  const become = async (what, expected) => {
    const wanted = JSON.stringify(expected);
    let last;
    const isSo = async () => {
      last = await state();
      return last === wanted;
    };
    const isBecome = await until(isSo, 3000, 50);
    await sleep(200);
    run.check(what, isBecome && (await isSo()), last === wanted ? '' : `${last} instead of ${wanted}`);
  };
  const all = Object.fromEntries(ids.map((id) => [id, id]));
  await become('ids that differ in case and dashes are different models', all);
  await writer.remove('m1');
  await become('a deleted model goes, those that begin like it stay', { ...all, m1: 3 });
  await writer.put('m1', '{"dag_execution_config": ');
  await become('a bad value that follows a deletion serves nothing', { ...all, m1: 9 });
  await writer.put('a-bc', '[]');
  await writer.put('ab-c', world.config('-ab-c2'));
  await become('a bad value leaves the last good one in force, and others alone', { ...all, m1: 9, 'ab-c': 'ab-c2' });
  await writer.put('m10', '');
  await writer.put('never', '');
  await become('an empty value is a bad value, too', { ...all, m1: 9, 'ab-c': 'ab-c2' });
  run.check(
    '… and no model where nothing served',
    (await world.model('never')) === undefined && (await world.model('m10'))?.state === 'rejected',
  );
  for (const key of ['config-map-old/m10', 'config-map/m10/x', 'unknown', 'service-config/predator-hosts'])
    await writer.putKey(`${writer.base}/${key}`, JSON.stringify(world.config()));
  await writer.putKey(`${writer.base}-2/config-map/m10`, JSON.stringify(world.config()));
  await become('unknown keys change nothing', { ...all, m1: 9, 'ab-c': 'ab-c2' });
  await writer.removePrefix(writer.key('m1'));
  await become('a deleted prefix takes exactly its models', { ...all, m1: 3, m10: 3, 'm1-b': 3, 'ab-c': 'ab-c2' });
  await forms(world, become, { ...all, m1: 3, m10: 3, 'm1-b': 3, 'ab-c': 'ab-c2' });
  world.unharmed('values');
  await world.stop();
}

/** Models in parts, and all models in one key. */
async function forms(world, become, before) {
  const { writer } = world;
  const part = (name, value) => writer.putKey(`${writer.key('m1')}/${name}`, typeof value === 'string' ? value : JSON.stringify(value));
  const { dag_execution_config: dag, component_config: components, response_config: response } = world.config('-m1');
  await part('response-config', response);
  await part('component-config', components);
  await part('dag-execution-config', dag);
  await become('a model in parts serves when the last of them is there', { ...before, m1: 'm1' });
  await part('component-config', world.config('-m1-b').component_config);
  await become('one part changes it', { ...before, m1: 'm1-b' });
  await part('response-config', '{');
  await part('component-config', world.config('-m1-c').component_config);
  await become('a bad part leaves the last good one in force', { ...before, m1: 'm1-b' });
  await writer.removePrefix(`${writer.key('m1')}/`);
  await become('without its parts it is gone', before);

  const none = Object.fromEntries(Object.keys(before).map((id) => [id, 3]));
  const map = (text) => writer.putKey(`${writer.base}/configMap`, text);
  const soak = JSON.parse((await writer.get('soak')).text);
  const changing = JSON.parse((await writer.get('changing')).text);
  await map(JSON.stringify({ soak, changing, m1: world.config('-m1-d'), M1: soak }));
  await become('one key of all models counts before the others', { ...none, m1: 'm1-d' });
  await map('{');
  await become('if it cannot be read, its models serve on', { ...none, m1: 'm1-d' });
  await map('');
  // Its last good version went with the others; what came back was bad.
  const back = { ...before, 'a-bc': 9 };
  await become('and if it is emptied; then the others count again', { ...back, m1: 'm1-d' });
  await writer.raw((client) => client.delete().key(`${writer.base}/configMap`));
  await become('deleted: its models are gone', back);
}

/** Versions that are written by compare-and-swap: of two at once one wins and the other is told, whatever servers do meanwhile. */
async function pushes(run, { version }) {
  const { createModelStore } = await import('../../packages/config-etcd/dist/index.js');
  const world = await EtcdWorld.start(run, { version });
  const store = createModelStore({ endpoints: world.cluster.endpoints, appName: 'soak' });
  const push = async (stored, marker) => {
    const document = world.config(marker);
    try {
      await store.write(stored, [{ modelConfigId: 'soak', document, action: 'push', summary: [] }], { author: 'soak' });
      return null;
    } catch (error) {
      return error;
    }
  };
  const winnerIn = (markers, errors) => markers[errors.indexOf(null)];
  let winner;
  let isFair = true;
  for (let turn = 0; turn < 10; turn++) {
    const stored = await store.read();
    const markers = ['-left', '-right'].map((side) => `${side}${turn}`);
    const errors = await Promise.all(markers.map((marker) => push(stored, marker)));
    const told = errors.filter((error) => error !== null);
    isFair &&= told.length === 1 && told[0].code === 'INFERFLOW_ETCD_LOST_RACE';
    if (!isFair) {
      run.note(`pushes ended with ${errors.map((error) => error?.message ?? 'success').join(' and ')}`);
      break;
    }
    winner = winnerIn(markers, errors);
  }
  run.check('of two pushes one wins and the other is told, ten times', isFair);
  await serves('the last winner serves', winner);

  for (const mode of ['cut', 'hang']) {
    world.cut(mode);
    await sleep(300);
    const stored = await store.read();
    // The server reads everything anew while these arrive.
    const first = push(stored, `-during-${mode}`);
    world.cut('pass');
    const before = await first;
    await sleep(20);
    const lost = await push(stored, `-lost-${mode}`);
    run.check(
      `${mode}: a push during a resync succeeds, one that began before it is refused`,
      before === null && lost?.code === 'INFERFLOW_ETCD_LOST_RACE',
      `${before?.message ?? 'success'}, ${lost?.code ?? lost?.message ?? 'success'}`,
    );
    await serves(`${mode}: what was pushed serves`, `-during-${mode}`);
  }
  const { state, revision, hash, liveHash } = (await world.model('soak')) ?? {};
  const { models } = await store.read();
  const inEtcd = models.get('soak')?.modRevision;
  run.check(
    'the server says which revision serves',
    state === 'live' && hash === liveHash && revision === String(inEtcd),
    `${state}, revision ${revision}, in etcd ${inEtcd}`,
  );
  world.unharmed('pushes');
  await world.stop();

  async function serves(what, marker) {
    const isSo = await until(
      async () => {
        const { code } = await world.ask('soak');
        return code === 0 && world.seen.has(`ranker${marker}`);
      },
      ARRIVES_MS,
      20,
    );
    run.check(what, isSo, marker);
  }
}

async function logins(run, { version }) {
  const world = await EtcdWorld.start(run, { version, auth: true, tokenTtl: 2 });
  const { cluster, server } = world;
  await world.isState('live');
  await sleep(4000);
  await world.arrives('token expired', await world.change());
  await cluster.restart(0);
  await world.arrives('tokens forgotten by a restart', await world.change());
  await cluster.rootApi('auth/user/revoke', { name: 'reader', role: 'reader' });
  const refused = await world.isState('stale');
  run.check('a permission that is gone is named', refused?.kind === 'forbidden', refused?.reason);
  await cluster.rootApi('auth/user/grant', { user: 'reader', role: 'reader' });
  await world.isState('live');
  await world.arrives('permission given back', await world.change());

  await cluster.rootApi('auth/user/changepw', { name: 'reader', password: 'other' });
  const wrong = await world.isState('stale', 20_000);
  run.check('a password that is wrong from now on is named', ['unauthenticated', 'forbidden'].includes(wrong?.kind), wrong?.reason);
  await cluster.rootApi('auth/user/changepw', { name: 'reader', password: 'reader' });
  await world.isState('live');
  await world.arrives('password right again', await world.change());

  const late = await startServer(run, { env: { ...world.serverEnvironment, ETCD_PASSWORD: 'not-yet' } });
  const { code, ready, config } = await world.status(late);
  run.check(
    'wrong password at the start: not ready, and says why',
    code === 503 && !ready && config?.kind === 'unauthenticated',
    config?.reason,
  );
  run.check('no password in the log', !late.lines.some((line) => line.includes('not-yet')));
  await cluster.rootApi('auth/user/changepw', { name: 'reader', password: 'not-yet' });
  run.check('mended: it becomes ready', await until(async () => (await world.status(late)).code === 200, ARRIVES_MS, 50));
  await late.kill();
  run.check('the server that runs serves on', server.alive);
  world.unharmed('logins');
  await world.stop();
}

async function certificates(run, { version }) {
  const world = await EtcdWorld.start(run, { version, tls: true });
  const { cluster } = world;
  await world.isState('live');
  const tls = join(cluster.directory, 'tls');
  const good = ['server.crt', 'server.key', 'client.crt', 'client.key'].map((file) => [file, readFileSync(join(tls, file))]);
  const isMade = makeExpired(tls);
  for (const [file, content] of isMade ? good.slice(2) : good) writeFileSync(join(tls, file), content);
  if (!isMade) {
    run.note('this openssl makes no expired certificates: not tried');
    return world.stop();
  }
  cluster.signal(0, 'SIGKILL');
  await sleep(200);
  cluster.launch(0);
  await world.isState('stale');
  // First it was not there at all.
  let config;
  const isNamed = async () => {
    config = (await world.status()).config;
    return config?.kind === 'tls' && /expired/.test(config.reason);
  };
  run.check('an expired certificate is named', await until(isNamed, ARRIVES_MS, 50), config?.reason);
  for (const [file, content] of good) writeFileSync(join(tls, file), content);
  await cluster.restart(0);
  await world.isState('live', ARRIVES_MS);
  await world.arrives('certificate renewed', await world.change());
  world.unharmed('certificates');
  await world.stop();
}

function makeExpired(folder) {
  try {
    makeCertificates(folder, { days: -1 });
    return true;
  } catch {
    return false;
  }
}

async function lastGood(run, { version }) {
  const state = run.directory();
  const world = await EtcdWorld.start(run, { version, load: false, env: { INFERFLOW_STATE_DIR: state } });
  const { writer, cluster } = world;
  await writer.put('spoilt', world.config('-spoilt'));
  await until(async () => (await world.ask('spoilt')).code === 0, 3000);
  await writer.put('spoilt', '{');
  await sleep(1500);
  await world.server.kill();
  world.cut('cut');
  const begin = async (env = {}) => startServer(run, { env: { ...world.serverEnvironment, ...env } });
  const serves = async (server, id) => (await world.ask(id, server)).code === 0;

  let server = await begin();
  const { code, config } = await world.status(server);
  run.check('without etcd: ready with what was stored, and says so', code === 200 && config?.state === 'stale', config?.reason);
  run.check('both models serve, the one that was bad as well', (await serves(server, 'soak')) && (await serves(server, 'spoilt')));
  world.cut('pass');
  await world.isState('live', ARRIVES_MS, server);
  run.check('with etcd back the bad one still serves its last good version', await serves(server, 'spoilt'));
  await server.kill();

  world.cut('cut');
  const [file] = readdirSync(state).filter((entry) => entry.endsWith('.jsonl'));
  const content = readFileSync(join(state, file));
  content[content.length >> 1] ^= 1;
  writeFileSync(join(state, file), content);
  server = await begin();
  const refused = await world.status(server);
  run.check('a corrupted file is refused: not ready', refused.code === 503, refused.reason);
  run.check(
    '… and named in the log',
    server.lines.some((line) => line.includes('checksum')),
  );
  world.cut('pass');
  run.check('it serves when etcd is back', await until(async () => (await world.status(server)).code === 200, ARRIVES_MS, 50));
  await server.kill();

  const tried = { 'read-only': ['-o', 'ro'], full: ['-o', 'size=16k'] };
  for (const [what, options] of Object.entries(tried)) {
    const place = run.directory('inferflow-disk-');
    try {
      execFileSync('mount', ['-t', 'tmpfs', ...options, 'tmpfs', place], { stdio: 'ignore' });
    } catch {
      run.note(`a ${what} disk cannot be made without the right to mount: not tried`);
      continue;
    }
    run.defer(() => execFileSync('umount', ['-l', place]));
    if (what === 'full') writeFileSync(join(place, 'filler'), Buffer.alloc(12 * 1024));
    server = await begin({ INFERFLOW_STATE_DIR: place });
    await writer.put('soak', world.config(`-${what}`));
    const isLive = await until(async () => (await world.ask('soak', server)).code === 0 && world.seen.has(`ranker-${what}`), 3000);
    const isSaid = await until(async () => (await server.metrics()).sum('inferflow_config_store_failed') === 1, 3000, 100);
    run.check(
      `${what} disk: changes go live, and it is said`,
      isLive && isSaid && server.errors.some(({ msg }) => msg.includes('cannot be kept')),
    );
    await server.kill();
  }
  await cluster.stop();
  await world.stop();
}

async function crowd(run, { version, models, changes, seconds }) {
  const world = await EtcdWorld.start(run, { version, isProbed: true });
  const { writer, server } = world;
  const put = (id, marker) => writer.put(id, world.config(marker));
  const id = (index) => `crowd-${index}`;
  for (let from = 0; from < models; from += 40)
    await Promise.all(Array.from({ length: Math.min(40, models - from) }, (_, index) => put(id(from + index), '-first')));
  const count = async () => (await server.metrics()).sum('inferflow_config_models', { state: 'live' });
  run.check(`${models} models are live`, await until(async () => (await count()) === models + 2, 90_000, 500), `${await count()}`);

  await blocked(run, world, `taking over ${models} models`);
  const wide = world.config('-wide');
  wide.description = 'x'.repeat(1_400_000);
  await writer.put('wide', wide);
  run.check(
    'a value of 1.4 MiB is live',
    await until(async () => (await world.ask('wide')).code === 0 && world.seen.has('ranker-wide'), 10_000),
  );
  await blocked(run, world, 'a value of 1.4 MiB');

  const began = performance.now();
  const last = new Map();
  for (let change = 0; change < changes; change += 20) {
    await Promise.all(
      Array.from({ length: 20 }, (_, index) => {
        const target = id((change + index) % models);
        last.set(target, `-s${change + index}`);
        return put(target, `-s${change + index}`);
      }),
    );
    const ahead = began + (change / changes) * seconds * 1000 - performance.now();
    if (ahead > 0) await sleep(ahead);
  }
  const took = (performance.now() - began) / 1000;
  await blocked(run, world, `${changes} changes in ${took.toFixed(0)} s`);
  await world.arrives('after the storm', await world.change());
  await sleep(3000);
  const wrong = [];
  for (const [target, marker] of last) {
    const { code } = await world.ask(target);
    if (!world.seen.has(`ranker${marker}`))
      wrong.push(`${target}: code ${code}, ${[...world.seen].find((seen) => seen.startsWith('ranker-s'))} instead of ${marker}`);
  }
  run.check('every final state is right', wrong.length === 0, wrong.slice(0, 3).join('; '));
  await blocked(run, world, 'asking all of them');
  const state = (await server.metrics()).find('inferflow_config_model_state', { model_id: id(models - 1), state: 'live' });
  run.check('the metrics tell the state of each', state[0]?.value === 1);
  await blocked(run, world, 'scraping the metrics of all of them');
  await writer.removePrefix(writer.key('crowd-'));
  run.check(
    'all of them deleted at once: they are gone',
    await until(async () => (await count()) === 3, ARRIVES_MS, 100),
    `${await count()}`,
  );
  await blocked(run, world, 'deleting all of them');
  world.unharmed('a crowd of models');
  await world.stop();
}

/**
 * The longest turn of the server since the last look, without the time it waited for a processor. Where an idle thread had to wait as well,
 * so had the threads that collect garbage for it: then the machine is too busy to tell.
 */
async function blocked(run, world, what) {
  const busyMs = 20;
  const [blockedMs, idleMs] = [world.longestTurnMs(), await world.idle.longestMs()];
  if (blockedMs >= 50 && idleMs > busyMs)
    run.note(
      `${what}: the event loop was kept for ${blockedMs.toFixed(0)} ms, an idle thread for ${idleMs.toFixed(0)} ms: machine too busy to judge`,
    );
  else run.check(`${what}: the event loop is never blocked for 50 ms`, blockedMs < 50, `${blockedMs.toFixed(0)} ms`);
}

async function random(run, { version, members = 1, seconds }) {
  const world = await EtcdWorld.start(run, { version, members });
  await world.idle.longestMs();
  const { changes, faults, comparisons, slowestMs } = await randomFaults(world, seconds);
  const idleMs = await world.idle.longestMs();
  const detail = `${changes} changes, ${faults} faults, ${comparisons} comparisons`;
  run.check(
    `random faults, ${members} member${members === 1 ? '' : 's'}: the live set is what a naive model says`,
    comparisons > 0,
    detail,
  );
  const figure = `${slowestMs.toFixed(0)} ms at most`;
  if (slowestMs > 1000 && idleMs > 20)
    run.note(`without faults right after ${figure}, an idle thread waited ${idleMs.toFixed(0)} ms: machine too busy to judge`);
  else run.check('a quiet second is enough where nothing is broken', slowestMs <= 1000, figure);
  world.unharmed('random faults');
  await world.stop();
}
