import { execFile } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { startKafka } from '../../scripts/services/kafka.mjs';
import { startFaultFakes } from './lib/fault-fakes.mjs';
import { settle, startLoad } from './lib/load.mjs';
import { accounted, clientOf, distinctOf, haveKafka, loggedModel, readTopic, rowsOf, startLogging, topic } from './lib/log-world.mjs';
import { sleep, until } from './lib/suite-run.mjs';

export const name = 'kafka';
export const about =
  'inference logs on real brokers: killed, moved, all down, random faults, kill -9 of the server; every row accounted for, read back by the CLI';
export const short = (run) => suite(run, { outageMs: 4000, loadMs: 2500, randomMs: 12_000, clusters: [1, 3] });
export const shortLimitMinutes = 8;
export const long = (run, minutes = 5) =>
  suite(run, { outageMs: 60_000, loadMs: 15_000, randomMs: Math.max(120_000, minutes * 24_000), clusters: [1, 3] });

const cli = fileURLToPath(new URL('../../apps/cli/dist/main.js', import.meta.url));

async function suite(run, plan) {
  if (!haveKafka(run)) return;
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
}

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
