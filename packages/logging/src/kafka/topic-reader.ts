import { missingLibrary } from '../errors.js';
import { compressionType } from './codecs.js';
import { type KafkaSinkOptions, securityOf } from './kafka-sink.js';

/** Options of {@link readTopic}. */
export interface TopicReaderOptions extends Pick<KafkaSinkOptions, 'brokers' | 'clientId' | 'tls' | 'sasl'> {
  readonly topic: string;
  /** Where to begin: an offset in every partition, a time (ms since 1970), or the beginning. */
  readonly from?: { readonly offset: number } | { readonly timeMs: number };
  /** Goes on with new records instead of ending at the records that were there at the start. @default false */
  readonly follow?: boolean;
}

/** A record of a topic. */
export interface TopicRecord {
  readonly partition: number;
  readonly offset: string;
  readonly timestampMs: number;
  readonly value: Uint8Array;
}

/** How many records lie ahead when reading begins. */
export interface TopicExtent {
  readonly records: number;
}

/**
 * Reads a topic without a lasting consumer group: nothing is committed.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING; the client's errors for brokers that cannot be reached
 */
export async function readTopic(
  options: TopicReaderOptions,
  onRecord: (record: TopicRecord, extent: TopicExtent) => void | Promise<void>,
): Promise<void> {
  let library: typeof import('kafkajs');
  try {
    library = (await import('kafkajs')).default as unknown as typeof import('kafkajs');
  } catch (error) {
    throw missingLibrary('kafkajs', 'reading a topic', error);
  }
  for (const codec of ['snappy', 'lz4', 'zstd'] as const) await compressionType(codec, library.CompressionCodecs as never).catch(() => 0);
  const kafka = new library.Kafka({
    clientId: options.clientId ?? 'inferflow-decode',
    brokers: [...options.brokers],
    logLevel: library.logLevel.NOTHING,
    retry: { retries: 5 },
    ...securityOf(options),
  });
  const admin = kafka.admin();
  await admin.connect();
  const { topic, from } = options;
  const ends = await admin.fetchTopicOffsets(topic);
  const starts =
    from !== undefined && 'timeMs' in from
      ? new Map((await admin.fetchTopicOffsetsByTimestamp(topic, from.timeMs)).map(({ partition, offset }) => [partition, Number(offset)]))
      : new Map(ends.map(({ partition, low }) => [partition, Math.max(Number(low), from?.offset ?? 0)]));
  await admin.disconnect();
  const open = new Map<number, number>();
  let records = 0;
  for (const { partition, high } of ends) {
    const start = starts.get(partition) ?? 0;
    if (start < 0 || start >= Number(high)) continue;
    open.set(partition, Number(high));
    records += Number(high) - start;
  }
  if (open.size === 0 && options.follow !== true) return;
  const consumer = kafka.consumer({ groupId: `inferflow-decode-${process.pid}-${Date.now()}`, allowAutoTopicCreation: false });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      consumer.on('consumer.crash', ({ payload }) => reject(payload.error));
      consumer
        .run({
          autoCommit: false,
          eachMessage: async ({ partition, message }) => {
            const end = open.get(partition);
            const offset = Number(message.offset);
            if (offset < (starts.get(partition) ?? 0)) return;
            if (options.follow === true || (end !== undefined && offset < end)) {
              const value = message.value ?? Buffer.alloc(0);
              try {
                await onRecord(
                  { partition, offset: message.offset, timestampMs: Number(message.timestamp), value: new Uint8Array(value) },
                  { records },
                );
              } catch (error) {
                reject(error);
              }
            }
            if (end !== undefined && offset + 1 >= end) open.delete(partition);
            if (open.size === 0 && options.follow !== true) resolve();
          },
        })
        .then(() => {
          for (const [partition, start] of starts) if (start >= 0) consumer.seek({ topic, partition, offset: String(start) });
        }, reject);
    });
  } finally {
    await consumer.disconnect();
  }
}
