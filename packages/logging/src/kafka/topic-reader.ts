import { setTimeout as sleep } from 'node:timers/promises';
import { LoggingError, missingLibrary } from '../errors.js';
import { type ClientCluster, type ClientFetched, clusterOf } from './client-cluster.js';
import { registerCodecs } from './codecs.js';
import { type KafkaSinkOptions, securityOf } from './kafka-sink.js';

/** Options of {@link readTopic}. */
export interface TopicReaderOptions extends Pick<KafkaSinkOptions, 'brokers' | 'clientId' | 'tls' | 'sasl'> {
  readonly topic: string;
  /** Where to begin: an offset in every partition, a time (ms since 1970), behind all that is there, or the beginning. @default earliest */
  readonly from?: { readonly offset: number } | { readonly timeMs: number } | 'earliest' | 'latest';
  /** Only these partitions. @default all */
  readonly partitions?: readonly number[];
  /** Goes on with new records instead of ending at the records that were there at the start. @default false */
  readonly follow?: boolean;
  /** Ends reading, also of a topic that is followed. */
  readonly signal?: AbortSignal;
  /** Told, once per outage, that a followed topic is out of reach; reading goes on when it is back. */
  readonly onTrouble?: (error: Error) => void;
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

interface Position {
  readonly partition: number;
  offset: number;
  /** Where records ended when reading began. */
  readonly end: number;
  empty: number;
}

const latest = -1;
const earliest = -2;
const fetchBytes = 4 << 20;
const attempts = 10;
// These do not pass by waiting, at most by somebody's hand.
const lasting = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'TOPIC_AUTHORIZATION_FAILED', 'SASL_AUTHENTICATION_FAILED']);
const typeOf = (error: unknown): string => (error as { readonly type?: string }).type ?? '';
const partitionOf = ({ partition }: Position): number => partition;

/**
 * Reads a topic without a consumer group: nothing is committed, nothing but the right to read is needed. Order holds within a partition.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING, INFERFLOW_LOGGING_OPTIONS_INVALID for a partition that is not there; the
 *   client's errors when a topic or its brokers stay out of reach
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
  await registerCodecs(library.CompressionCodecs as never);
  const kafka = new library.Kafka({
    clientId: options.clientId ?? 'inferflow-decode',
    brokers: [...options.brokers],
    logLevel: library.logLevel.NOTHING,
    retry: { retries: 3, initialRetryTime: 100 },
    ...securityOf(options),
  });
  const cluster = clusterOf(kafka, false);
  try {
    await cluster.connect();
    const positions = await startPositions(cluster, options);
    const extent = { records: positions.reduce((sum, { offset, end }) => sum + Math.max(end - offset, 0), 0) };
    await readOn(cluster, options, positions, (record) => onRecord(record, extent));
  } finally {
    await cluster.disconnect();
  }
}

async function readOn(
  cluster: ClientCluster,
  { topic, follow, signal, onTrouble }: TopicReaderOptions,
  positions: readonly Position[],
  onRecord: (record: TopicRecord) => void | Promise<void>,
): Promise<void> {
  const isOpen = ({ offset, end, empty }: Position): boolean => follow === true || (offset < end && empty < 3);
  let failures = 0;
  while (signal?.aborted !== true && positions.some(isOpen)) {
    const groups = [...leadersOf(cluster, topic, positions.filter(isOpen))];
    const maxWaitMs = groups.length > 1 ? 200 : 500;
    for (const [leader, led] of groups) {
      let fetched: readonly ClientFetched[];
      try {
        fetched = await fetchFrom(cluster, topic, leader, led, maxWaitMs);
        failures = 0;
      } catch (error) {
        if (typeOf(error) === 'OFFSET_OUT_OF_RANGE') {
          // Retention was faster than we are.
          const lows = await offsetsAt(cluster, topic, led.map(partitionOf), earliest);
          for (const position of led) position.offset = Math.max(position.offset, lows.get(position.partition) ?? 0);
        }
        // A leader that moved, or a broker that is being restarted.
        if (++failures > attempts && (follow !== true || lasting.has(typeOf(error)))) throw error;
        if (failures === attempts) onTrouble?.(error as Error);
        await sleep(Math.min(100 * 2 ** Math.min(failures, 6), 2000));
        await cluster.brokerPool.refreshMetadata([topic]).catch(() => {});
        break;
      }
      for (const { partition, messages } of fetched) {
        const position = led.find((each) => each.partition === partition);
        if (position !== undefined) await take(position, messages, follow === true, signal, onRecord);
      }
    }
  }
}

async function take(
  position: Position,
  messages: ClientFetched['messages'],
  follow: boolean,
  signal: AbortSignal | undefined,
  onRecord: (record: TopicRecord) => void | Promise<void>,
): Promise<void> {
  position.empty = messages.length === 0 ? position.empty + 1 : 0;
  for (const { offset, timestamp, value, isControlRecord } of messages) {
    // A batch is fetched whole, though only its end was asked for.
    if (Number(offset) < position.offset) continue;
    if ((!follow && Number(offset) >= position.end) || signal?.aborted === true) return;
    position.offset = Number(offset) + 1;
    if (isControlRecord === true) continue;
    await onRecord({
      partition: position.partition,
      offset,
      timestampMs: Number(timestamp),
      value: value === null ? new Uint8Array(0) : new Uint8Array(value),
    });
  }
}

async function fetchFrom(
  cluster: ClientCluster,
  topic: string,
  nodeId: number,
  positions: readonly Position[],
  maxWaitMs: number,
): Promise<readonly ClientFetched[]> {
  const broker = await cluster.brokerPool.findBroker({ nodeId });
  const partitions = positions.map(({ partition, offset }) => ({ partition, fetchOffset: String(offset), maxBytes: fetchBytes }));
  const { responses } = await broker.fetch({ maxWaitTime: maxWaitMs, maxBytes: fetchBytes * 4, topics: [{ topic, partitions }] });
  return responses.flatMap((response) => response.partitions);
}

async function startPositions(cluster: ClientCluster, options: TopicReaderOptions): Promise<Position[]> {
  const { topic, from } = options;
  await cluster.brokerPool.refreshMetadata([topic]);
  const all = partitionsOf(cluster, topic).map(({ partitionId }) => partitionId);
  const wanted = options.partitions === undefined ? all : all.filter((partition) => options.partitions?.includes(partition));
  const absent = (options.partitions ?? []).filter((partition) => !all.includes(partition));
  if (absent.length > 0) {
    const there = all.sort((a, b) => a - b).join(', ');
    throw new LoggingError(
      'INFERFLOW_LOGGING_OPTIONS_INVALID',
      `topic "${topic}" has no partition ${absent.join(', ')}; there are ${there}`,
    );
  }
  const lows = await offsetsAt(cluster, topic, wanted, earliest);
  const highs = await offsetsAt(cluster, topic, wanted, latest);
  const isTime = typeof from === 'object' && 'timeMs' in from;
  const times = isTime ? await offsetsAt(cluster, topic, wanted, from.timeMs) : null;
  return wanted
    .sort((a, b) => a - b)
    .map((partition) => {
      const [low, end] = [lows.get(partition) ?? 0, highs.get(partition) ?? 0];
      let offset = low;
      if (from === 'latest') offset = end;
      // No record is as young as that: −1.
      else if (times !== null) offset = (times.get(partition) ?? -1) < 0 ? end : (times.get(partition) as number);
      else if (typeof from === 'object' && 'offset' in from) offset = Math.min(Math.max(low, from.offset), end);
      return { partition, offset, end, empty: 0 };
    });
}

async function offsetsAt(
  cluster: ClientCluster,
  topic: string,
  wanted: readonly number[],
  timestamp: number,
): Promise<ReadonlyMap<number, number>> {
  const found = new Map<number, number>();
  for (const [nodeId, led] of leadersOf(
    cluster,
    topic,
    wanted.map((partition) => ({ partition })),
  )) {
    const broker = await cluster.brokerPool.findBroker({ nodeId });
    const partitions = led.map(({ partition }) => ({ partition, timestamp }));
    const { responses } = await broker.listOffsets({ topics: [{ topic, partitions }] });
    for (const { partition, offset } of responses.flatMap((response) => response.partitions)) found.set(partition, Number(offset));
  }
  return found;
}

function leadersOf<Each extends { readonly partition: number }>(
  cluster: ClientCluster,
  topic: string,
  each: readonly Each[],
): ReadonlyMap<number, Each[]> {
  const groups = new Map<number, Each[]>();
  for (const one of each) {
    const leader = partitionsOf(cluster, topic).find(({ partitionId }) => partitionId === one.partition)?.leader ?? -1;
    const group = groups.get(leader);
    if (group === undefined) groups.set(leader, [one]);
    else group.push(one);
  }
  return groups;
}

function partitionsOf(cluster: ClientCluster, topic: string) {
  return cluster.brokerPool.metadata?.topicMetadata.find((each) => each.topic === topic)?.partitionMetadata ?? [];
}
