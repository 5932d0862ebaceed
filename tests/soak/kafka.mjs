import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { findKafka, installKafka, startKafka } from '../../scripts/services/kafka.mjs';
import { environmentFor, startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { startServer } from './lib/server-process.mjs';
import { sleep, until } from './lib/suite-run.mjs';
import { modelConfig } from './lib/workload.mjs';

export const name = 'kafka';
export const about =
  'inference logs on real brokers: killed, moved, all down, topic missing, kill -9 of the server; every row accounted for';
export const short = (run) => suite(run, { outageMs: 4000, loadMs: 3000, clusters: [1, 3] });
export const long = (run, minutes = 5) => suite(run, { outageMs: Math.max(60_000, minutes * 6000), loadMs: 20_000, clusters: [1, 3] });

// The client is a dependency of the server, not of the root.
const { Kafka, logLevel } = createRequire(new URL('../../apps/server/package.json', import.meta.url))('kafkajs');
const topic = 'inference_log';

async function suite(run, plan) {
  try {
    if (findKafka() === null) installKafka();
  } catch (error) {
    return run.note(`skipped: no Kafka here and none could be fetched (${error.message.split('\n')[0]})`);
  }
  const fakes = await startFaultFakes(run);
  const models = { soak: { ...modelConfig(`127.0.0.1:${fakes.model.port}`, { deadlineMs: 2000 }) } };
  models.soak.response_config = { ...models.soak.response_config, logging_perc: 100 };
  for (const brokers of plan.clusters) {
    const kafka = await startKafka(run.directory('inferflow-kafka-'), { brokers });
    run.defer(() => kafka.stopAll(0));
    kafka.topic(topic, 3, Math.min(brokers, 3));
    await outages(run, plan, kafka, fakes, models, brokers);
    if (brokers === 1) {
      await bounded(run, plan, kafka, fakes, models);
      await missingTopic(run, kafka, fakes, models);
      await serverKilled(run, kafka, fakes, models);
    }
    await kafka.stopAll(0);
  }
}

async function startLogging(run, kafka, fakes, models, env = {}) {
  const server = await startServer(run, {
    models,
    env: {
      ...environmentFor(fakes),
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: 2000,
      KAFKA_BOOTSTRAP_SERVERS: kafka.brokers,
      KAFKA_LOGGING_TOPIC: topic,
      INFERFLOW_LOG_FLUSH_MS: 10_000,
      ...env,
    },
  });
  // The format is a service setting and goes live without a restart.
  writeFileSync(join(server.config.path, 'services.json'), JSON.stringify({ 'v2-logging-type': 'proto', 'compression-enabled': false }));
  await sleep(1500);
  return server;
}

/** Rows by what became of them. */
async function rowsOf(server) {
  const metrics = await server.metrics();
  const sum = (metric) => metrics.sum(metric);
  return {
    logged: sum('inferflow_logging_rows_total'),
    delivered: sum('inferflow_logging_rows_delivered_total'),
    dropped: sum('inferflow_logging_rows_dropped_total'),
    spilled: sum('inferflow_logging_rows_spilled_total'),
    repeated: sum('inferflow_logging_rows_maybe_repeated_total'),
    queue: sum('inferflow_logging_queue_bytes'),
    reasons: metrics.find('inferflow_logging_delivery_failure_total').map(({ labels }) => labels.reason),
  };
}

async function accounted(server, timeoutMs) {
  let rows = await rowsOf(server);
  await until(
    async () => {
      rows = await rowsOf(server);
      return rows.logged === rows.delivered + rows.dropped;
    },
    timeoutMs,
    200,
  );
  return rows;
}

/** Entity ids of every row in a topic; ids are never used twice by the load. */
async function readTopic(kafka, topicName = topic) {
  const client = new Kafka({ brokers: kafka.brokers.split(','), logLevel: logLevel.NOTHING });
  const admin = client.admin();
  await admin.connect();
  const offsets = await admin.fetchTopicOffsets(topicName);
  await admin.disconnect();
  const wanted = new Map(
    offsets.filter(({ low, high }) => Number(high) > Number(low)).map(({ partition, high }) => [partition, Number(high)]),
  );
  const ids = [];
  if (wanted.size === 0) return ids;
  const consumer = client.consumer({ groupId: `check-${Math.random()}` });
  await consumer.connect();
  await consumer.subscribe({ topic: topicName, fromBeginning: true });
  await new Promise((resolve, reject) => {
    setTimeout(() => reject(new Error('the topic could not be read in time')), 60_000).unref();
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        ids.push(...entitiesOf(message.value));
        if (Number(message.offset) + 1 >= (wanted.get(partition) ?? 0)) wanted.delete(partition);
        if (wanted.size === 0) resolve();
      },
    });
  });
  await consumer.disconnect();
  return ids;
}

/** Field 4 of the log in field 2 of the Any in field 4 of the event in field 1. */
function entitiesOf(value) {
  let at = value;
  for (const field of [1, 4, 2]) at = fieldsOf(at).find(([number]) => number === field)[1];
  return fieldsOf(at)
    .filter(([number]) => number === 4)
    .map(([, bytes]) => bytes.toString());
}

function fieldsOf(bytes) {
  const found = [];
  for (let at = 0; at < bytes.length; ) {
    const varint = () => {
      let value = 0;
      let scale = 1;
      for (;;) {
        const byte = bytes[at++];
        value += (byte & 127) * scale;
        if (byte < 128) return value;
        scale *= 128;
      }
    };
    const tag = varint();
    const size = varint();
    if (tag % 8 !== 2) continue;
    found.push([tag >> 3, bytes.subarray(at, at + size)]);
    at += size;
  }
  return found;
}

async function outages(run, plan, kafka, fakes, models, brokers) {
  const title = `${brokers} broker${brokers > 1 ? 's' : ''}`;
  const server = await startLogging(run, kafka, fakes, models, {
    INFERFLOW_LOG_POLICY: 'spill',
    INFERFLOW_LOG_SPILL_DIR: run.directory(),
    INFERFLOW_LOG_QUEUE_BYTES: 1 << 20,
  });
  const load = startLoad(server.port, { outstanding: 8 });
  await settle(load);
  await sleep(plan.loadMs);
  const calm = load.mark();
  await kafka.kill(0);
  await sleep(plan.outageMs);
  kafka.launch(0);
  await kafka.ready(0);
  await sleep(plan.loadMs);
  if (brokers > 1) {
    await kafka.restart(1);
    await sleep(plan.loadMs);
    for (let broker = 0; broker < brokers; broker++) await kafka.kill(broker);
    await sleep(plan.outageMs);
    for (let broker = 0; broker < brokers; broker++) kafka.launch(broker);
    for (let broker = 0; broker < brokers; broker++) await kafka.ready(broker);
  } else {
    kafka.signal(0, 'SIGSTOP');
    await sleep(plan.outageMs);
    kafka.signal(0, 'SIGCONT');
  }
  await sleep(plan.loadMs);
  const tally = await load.stop();
  run.check(
    `${title}: answers do not notice`,
    tally.failures === 0 && tally.wrongCount === 0 && tally.faultyRows === 0,
    `${tally.text}; calm p99 ${calm.at(0.99).toFixed(1)} ms, under faults ${tally.at(0.99).toFixed(1)} ms`,
  );
  const rows = await accounted(server, 90_000);
  run.check(
    `${title}: every row is delivered, none dropped`,
    rows.logged > 0 && rows.dropped === 0 && rows.delivered === rows.logged,
    JSON.stringify(rows),
  );
  const ids = await readTopic(kafka);
  const distinct = new Set(ids).size;
  run.check(`${title}: distinct rows in the topic are the sampled rows`, distinct === rows.logged, `${distinct} of ${rows.logged}`);
  run.check(
    `${title}: repeated rows are counted`,
    ids.length - distinct <= rows.repeated,
    `${ids.length - distinct} repeated, ${rows.repeated} announced`,
  );
  server.terminate();
  const exited = await server.ended(20_000);
  run.check(`${title}: the server stops cleanly`, exited?.code === 0);
}

/** Without spill: what does not fit is dropped and counted, memory stays bounded. */
async function bounded(run, plan, kafka, fakes, models) {
  const before = new Set(await readTopic(kafka)).size;
  const server = await startLogging(run, kafka, fakes, models, { INFERFLOW_LOG_QUEUE_BYTES: 1 << 20 });
  const load = startLoad(server.port, { outstanding: 16 });
  await settle(load);
  await kafka.kill(0);
  await sleep(plan.outageMs * 2);
  const during = await rowsOf(server);
  run.check(
    'no spill, all down: memory stays within the bound, drops are counted',
    during.queue <= 1 << 20 && during.dropped > 0,
    JSON.stringify(during),
  );
  kafka.launch(0);
  await kafka.ready(0);
  await sleep(plan.loadMs);
  const tally = await load.stop();
  run.check('no spill, all down: answers do not notice', tally.failures === 0 && tally.wrongCount === 0, tally.text);
  const rows = await accounted(server, 60_000);
  const distinct = new Set(await readTopic(kafka)).size - before;
  run.check(
    'no spill: sampled rows = distinct rows in the topic + rows counted as dropped',
    distinct + rows.dropped === rows.logged,
    `${distinct} + ${rows.dropped} = ${rows.logged}`,
  );
  await server.kill();
}

/** One model's topic does not exist; the other's goes on. */
async function missingTopic(run, kafka, fakes, models) {
  const both = { soak: models.soak, other: models.soak };
  kafka.topic('log-other', 1, 1);
  const server = await startLogging(run, { brokers: kafka.brokers }, fakes, both, { KAFKA_LOGGING_TOPIC: 'log-{model}' });
  const bad = await startLogging(run, { brokers: kafka.brokers }, fakes, models, { KAFKA_LOGGING_TOPIC: 'no such topic!' });
  const load = startLoad(bad.port, { outstanding: 2 });
  await sleep(3000);
  await load.stop();
  const rows = await rowsOf(bad);
  run.check(
    'invalid topic: said in a metric, not in a storm',
    rows.reasons.length > 0 && bad.errors.length < 5,
    JSON.stringify({ ...rows, lines: bad.errors.length }),
  );
  const other = startLoad(server.port, { outstanding: 2, modelId: 'other' });
  await sleep(2000);
  await other.stop();
  const good = await accounted(server, 20_000);
  run.check('a topic per model: delivered', good.delivered === good.logged && good.logged > 0, JSON.stringify(good));
  await server.kill();
  await bad.kill();
}

/** kill -9: what was spilled is delivered by the next process; what was acknowledged is there. */
async function serverKilled(run, kafka, fakes, models) {
  const before = new Set(await readTopic(kafka)).size;
  const spill = run.directory();
  const env = { INFERFLOW_LOG_POLICY: 'spill', INFERFLOW_LOG_SPILL_DIR: spill, INFERFLOW_LOG_QUEUE_BYTES: 1 << 20 };
  const server = await startLogging(run, kafka, fakes, models, env);
  const load = startLoad(server.port, { outstanding: 8 });
  await settle(load);
  await kafka.kill(0);
  await until(async () => (await rowsOf(server)).spilled > 2000, 30_000, 100);
  await load.stop();
  const rows = await rowsOf(server);
  await server.kill();
  kafka.launch(0);
  await kafka.ready(0);
  const next = await startLogging(run, kafka, fakes, models, env);
  await until(async () => (await rowsOf(next)).delivered >= rows.spilled, 30_000, 200);
  await sleep(500);
  const ids = await readTopic(kafka);
  const distinct = new Set(ids).size - before;
  run.check(
    'kill -9: acknowledged and spilled rows are in the topic',
    distinct >= rows.delivered + rows.spilled,
    `${distinct} rows; ${rows.delivered} acknowledged, ${rows.spilled} spilled`,
  );
  await next.kill();
}
