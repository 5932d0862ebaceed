import type { ClientCluster, ClientPartition } from './client-cluster.js';
import { ProduceRefused, produce } from './produce-request.js';
import { type BatchCodec, type BatchRecord, encodeRecordBatch } from './record-batch.js';

/** A batch on its way: once a broker may have it, it keeps its partition over attempts, for only then it can be recognised. */
export interface Send {
  readonly records: readonly BatchRecord[];
  /** −1 = not decided. */
  partition: number;
  /** Under which producer an attempt may have reached a broker whose answer never came; null = none. */
  doubtfulUnder: ProducerIdentity | null;
  /** The broker may have the batch twice. */
  mayRepeat: boolean;
}

/** What a broker knows this producer by. A new one starts all partitions anew. */
export interface ProducerIdentity {
  readonly id: bigint;
  readonly epoch: number;
  /** Next number by `partition topic`. */
  readonly sequences: Map<string, number>;
}

/** Options of {@link DirectProducer}. */
export interface DirectProducerOptions {
  readonly acks: number;
  readonly isIdempotent: boolean;
  readonly timeoutMs: number;
  readonly codec: BatchCodec;
}

interface Topic {
  partitions: readonly ClientPartition[];
  /** 0 = a send failed: nothing is sent by it. */
  readUntil: number;
  isBeingRead: boolean;
  next: number;
}

const metadataMs = 60_000;
// What a look at the cluster may put right.
const moved = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'BROKER_NOT_AVAILABLE',
  'NETWORK_EXCEPTION',
  'KAFKA_STORAGE_ERROR',
  'FENCED_LEADER_EPOCH',
]);
// What a broker looks at before it writes. Of anything else, such as no longer being the leader, it may tell when it waits for its replicas:
// it has written the batch then, and the next leader may have it.
const unwritten = new Set([
  'CORRUPT_MESSAGE',
  'MESSAGE_TOO_LARGE',
  'INVALID_TOPIC_EXCEPTION',
  'RECORD_LIST_TOO_LARGE',
  'NOT_ENOUGH_REPLICAS',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
  'INVALID_TIMESTAMP',
  'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  'UNKNOWN_PRODUCER_ID',
  'UNSUPPORTED_COMPRESSION_TYPE',
  'INVALID_RECORD',
  'PRODUCER_FENCED',
]);

/**
 * Sends record batches over the client's connections, each batch to one partition, one at a time per topic (the caller sees to that).
 * Topics are looked up one by one, so that one without leader, or that is not allowed, holds up no other.
 */
export class DirectProducer {
  readonly #cluster: ClientCluster;
  readonly #options: DirectProducerOptions;
  readonly #topics = new Map<string, Topic>();
  #identity: Promise<ProducerIdentity> | null = null;
  #lookUp: Promise<unknown> = Promise.resolve();

  constructor(cluster: ClientCluster, options: DirectProducerOptions) {
    this.#cluster = cluster;
    this.#options = options;
  }

  /** One attempt. @throws ProduceRefused, the client's errors */
  async send(topicName: string, send: Send): Promise<void> {
    const topic = await this.#topic(topicName);
    try {
      await this.#attempt(topicName, topic, send);
    } catch (error) {
      if (!(error instanceof ProduceRefused) || moved.has(error.type)) topic.readUntil = 0;
      throw error;
    }
  }

  /** The broker does not know our numbers any more: the next attempt begins anew. */
  forgetIdentity(): void {
    this.#identity = null;
  }

  disconnect(): Promise<void> {
    return this.#cluster.disconnect();
  }

  async #attempt(topicName: string, topic: Topic, send: Send): Promise<void> {
    if (send.doubtfulUnder === null || !topic.partitions.some(({ partitionId }) => partitionId === send.partition)) {
      // Nobody has it, and the partition of the last attempt may be without a leader for long; or the topic was made anew with fewer of them.
      if (send.doubtfulUnder !== null) send.mayRepeat = true;
      send.partition = chosenPartition(topic);
    }
    const leader = topic.partitions.find(({ partitionId }) => partitionId === send.partition)?.leader ?? -1;
    if (leader < 0) throw new ProduceRefused(5);
    const broker = await this.#cluster.brokerPool.findBroker({ nodeId: leader });
    const identity = this.#options.isIdempotent ? await this.#producerIdentity() : anonymous;
    const key = `${send.partition} ${topicName}`;
    const firstSequence = this.#options.isIdempotent ? (identity.sequences.get(key) ?? 0) : -1;
    const pieces = await encodeRecordBatch(send.records, { id: identity.id, epoch: identity.epoch, firstSequence }, this.#options.codec);
    const doubtfulUnder = send.doubtfulUnder;
    if (doubtfulUnder !== null && (doubtfulUnder !== identity || identity === anonymous)) send.mayRepeat = true;
    const { acks, timeoutMs } = this.#options;
    try {
      await produce(broker, { topic: topicName, partition: send.partition, acks, timeoutMs, pieces }, () => {
        send.doubtfulUnder = identity;
      });
    } catch (error) {
      if (error instanceof ProduceRefused && error.type === 'DUPLICATE_SEQUENCE_NUMBER') advance(identity, key, send);
      // This attempt is not there; what an earlier one has done is as unknown as before.
      else if (error instanceof ProduceRefused && unwritten.has(error.type)) send.doubtfulUnder = doubtfulUnder;
      throw error;
    }
    advance(identity, key, send);
  }

  #producerIdentity(): Promise<ProducerIdentity> {
    this.#identity ??= this.#newIdentity().catch((error: unknown) => {
      this.#identity = null;
      throw error;
    });
    return this.#identity;
  }

  async #newIdentity(): Promise<ProducerIdentity> {
    const broker = await this.#cluster.brokerPool.findConnectedBroker();
    const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: 30_000 });
    return { id: BigInt(producerId), epoch: producerEpoch, sequences: new Map() };
  }

  async #topic(name: string): Promise<Topic> {
    const known = this.#topics.get(name);
    if (known === undefined || known.readUntil === 0) return this.#look(name);
    if (known.readUntil > performance.now() || known.isBeingRead) return known;
    // It has worked so far: a broker that hangs, and is asked, does not hold up a topic that it has nothing to do with.
    known.isBeingRead = true;
    this.#look(name)
      .catch(() => {})
      .finally(() => {
        known.isBeingRead = false;
      });
    return known;
  }

  async #look(name: string): Promise<Topic> {
    // The client keeps the last answer in one place: one look at a time.
    const looked = this.#lookUp.then(() => this.#read(name));
    this.#lookUp = looked.catch(() => {});
    const partitions = await looked;
    const topic = this.#topics.get(name) ?? { partitions, readUntil: 0, isBeingRead: false, next: Math.floor(Math.random() * 1024) };
    topic.partitions = partitions;
    topic.readUntil = performance.now() + metadataMs;
    this.#topics.set(name, topic);
    return topic;
  }

  async #read(name: string): Promise<readonly ClientPartition[]> {
    const { brokerPool } = this.#cluster;
    await brokerPool.refreshMetadata([name]);
    const partitions = brokerPool.metadata?.topicMetadata.find(({ topic }) => topic === name)?.partitionMetadata ?? [];
    if (partitions.length === 0) throw new ProduceRefused(3);
    return partitions;
  }
}

const anonymous: ProducerIdentity = { id: -1n, epoch: -1, sequences: new Map() };

/** The next partition that has a leader. */
function chosenPartition(topic: Topic): number {
  const led = topic.partitions.filter(({ leader }) => leader >= 0);
  const usable = led.length > 0 ? led : topic.partitions;
  return usable[topic.next++ % usable.length]?.partitionId ?? 0;
}

function advance(identity: ProducerIdentity, key: string, send: Send): void {
  send.doubtfulUnder = null;
  if (identity === anonymous) return;
  // Sequences are 31 bits and start again behind the last.
  identity.sequences.set(key, ((identity.sequences.get(key) ?? 0) + send.records.length) % 2 ** 31);
}
