// A server that logs every request to Kafka, its accounts, and an independent reader of what is in a topic.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { findKafka, installKafka } from '../../../scripts/services/kafka.mjs';
import { environmentFor } from './server-environment.mjs';
import { startServer } from './server-process.mjs';
import { sleep, until } from './suite-run.mjs';
import { modelConfig } from './workload.mjs';

// The client is a dependency of the server, not of the root.
const { Kafka, logLevel } = createRequire(new URL('../../../apps/server/package.json', import.meta.url))('kafkajs');
export const topic = 'inference_log';

/** Whether there is a Kafka, fetched if need be; a suite without says so. */
export function haveKafka(run) {
  try {
    if (findKafka() === null) installKafka();
    return true;
  } catch (error) {
    run.note(`skipped: no Kafka here and none could be fetched (${error.message.split('\n')[0]})`);
    return false;
  }
}

/** A model whose every request is logged. */
export function loggedModel(fakes) {
  const model = modelConfig(`127.0.0.1:${fakes.model.port}`, { deadlineMs: 10_000 });
  return { ...model, response_config: { ...model.response_config, logging_perc: 100 } };
}

export async function startLogging(run, brokers, fakes, models, env = {}) {
  const server = await startServer(run, {
    models,
    env: {
      ...environmentFor(fakes),
      EXTERNAL_SERVICE_ONFS_FS_DEAD_LINE: 10_000,
      NUMERIX_CLIENT_V1_DEADLINE_MS: 10_000,
      KAFKA_BOOTSTRAP_SERVERS: brokers,
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
export async function rowsOf(server, labels = {}) {
  const metrics = await server.metrics();
  const sum = (metric) => metrics.sum(metric, labels);
  const reasons = (metric) =>
    Object.fromEntries(
      metrics
        .find(metric, labels)
        .filter(({ value }) => value > 0)
        .map(({ labels: { reason, topic: name }, value }) => [name === undefined || name === topic ? reason : `${name} ${reason}`, value]),
    );
  return {
    logged: sum('inferflow_logging_rows_total'),
    delivered: sum('inferflow_logging_rows_delivered_total'),
    dropped: sum('inferflow_logging_rows_dropped_total'),
    spilled: sum('inferflow_logging_rows_spilled_total'),
    repeated: sum('inferflow_logging_rows_maybe_repeated_total'),
    queue: metrics.sum('inferflow_logging_queue_bytes'),
    drops: reasons('inferflow_logging_rows_dropped_total'),
    failures: reasons('inferflow_logging_delivery_failure_total'),
  };
}

/** Waits until every row is delivered or dropped. */
export async function accounted(server, timeoutMs, labels = {}) {
  let rows = await rowsOf(server, labels);
  await until(
    async () => {
      rows = await rowsOf(server, labels);
      return rows.logged === rows.delivered + rows.dropped;
    },
    timeoutMs,
    200,
  );
  return rows;
}

export const clientOf = (brokers) => new Kafka({ brokers: brokers.split(','), logLevel: logLevel.NOTHING });

export const distinctOf = (ids) => new Set(ids).size;

/** `tracking id/entity` of every row in a topic; the load never uses an entity twice. */
export async function readTopic(brokers, topicName = topic) {
  const client = clientOf(brokers);
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
    setTimeout(() => reject(new Error('the topic could not be read in time')), 120_000).unref();
    consumer.run({
      eachMessage: async ({ partition, message }) => {
        ids.push(...rowsIn(message.value));
        if (Number(message.offset) + 1 >= (wanted.get(partition) ?? 0)) wanted.delete(partition);
        if (wanted.size === 0) resolve();
      },
    });
  });
  await consumer.disconnect();
  return ids;
}

/** Tracking id and entities: fields 2 and 4 of the log in field 2 of the Any in field 4 of the event in field 1. */
function rowsIn(value) {
  let at = value;
  for (const field of [1, 4, 2]) at = fieldsOf(at).find(([number]) => number === field)?.[1] ?? Buffer.alloc(0);
  const found = fieldsOf(at);
  const trackingId = found.find(([number]) => number === 2)?.[1].toString() ?? '';
  return found.filter(([number]) => number === 4).map(([, bytes]) => `${trackingId}/${bytes}`);
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
    if (tag % 8 === 0) {
      varint();
      continue;
    }
    if (tag % 8 !== 2) return found;
    const size = varint();
    found.push([tag >> 3, bytes.subarray(at, at + size)]);
    at += size;
  }
  return found;
}
