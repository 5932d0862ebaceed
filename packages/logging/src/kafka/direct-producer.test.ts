import { describe, expect, it, vi } from 'vitest';
import type { ClientBroker, ClientCluster, ClientConnection } from './client-cluster.js';
import { DirectProducer, type Send } from './direct-producer.js';

/** A cluster of one topic with a broker per partition. */
class FakeCluster implements ClientCluster {
  /** Nodes that cannot be reached, and that lose their answers. */
  readonly down = new Set<number>();
  readonly silent = new Set<number>();
  /** What they answer: a code of the protocol, and what a refusal says beyond it. */
  code = 0;
  named: readonly number[] = [];
  /** How often the topic was looked up, and what that waits for. */
  looks = 0;
  look: Promise<void> = Promise.resolve();
  readonly received: number[] = [];
  readonly brokerPool: ClientCluster['brokerPool'];
  partitions: number;

  constructor(partitions: number) {
    this.partitions = partitions;
    const nodes = (): number[] => Array.from({ length: this.partitions }, (_, node) => node);
    const partitionMetadata = () => nodes().map((node) => ({ partitionId: node, leader: this.down.has(node) ? -1 : node }));
    this.brokerPool = {
      get metadata() {
        return { topicMetadata: [{ topic: 't', partitionMetadata: partitionMetadata() }] };
      },
      refreshMetadata: () => {
        this.looks++;
        return this.look;
      },
      findBroker: async ({ nodeId }) => this.#broker(nodeId),
      findConnectedBroker: async () => this.#broker(0),
    };
  }

  async connect(): Promise<void> {}
  async disconnect(): Promise<void> {}

  #broker(node: number): ClientBroker {
    if (this.down.has(node)) throw Object.assign(new Error('no connection'), { name: 'KafkaJSConnectionError' });
    return {
      versions: null,
      connectionPool: { getConnection: async () => this.#connection(node) },
      initProducerId: async () => ({ producerId: '1', producerEpoch: 0 }),
    } as Partial<ClientBroker> as ClientBroker;
  }

  #connection(node: number): ClientConnection {
    const requestQueue: ClientConnection['requestQueue'] = {
      push: ({ entry, sendRequest }) => {
        sendRequest();
        this.received.push(node);
        if (this.silent.has(node)) return entry.reject(new Error('answer lost'));
        entry.resolve({ payload: answerOf(this.code, this.named) });
      },
      maybeThrottle: () => {},
    };
    const socket = { cork: () => {}, uncork: () => {}, write: () => true };
    const state = { clientId: 'c', isConnected: () => true, isAuthenticated: () => true, authenticate: async () => {} };
    return { ...state, socket, nextCorrelationId: () => 1, requestQueue };
  }
}

/** Version 8 for one topic of one letter and one partition. */
function answerOf(code: number, named: readonly number[]): Buffer {
  const parts = [Buffer.alloc(4), Buffer.from([0, 1, 0x74]), Buffer.alloc(4 + 4 + 2 + 24 + 4)];
  parts[2]?.writeInt16BE(code, 8);
  parts[2]?.writeInt32BE(named.length, 34);
  for (const position of named) {
    const record = Buffer.alloc(4 + 2 + 3, 'why');
    record.writeInt32BE(position);
    record.writeInt16BE(position === 0 ? -1 : 3, 4);
    parts.push(position === 0 ? record.subarray(0, 6) : record);
  }
  return Buffer.concat([...parts, Buffer.from('\0\u0007too old'), Buffer.alloc(4)]);
}

function setUp(partitions: number) {
  const cluster = new FakeCluster(partitions);
  const codec = { id: 0, compress: null };
  const producer = new DirectProducer(cluster, { acks: -1, isIdempotent: true, timeoutMs: 1000, codec });
  const records = [{ key: null, value: new Uint8Array(3), timestampMs: 1 }];
  const send: Send = { records, partition: -1, doubtfulUnder: null, mayRepeat: false };
  return { cluster, producer, send };
}

describe('DirectProducer', () => {
  it('takes another partition for a batch that did not get to a broker', async () => {
    const { cluster, producer, send } = setUp(3);
    await producer.send('t', { ...send });
    const next = ((cluster.received[0] as number) + 1) % 3;
    cluster.down.add(next);
    await expect(producer.send('t', send)).rejects.toThrow('no connection');
    expect(send.partition).toBe(next);
    await producer.send('t', send);
    expect(send.partition).not.toBe(next);
    expect(send.mayRepeat).toBe(false);
  });

  it('keeps to the partition of a batch that a broker may have', async () => {
    const { cluster, producer, send } = setUp(3);
    for (const node of [0, 1, 2]) cluster.silent.add(node);
    for (let attempt = 0; attempt < 3; attempt++) await expect(producer.send('t', send)).rejects.toThrow('answer lost');
    cluster.silent.clear();
    await producer.send('t', send);
    expect(new Set(cluster.received).size).toBe(1);
    expect(send.mayRepeat).toBe(false);
  });

  it('sends a batch again whose partition is gone, and says that it may be there twice', async () => {
    const { cluster, producer, send } = setUp(2);
    for (const node of [0, 1]) cluster.silent.add(node);
    do {
      send.partition = -1;
      send.doubtfulUnder = null;
      await expect(producer.send('t', send)).rejects.toThrow('answer lost');
    } while (send.partition === 0);
    cluster.silent.clear();
    cluster.partitions = 1;
    await producer.send('t', send);
    expect(cluster.received.at(-1)).toBe(0);
    expect(send.mayRepeat).toBe(true);
  });

  it.each([
    ['NOT_LEADER_FOR_PARTITION', 6],
    ['UNKNOWN_TOPIC_OR_PARTITION', 3],
    ['KAFKA_STORAGE_ERROR', 56],
    ['ERROR_1000', 1000],
  ])('keeps to it after %s, which a broker may tell of a batch that it has written', async (type, code) => {
    const { cluster, producer, send } = setUp(3);
    cluster.code = code;
    for (let attempt = 0; attempt < 2; attempt++) await expect(producer.send('t', send)).rejects.toThrow(type);
    cluster.code = 0;
    await producer.send('t', send);
    expect(new Set(cluster.received).size).toBe(1);
  });

  it('takes another partition for a batch that was refused before it was written', async () => {
    const { cluster, producer, send } = setUp(3);
    cluster.code = 19;
    await expect(producer.send('t', send)).rejects.toThrow('NOT_ENOUGH_REPLICAS');
    cluster.code = 0;
    await producer.send('t', send);
    expect(new Set(cluster.received).size).toBe(2);
  });

  it('keeps to it although the partition is refused meanwhile, as a leader does that has just been made one', async () => {
    const { cluster, producer, send } = setUp(3);
    for (const node of [0, 1, 2]) cluster.silent.add(node);
    await expect(producer.send('t', send)).rejects.toThrow('answer lost');
    cluster.silent.clear();
    cluster.code = 6;
    await expect(producer.send('t', send)).rejects.toThrow('NOT_LEADER_FOR_PARTITION');
    cluster.code = 0;
    await producer.send('t', send);
    expect(new Set(cluster.received).size).toBe(1);
    expect(send.mayRepeat).toBe(false);
  });

  it('waits for a look at the cluster when a send has failed, not when the last one was a while ago', async () => {
    vi.useFakeTimers({ toFake: ['performance'] });
    try {
      const { cluster, producer, send } = setUp(1);
      await producer.send('t', { ...send });
      vi.advanceTimersByTime(61_000);
      // A broker that hangs does not say where topics are; the one that leads this topic is well.
      let answer = () => {};
      cluster.look = new Promise((resolve) => (answer = resolve));
      for (let turn = 0; turn < 3; turn++) await producer.send('t', { ...send });
      expect([cluster.received.length, cluster.looks]).toEqual([4, 2]);
      cluster.code = 6;
      await expect(producer.send('t', { ...send })).rejects.toThrow('NOT_LEADER_FOR_PARTITION');
      cluster.code = 0;
      const next = producer.send('t', { ...send });
      await new Promise((resolve) => setImmediate(resolve));
      expect(cluster.received.length).toBe(5);
      answer();
      await next;
      expect(cluster.received.length).toBe(6);
    } finally {
      vi.useRealTimers();
    }
  });

  it('says which records the broker refuses, and why', async () => {
    const { cluster, producer, send } = setUp(1);
    cluster.code = 32;
    cluster.named = [0, 4, 9];
    await expect(producer.send('t', send)).rejects.toMatchObject({
      type: 'INVALID_TIMESTAMP',
      records: [0, 4, 9],
      message: 'the broker refused the batch: INVALID_TIMESTAMP (too old)',
    });
    // Nobody has it.
    expect(send.doubtfulUnder).toBe(null);
  });
});
