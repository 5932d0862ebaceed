import { execFile, execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findKafka, installKafka, startKafka } from '../../scripts/services/kafka.mjs';
import { CutProxy } from './lib/cut-proxy.mjs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { accounted, clientOf, loggedModel, readTopic, rowsOf, startLogging, topic } from './lib/log-world.mjs';
import { sleep, until } from './lib/suite-run.mjs';

export const name = 'kafka';
export const about =
  'inference logs on real brokers: killed, moved, all down, random faults, slow, topics missing or forbidden, kill -9 of the server; every row accounted for, read back by the CLI';
export const short = (run) => suite(run, { outageMs: 4000, loadMs: 2500, randomMs: 12_000, clusters: [1, 3] });
export const shortLimitMinutes = 8;
export const long = (run, minutes = 5) =>
  suite(run, { outageMs: 60_000, loadMs: 15_000, randomMs: Math.max(120_000, minutes * 24_000), clusters: [1, 3] });

const cli = fileURLToPath(new URL('../../apps/cli/dist/main.js', import.meta.url));

async function suite(run, plan) {
  try {
    if (findKafka() === null) installKafka();
  } catch (error) {
    return run.note(`skipped: no Kafka here and none could be fetched (${error.message.split('\n')[0]})`);
  }
  const fakes = await startFaultFakes(run);
  const models = { soak: loggedModel(fakes) };
  for (const brokers of plan.clusters) {
    const kafka = await startKafka(run.directory('inferflow-kafka-'), { brokers });
    run.defer(() => kafka.stopAll(0));
    await kafka.topic(topic, 3, Math.min(brokers, 3));
    await outages(run, plan, kafka, fakes, models, brokers);
    await bounded(run, plan, kafka, fakes, models, brokers);
    if (brokers === 1) {
      await serverKilled(run, kafka, fakes, models);
      await decoded(run, kafka, fakes, models);
    }
    await randomFaults(run, plan, kafka, fakes, models, brokers);
    await kafka.stopAll(0);
  }
  await refused(run, fakes);
  await slow(run, plan, fakes, models);
  await diskFull(run, fakes, models);
}

const distinctOf = (ids) => new Set(ids).size;
const spillIn = (run) => ({ INFERFLOW_LOG_POLICY: 'spill', INFERFLOW_LOG_SPILL_DIR: run.directory(), INFERFLOW_LOG_QUEUE_BYTES: 1 << 20 });

/** Brokers killed, restarted, leaders moved, all of them down; with spill: nothing may be lost. */
async function outages(run, plan, kafka, fakes, models, brokers) {
  const title = titleOf(brokers);
  const server = await startLogging(run, kafka.brokers, fakes, models, spillIn(run));
  const load = startLoad(server.port, { outstanding: 8 });
  await settle(load);
  await sleep(plan.loadMs);
  const calm = load.mark();
  await down(kafka, [0], plan.outageMs);
  await sleep(plan.loadMs);
  if (brokers > 1) {
    // A graceful restart moves leaders away and back.
    await kafka.restart(1);
    await sleep(plan.loadMs);
    await down(
      kafka,
      kafka.ports.map((_, broker) => broker),
      plan.outageMs,
    );
  } else await hung(kafka, 0, plan.outageMs);
  await sleep(plan.loadMs);
  const tally = await load.stop();
  run.check(
    `${title}: answers do not notice`,
    tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0,
    `${tally.text}; calm p99 ${calm.at(0.99).toFixed(1)} ms, under faults ${tally.at(0.99).toFixed(1)} ms`,
  );
  const rows = await accounted(server, 180_000);
  run.check(
    `${title}, spill: every row is delivered, none dropped`,
    rows.logged > 0 && rows.dropped === 0 && rows.delivered === rows.logged,
    JSON.stringify(rows),
  );
  const ids = await readTopic(kafka.brokers);
  const distinct = distinctOf(ids);
  run.check(`${title}, spill: distinct rows in the topic are the sampled rows`, distinct === rows.logged, `${distinct} of ${rows.logged}`);
  checkRepeats(run, title, ids, rows);
  server.terminate();
  const exited = await server.ended(20_000);
  run.check(`${title}: the server stops cleanly`, exited?.code === 0);
}

const titleOf = (brokers) => `${brokers} broker${brokers > 1 ? 's' : ''}`;

function checkRepeats(run, title, ids, rows) {
  const repeated = ids.length - distinctOf(ids);
  run.check(`${title}: repeated rows are counted`, repeated <= rows.repeated, `${repeated} repeated, ${rows.repeated} announced`);
}

async function down(kafka, brokers, outageMs) {
  for (const broker of brokers) await kafka.kill(broker);
  await sleep(outageMs);
  for (const broker of brokers) kafka.launch(broker);
  for (const broker of brokers) await kafka.ready(broker);
}

async function hung(kafka, broker, outageMs) {
  kafka.signal(broker, 'SIGSTOP');
  await sleep(outageMs);
  kafka.signal(broker, 'SIGCONT');
}

/** Without spill: what does not fit is dropped and counted, memory stays bounded. */
async function bounded(run, plan, kafka, fakes, models, brokers) {
  const title = `${titleOf(brokers)}, no spill`;
  const before = distinctOf(await readTopic(kafka.brokers));
  const server = await startLogging(run, kafka.brokers, fakes, models, { INFERFLOW_LOG_QUEUE_BYTES: 1 << 20 });
  const load = startLoad(server.port, { outstanding: 16 });
  await settle(load);
  const all = kafka.ports.map((_, broker) => broker);
  for (const broker of all) await kafka.kill(broker);
  await sleep(plan.outageMs);
  let during = await rowsOf(server);
  // A slow machine sends less in that time than the queue holds.
  await until(
    async () => {
      during = await rowsOf(server);
      return during.dropped > 0;
    },
    30_000,
    200,
  );
  run.check(
    `${title}, all down: memory stays within the bound, drops are counted`,
    during.queue <= 1 << 20 && during.dropped > 0,
    JSON.stringify(during),
  );
  for (const broker of all) kafka.launch(broker);
  for (const broker of all) await kafka.ready(broker);
  await sleep(plan.loadMs);
  const tally = await load.stop();
  run.check(`${title}, all down: answers do not notice`, tally.failures === 0 && tally.wrongCount === 0, tally.text);
  const rows = await accounted(server, 90_000);
  const ids = await readTopic(kafka.brokers);
  const distinct = distinctOf(ids) - before;
  run.check(
    `${title}: sampled rows = distinct rows in the topic + rows counted as dropped`,
    distinct + rows.dropped === rows.logged,
    `${distinct} + ${rows.dropped} = ${rows.logged}`,
  );
  await server.kill();
}

/** Faults at random, a spill too small for the long ones: sampled = distinct + dropped, and repeats are announced. */
async function randomFaults(run, plan, kafka, fakes, models, brokers) {
  const title = `${titleOf(brokers)}, random faults`;
  const random = `random-${brokers}`;
  await kafka.topic(random, 5, Math.min(brokers, 3));
  const server = await startLogging(run, kafka.brokers, fakes, models, {
    ...spillIn(run),
    KAFKA_LOGGING_TOPIC: undefined,
    // The other name of the variable.
    KAFKA_V2_LOG_TOPIC: random,
    INFERFLOW_LOG_SPILL_BYTES: 4 << 20,
    KAFKA_COMPRESSION: 'gzip',
    INFERFLOW_LOG_THREAD: brokers > 1,
  });
  const load = startLoad(server.port, { outstanding: 8 });
  await settle(load);
  const faults = [];
  for (const end = Date.now() + plan.randomMs; Date.now() < end; ) {
    const broker = randomInt(brokers);
    const forMs = randomInt(200, Math.min(plan.outageMs, 15_000));
    const kind = ['kill', 'hang', 'restart', 'everything'][randomInt(brokers > 1 ? 4 : 3)];
    faults.push(kind);
    if (kind === 'kill') await down(kafka, [broker], forMs);
    else if (kind === 'hang') await hung(kafka, broker, forMs);
    else if (kind === 'restart') await kafka.restart(broker);
    else
      await down(
        kafka,
        kafka.ports.map((_, each) => each),
        forMs,
      );
    await sleep(randomInt(100, 1500));
  }
  const tally = await load.stop();
  run.check(`${title}: answers do not notice`, tally.failures === 0 && tally.wrongCount === 0, `${faults.join(' ')}; ${tally.text}`);
  const rows = await accounted(server, 180_000);
  const ids = await readTopic(kafka.brokers, random);
  const distinct = distinctOf(ids);
  run.check(
    `${title}: sampled rows = distinct rows in the topic + rows counted as dropped`,
    distinct + rows.dropped === rows.logged && rows.delivered + rows.dropped === rows.logged,
    `${distinct} + ${rows.dropped} = ${rows.logged}; ${JSON.stringify(rows)}`,
  );
  checkRepeats(run, title, ids, rows);
  await server.kill();
}

/** kill -9: what was spilled is delivered by the next process; what was acknowledged is there. */
async function serverKilled(run, kafka, fakes, models) {
  const before = distinctOf(await readTopic(kafka.brokers));
  const env = spillIn(run);
  const server = await startLogging(run, kafka.brokers, fakes, models, env);
  const load = startLoad(server.port, { outstanding: 8 });
  await settle(load);
  await kafka.kill(0);
  await until(async () => (await rowsOf(server)).spilled > 2000, 30_000, 100);
  await load.stop();
  const rows = await rowsOf(server);
  await server.kill();
  kafka.launch(0);
  await kafka.ready(0);
  const next = await startLogging(run, kafka.brokers, fakes, models, env);
  await until(async () => (await rowsOf(next)).delivered >= rows.spilled, 30_000, 200);
  await sleep(500);
  const ids = await readTopic(kafka.brokers);
  const distinct = distinctOf(ids) - before;
  run.check(
    'kill -9: acknowledged and spilled rows are in the topic',
    distinct >= rows.delivered + rows.spilled,
    `${distinct} rows; ${rows.delivered} acknowledged, ${rows.spilled} spilled`,
  );
  // One batch may have been delivered without a note of it: 1 MB of rows of about 150 bytes.
  const repeated = ids.length - distinctOf(ids);
  run.check('kill -9: no more repeats than one batch', repeated * 100 <= 1_000_000, `${repeated} rows`);
  const again = startLoad(next.port, { outstanding: 8 });
  await settle(again);
  await sleep(1000);
  const acknowledged = await rowsOf(next);
  await next.kill();
  await again.stop();
  const after = distinctOf(await readTopic(kafka.brokers)) - before;
  run.check(
    'kill -9 under load: what was acknowledged is there',
    after >= distinct + acknowledged.delivered - rows.spilled,
    `${after} rows`,
  );
}

/** `inferflow decode` on the topic, its schema from the running server; a damaged record is told and passed over. */
async function decoded(run, kafka, fakes, models) {
  const read = 'decoded';
  await kafka.topic(read, 2, 1);
  const server = await startLogging(run, kafka.brokers, fakes, models, { KAFKA_LOGGING_TOPIC: read });
  const load = startLoad(server.port, { outstanding: 4 });
  await settle(load);
  await sleep(1000);
  await load.stop();
  const rows = await accounted(server, 20_000);
  const endpoint = `http://127.0.0.1:${server.port}`;
  const decode = (...words) => inferflow('decode', read, '--brokers', kafka.brokers, '--endpoint', endpoint, ...words);
  const all = await decode();
  const lines = all.out.trim().split('\n');
  const seen = new Set(lines.map((line) => JSON.parse(line)).map((row) => `${row.tracking_id}/${row.entity_id}`));
  run.check(
    'decode: every row of the topic, its columns from the server',
    all.code === 0 && lines.length === rows.logged && seen.size === rows.logged && Object.keys(JSON.parse(lines[0]).features).length > 5,
    `${lines.length} rows, exit status ${all.code} ${all.error.slice(0, 200)}`,
  );
  const parts = await Promise.all([decode('--partition', '0', '--format', 'csv'), decode('--partition', '1', '--format', 'csv')]);
  const counts = parts.map(({ out }) => out.trim().split('\n').length - 1);
  run.check(
    'decode: partitions one by one',
    counts[0] + counts[1] === rows.logged && counts.every((count) => count > 0),
    counts.join(' + '),
  );
  const one = JSON.parse(lines[0]);
  const chosen = await decode('--tracking-id', one.tracking_id, '--model', 'soak', '--from', '2020-01-01T00:00:00Z');
  const chosenRows = chosen.out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
  run.check(
    'decode: one request',
    chosenRows.length > 0 && chosenRows.every((row) => row.tracking_id === one.tracking_id),
    `${chosenRows.length} rows`,
  );
  const producer = clientOf(kafka.brokers).producer();
  await producer.connect();
  const [{ baseOffset }] = await producer.send({ topic: read, messages: [{ partition: 1, value: Buffer.from([10, 200, 1, 1]) }] });
  await producer.disconnect();
  const damaged = await decode();
  run.check(
    'decode: a damaged record is reported with its offset, skipped, counted',
    damaged.code === 1 &&
      damaged.out.trim().split('\n').length === rows.logged &&
      damaged.error.includes(`${read}[1]@${baseOffset}: `) &&
      /\b1 of \d+ records could not be read/.test(damaged.error),
    damaged.error.trim().replaceAll('\n', ' | ').slice(0, 300),
  );
  const nowhere = await inferflow('decode', read, '--brokers', '127.0.0.1:1', '--endpoint', endpoint);
  run.check('decode: brokers that are not there are said, exit status 2', nowhere.code === 2, nowhere.error.trim().slice(0, 200));
  await server.kill();
}

function inferflow(...words) {
  return new Promise((resolve) => {
    execFile(process.execPath, [cli, ...words], { maxBuffer: 1 << 30, timeout: 60_000 }, (error, out, told) =>
      resolve({ code: error === null ? 0 : (error.code ?? error.signal), out, error: told }),
    );
  });
}

/** Topics that are missing, forbidden, too small, and a wrong password: said, in no storm, and others go on. */
async function refused(run, fakes) {
  const kafka = await startKafka(run.directory('inferflow-kafka-'), {
    secure: true,
    set: [
      'auto.create.topics.enable=false',
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users=User:ANONYMOUS',
      'allow.everyone.if.no.acl.found=true',
    ],
  });
  run.defer(() => kafka.stopAll(0));
  const admin = clientOf(kafka.brokers).admin();
  await admin.connect();
  const small = [{ name: 'max.message.bytes', value: '400' }];
  await admin.createTopics({
    topics: ['log-good', 'log-forbidden', 'log-small'].map((name) => ({
      topic: name,
      numPartitions: 1,
      replicationFactor: 1,
      configEntries: name === 'log-small' ? small : [],
    })),
  });
  const rule = { resourceType: 2, resourceName: 'log-forbidden', resourcePatternType: 3, host: '*', operation: 4, permissionType: 2 };
  await admin.createAcls({ acl: [{ ...rule, principal: 'User:inferflow' }] });
  const model = loggedModel(fakes);
  const ids = ['good', 'forbidden', 'small', 'missing'];
  const models = Object.fromEntries(ids.map((id) => [id, model]));
  const secure = {
    KAFKA_LOGGING_TOPIC: 'log-{model}',
    KAFKA_TLS_CA: `${kafka.tls}/ca.crt`,
    KAFKA_SASL_MECHANISM: 'scram-sha-512',
    KAFKA_SASL_USERNAME: 'inferflow',
    KAFKA_SASL_PASSWORD: 'inferflow-secret',
  };
  const server = await startLogging(run, kafka.secureBrokers, fakes, models, secure);
  const loads = ids.map((id) => startLoad(server.port, { outstanding: 2, connections: 1, modelId: id }));
  await sleep(5000);
  const tallies = await Promise.all(loads.map((load) => load.stop()));
  run.check(
    'refused topics: answers do not notice',
    tallies.every((tally) => tally.failures === 0 && tally.wrongCount === 0),
    tallies.map((tally) => tally.answered).join(', '),
  );
  const good = await accounted(server, 20_000, { model_id: 'good' });
  run.check('refused topics: the others go on', good.logged > 0 && good.delivered === good.logged, `${good.delivered} of ${good.logged}`);
  const { failures } = await rowsOf(server);
  const said = Object.fromEntries(server.errors.map((entry) => [entry.topic, entry.reason]));
  for (const [id, reason] of [
    ['missing', 'topic_missing'],
    ['forbidden', 'not_authorised'],
    ['small', 'record_too_large'],
  ]) {
    run.check(
      `${reason}: said once in the log, and in a metric`,
      said[`log-${id}`] === reason &&
        server.errors.filter((entry) => entry.topic === `log-${id}` && entry.reason === reason).length === 1 &&
        (failures[`log-${id} ${reason}`] ?? 0) > 0,
      `${failures[`log-${id} ${reason}`] ?? 0} attempts`,
    );
  }
  const attempts = (failures['log-missing topic_missing'] ?? 0) + (failures['log-forbidden not_authorised'] ?? 0);
  run.check('refused topics: no retry storm', attempts < 40, `${attempts} attempts in 5 s on two topics`);
  const lost = await rowsOf(server, { model_id: 'small' });
  run.check(
    'record_too_large: every row is counted as dropped',
    lost.logged > 0 && lost.dropped === lost.logged && lost.drops.record_too_large === lost.logged,
    JSON.stringify(lost),
  );
  await admin.createTopics({ topics: [{ topic: 'log-missing', numPartitions: 1, replicationFactor: 1 }] });
  const found = await accounted(server, 30_000, { model_id: 'missing' });
  run.check(
    'topic_missing: what waited is delivered once the topic is there',
    found.logged > 0 && found.delivered === found.logged,
    `${found.delivered} of ${found.logged}`,
  );
  await server.kill();
  await admin.disconnect();
  const locked = await startLogging(
    run,
    kafka.secureBrokers,
    fakes,
    { good: model },
    {
      ...secure,
      KAFKA_SASL_PASSWORD: 'wrong',
      INFERFLOW_LOG_QUEUE_BYTES: 1 << 20,
      INFERFLOW_LOG_FLUSH_MS: 500,
    },
  );
  const load = startLoad(locked.port, { outstanding: 4, modelId: 'good' });
  await sleep(5000);
  const tried = (await rowsOf(locked)).failures['log-good authentication_failed'] ?? 0;
  await until(async () => (await rowsOf(locked)).dropped > 0, 40_000, 300);
  const tally = await load.stop();
  const rows = await rowsOf(locked);
  run.check(
    'wrong password: said once, no storm, rows beyond the queue are counted, answers do not notice',
    tried > 0 &&
      tried < 25 &&
      locked.errors.filter((entry) => entry.reason === 'authentication_failed').length === 1 &&
      rows.drops.queue_full > 0 &&
      tally.failures === 0,
    `${tried} attempts in 5 s; ${JSON.stringify(rows)}`,
  );
  locked.terminate();
  run.check('wrong password: the server stops all the same', (await locked.ended(10_000))?.code === 0);
  await kafka.stopAll(0);
}

/** A broker behind a slow line: the queue is full, bounded, and its policy applied. */
async function slow(run, plan, fakes, models) {
  const relays = [];
  const kafka = await startKafka(run.directory('inferflow-kafka-'), {
    advertise: async (ports) => {
      for (const port of ports) relays.push(await new CutProxy(port, 400).start());
      return relays.map((relay) => relay.port);
    },
  });
  run.defer(() => kafka.stopAll(0));
  for (const relay of relays) run.defer(() => relay.stop());
  relays[0].delayMs = 0;
  await kafka.topic(topic, 3, 1);
  const server = await startLogging(run, kafka.brokers, fakes, models, {
    INFERFLOW_LOG_QUEUE_BYTES: 1 << 20,
    INFERFLOW_LOG_POLICY: 'drop-oldest',
  });
  const load = startLoad(server.port, { outstanding: 16 });
  await settle(load);
  await sleep(plan.loadMs);
  const calm = load.mark();
  const before = server.rss;
  relays[0].delayMs = 700;
  await sleep(Math.min(plan.outageMs, 30_000));
  await until(async () => (await rowsOf(server)).dropped > 0, 40_000, 300);
  const rows = await rowsOf(server);
  const grown = (server.rss - before) / 1e6;
  const tally = await load.stop();
  run.check(
    'slow broker: answers do not notice',
    tally.failures === 0 && tally.wrongCount === 0,
    `${tally.text}; calm p99 ${calm.at(0.99).toFixed(1)} ms, then ${tally.at(0.99).toFixed(1)} ms`,
  );
  run.check(
    'slow broker: the queue is bounded, the oldest are dropped and counted, the rest goes on',
    rows.queue <= 1 << 20 && rows.drops.queue_full > 0 && rows.delivered > 0,
    `${JSON.stringify(rows)}; ${grown.toFixed(0)} MB more`,
  );
  relays[0].delayMs = 0;
  const all = await accounted(server, 30_000);
  const distinct = distinctOf(await readTopic(kafka.brokers));
  run.check(
    'slow broker: sampled rows = distinct rows in the topic + rows counted as dropped',
    distinct + all.dropped === all.logged,
    `${distinct} + ${all.dropped} = ${all.logged}`,
  );
  await server.kill();
  await kafka.stopAll(0);
}

/** A disk that is full: rows are counted as dropped, answers do not notice, and files are written again once there is room. */
async function diskFull(run, fakes, models) {
  const small = run.directory();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=400k', 'tmpfs', small], { stdio: 'ignore' });
  } catch {
    return run.note('!!!!! SKIPPED: disk full: a small disk cannot be mounted here');
  }
  run.defer(() => execFileSync('umount', ['-l', small]));
  const server = await startLogging(run, '', fakes, models, {
    KAFKA_BOOTSTRAP_SERVERS: undefined,
    KAFKA_LOGGING_TOPIC: undefined,
    INFERFLOW_LOG_DIR: small,
    INFERFLOW_LOG_FILE_BYTES: 100_000,
    INFERFLOW_LOG_FILE_INTERVAL_MS: 500,
  });
  const load = startLoad(server.port, { outstanding: 4 });
  await settle(load);
  await until(async () => (await rowsOf(server)).drops.disk_full > 0, 40_000, 200);
  const full = await rowsOf(server);
  const files = () => readdirSync(small, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const isClean = await until(() => files().every(({ name }) => name.endsWith('.parquet')), 5000);
  run.check(
    'disk full, files: rows are counted as dropped, no half-written file is left',
    full.drops.disk_full > 0 && full.delivered > 0 && isClean,
    JSON.stringify(full),
  );
  for (const entry of files()) rmSync(join(entry.parentPath ?? entry.path, entry.name));
  await until(async () => (await rowsOf(server)).delivered > full.delivered, 20_000, 200);
  const tally = await load.stop();
  const rows = await accounted(server, 20_000);
  run.check('disk full, files: written again once there is room', rows.delivered > full.delivered, `${rows.delivered} rows`);
  run.check(
    'disk full, files: sampled rows = rows on disk + rows counted as dropped; answers do not notice',
    rows.delivered + rows.dropped === rows.logged && tally.failures === 0 && tally.wrongCount === 0,
    `${rows.delivered} + ${rows.dropped} = ${rows.logged}; ${tally.text}`,
  );
  await server.kill();
  // The same for the spill of a topic whose broker is away.
  for (const entry of files()) rmSync(join(entry.parentPath ?? entry.path, entry.name));
  const spilling = await startLogging(run, '127.0.0.1:1', fakes, models, {
    INFERFLOW_LOG_POLICY: 'spill',
    INFERFLOW_LOG_SPILL_DIR: small,
    INFERFLOW_LOG_QUEUE_BYTES: 1 << 20,
    INFERFLOW_LOG_FLUSH_MS: 500,
  });
  const more = startLoad(spilling.port, { outstanding: 8 });
  await settle(more);
  await until(async () => (await rowsOf(spilling)).drops.spill_failed > 0, 60_000, 300);
  const answered = await more.stop();
  const spilled = await rowsOf(spilling);
  run.check(
    'disk full, spill: rows are counted as dropped, answers do not notice',
    spilled.drops.spill_failed > 0 && spilled.spilled > 0 && answered.failures === 0 && answered.wrongCount === 0,
    JSON.stringify(spilled),
  );
  await spilling.kill();
}
