import { execFileSync } from 'node:child_process';
import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { startKafka } from '../../scripts/services/kafka.mjs';
import { CutProxy } from './lib/cut-proxy.mjs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { accounted, clientOf, distinctOf, haveKafka, loggedModel, readTopic, rowsOf, startLogging, topic } from './lib/log-world.mjs';
import { sleep, until } from './lib/suite-run.mjs';

export const name = 'kafka-limits';
export const about =
  'inference logs that are not taken as they come: topics missing, forbidden or too small, a wrong password, a slow broker, a full disk; every row accounted for';
export const short = (run) => suite(run, { outageMs: 4000, loadMs: 2500 });
export const long = (run) => suite(run, { outageMs: 30_000, loadMs: 15_000 });

async function suite(run, plan) {
  const fakes = await startFaultFakes(run);
  const models = { soak: loggedModel(fakes) };
  if (haveKafka(run)) {
    await refused(run, fakes);
    await slow(run, plan, fakes, models);
  }
  await diskFull(run, fakes, models);
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
  await sleep(plan.outageMs);
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
