import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { LogMessage } from '../log-message.js';
import { SinkQueue } from '../pipeline/sink-queue.js';
import type { Delivery, LogSink } from '../sink.js';
import { hasRealKafka, RealKafka } from '../testing/real-kafka.js';
import { type ClientBroker, type ClientCluster, type ClientConnection, clusterOf } from './client-cluster.js';
import { DirectProducer, type Send } from './direct-producer.js';
import { createKafkaSink, type KafkaSinkOptions } from './kafka-sink.js';
import { readTopic, type TopicReaderOptions, type TopicRecord } from './topic-reader.js';

const user = { username: 'inferflow', password: 'inferflow-secret' };
const createdAtMs = 1_700_000_000_123;

function message(text: string | Uint8Array, trackingId = 't1'): LogMessage {
  const value = typeof text === 'string' ? new TextEncoder().encode(text) : text;
  const place = { value, messageStart: 0, messageLength: value.length };
  return { ...place, topic: '', modelConfigId: 'm1', trackingId, rowCount: 1, format: 'proto', createdAtMs, schema: null };
}

describe.skipIf(!hasRealKafka())('createKafkaSink on a real broker', () => {
  let kafka: RealKafka;
  const sinks: LogSink[] = [];
  const said: string[] = [];

  beforeAll(async () => {
    kafka = new RealKafka(
      '--secure',
      ...['--set', 'auto.create.topics.enable=false'],
      ...['--set', 'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer'],
      ...['--set', 'super.users=User:ANONYMOUS'],
      ...['--set', 'allow.everyone.if.no.acl.found=true'],
    );
    await kafka.admin.connect();
    for (const topic of ['codecs', 'secure', 'keys', 'limits', 'other', 'forbidden']) await kafka.createTopic(topic);
    const acl = { resourceType: 2, resourceName: 'forbidden', resourcePatternType: 3, host: '*', operation: 4, permissionType: 2 };
    await kafka.admin.createAcls({ acl: [{ ...acl, principal: 'User:inferflow' }] });
  }, 60_000);
  afterAll(async () => {
    await Promise.all(sinks.map((sink) => sink.close(2000)));
    await kafka.stop();
  }, 30_000);

  async function open(options: Partial<KafkaSinkOptions> = {}): Promise<LogSink> {
    const sink = await createKafkaSink({
      brokers: kafka.brokers,
      log: (level, fields, text) => said.push(`${level} ${fields.topic} ${fields.reason ?? ''} ${text}`),
      ...options,
    });
    sinks.push(sink);
    return sink;
  }

  /** As the queue does: again while it makes sense. */
  async function send(sink: LogSink, topic: string, batch: readonly LogMessage[]): Promise<Delivery> {
    for (let attempt = 0; ; attempt++) {
      const delivery = await sink.deliver(topic, batch);
      if (delivery.isDelivered || delivery.isRetriable === false || attempt === 20) return delivery;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async function read(topic: string): Promise<TopicRecord[]> {
    const records: TopicRecord[] = [];
    await readTopic({ brokers: kafka.brokers, topic }, (record) => void records.push(record));
    return records;
  }

  it('delivers with every codec, value for value', async () => {
    const values = ['a', 'β'.repeat(30_000), new Uint8Array(100_000).map((_, index) => index * 7)];
    const batch = values.map((value) => message(value));
    for (const compression of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
      const sink = await open({ compression });
      expect(await send(sink, 'codecs', batch), compression).toEqual({ isDelivered: true, mayRepeat: false });
      expect(await sink.deliver('codecs', [message(compression)])).toMatchObject({ isDelivered: true });
    }
    const records = await read('codecs');
    expect(records.length).toBe(20);
    for (let codec = 0; codec < 5; codec++) {
      expect(records.slice(codec * 4, codec * 4 + 3).map(({ value }) => Buffer.from(value))).toEqual(
        batch.map(({ value }) => Buffer.from(value)),
      );
    }
    expect(new Set(records.map(({ timestampMs }) => timestampMs))).toEqual(new Set([createdAtMs]));
  }, 20_000);

  it('speaks TLS with SASL PLAIN and SCRAM', async () => {
    const tls = { caFile: kafka.variables.KAFKA_CA ?? '' };
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      const sink = await open({ brokers: kafka.secureBrokers, tls, sasl: { mechanism, ...user } });
      expect(await sink.deliver('secure', [message(mechanism)]), mechanism).toMatchObject({ isDelivered: true });
    }
    expect((await read('secure')).map(({ value }) => Buffer.from(value).toString())).toEqual(['plain', 'scram-sha-256', 'scram-sha-512']);
  }, 20_000);

  it('says that a password is wrong, once, and goes on trying', async () => {
    said.length = 0;
    const sasl = { mechanism: 'scram-sha-256', username: user.username, password: 'wrong' } as const;
    const sink = await open({ brokers: kafka.secureBrokers, tls: { caFile: kafka.variables.KAFKA_CA ?? '' }, sasl });
    for (let attempt = 0; attempt < 2; attempt++) {
      expect(await sink.deliver('secure', [message('x')])).toMatchObject({
        isDelivered: false,
        isRetriable: true,
        reason: 'authentication_failed',
      });
    }
    expect(said).toEqual(['error secure authentication_failed inference logs cannot be delivered']);
  }, 20_000);

  it('gives records no key and no headers, unless a key is asked for', async () => {
    for (const key of ['none', 'tracking_id', 'model'] as const) await send(await open({ key }), 'keys', [message(key, 'träck')]);
    const cluster = clusterOf(kafka.client);
    await cluster.connect();
    await cluster.brokerPool.refreshMetadata(['keys']);
    const broker = await cluster.brokerPool.findConnectedBroker();
    const partitions = [{ partition: 0, fetchOffset: '0', maxBytes: 1e6 }];
    const { responses } = await broker.fetch({ topics: [{ topic: 'keys', partitions }] });
    await cluster.disconnect();
    const records = (responses[0]?.partitions[0]?.messages ?? []) as unknown as { key: Buffer | null; headers: object }[];
    const found = records.map(({ key }) => key?.toString() ?? null);
    expect(records.map(({ headers }) => headers)).toEqual([{}, {}, {}]);
    expect(found).toEqual([null, 'träck', 'm1']);
  }, 20_000);

  it('gives up a record that is too large, and nothing else', async () => {
    const sink = await open();
    expect(await sink.deliver('limits', [message('before')])).toMatchObject({ isDelivered: true });
    const refused: Delivery = await sink.deliver('limits', [message(new Uint8Array(1_100_000))]);
    expect(refused).toMatchObject({ isDelivered: false, isRetriable: false, reason: 'record_too_large' });
    expect(await sink.deliver('limits', [message('after')])).toMatchObject({ isDelivered: true });
    expect((await read('limits')).map(({ value }) => Buffer.from(value).toString())).toEqual(['before', 'after']);
  }, 20_000);

  it('delivers all records but those that the topic refuses, and counts those with their reason', async () => {
    const sink = await open();
    const now = Date.now();
    const old = (index: number): boolean => index === 3 || index === 250;
    const batches: Record<string, LogMessage[]> = {
      small: Array.from({ length: 400 }, (_, index) => message(new Uint8Array(index === 7 ? 30_000 : 1000).fill(index % 251), `${index}`)),
      young: Array.from({ length: 400 }, (_, index) => ({ ...message(`${index}`, `${index}`), createdAtMs: old(index) ? 1 : now })),
      compacted: Array.from({ length: 50 }, (_, index) => message(`${index}`, `${index}`)),
    };
    await kafka.createTopic('small', 1, { 'max.message.bytes': '20000' });
    await kafka.createTopic('young', 3, { 'message.timestamp.before.max.ms': '3600000' });
    await kafka.createTopic('compacted', 1, { 'cleanup.policy': 'compact' });
    const dropped: string[] = [];
    let delivered = 0;
    let attempts = 0;
    said.length = 0;
    const clock = {
      now: () => performance.now(),
      after(ms: number, callback: () => void) {
        const timer = setTimeout(callback, ms);
        return () => clearTimeout(timer);
      },
    };
    const counted: LogSink = {
      name: sink.name,
      maxBatchBytes: sink.maxBatchBytes,
      deliver: (topic, batch) => {
        attempts++;
        return sink.deliver(topic, batch);
      },
      close: async () => {},
    };
    const queue = new SinkQueue({
      sink: counted,
      maxBytes: 1e8,
      policy: 'drop-newest',
      spill: null,
      lingerMs: 10,
      retryMs: 100,
      maxRetryMs: 1000,
      clock,
      observer: {
        dropped: ({ topic, trackingId }, reason) => void dropped.push(`${topic} ${trackingId} ${reason}`),
        delivered: (_, messages) => {
          delivered += messages.length;
        },
        failed: () => {},
        spilled: () => {},
      },
    });
    for (const [topic, batch] of Object.entries(batches)) {
      attempts = 0;
      for (const each of batch) queue.push({ ...each, topic });
      await expect.poll(() => queue.bytes, { timeout: 10_000 }).toBe(0);
      // Timestamps and missing keys are named by the broker, sizes are not.
      if (topic !== 'small') expect(attempts).toBeLessThan(6);
    }
    expect(dropped.slice(0, 3)).toEqual(['small 7 record_too_large', 'young 3 record_invalid', 'young 250 record_invalid']);
    expect(dropped.slice(3)).toEqual(Array.from({ length: 50 }, (_, index) => `compacted ${index} record_invalid`));
    expect(delivered).toBe(399 + 398);
    expect((await read('small')).map(({ value }) => value[0])).toEqual(
      batches.small?.filter((_, index) => index !== 7).map(({ value }) => value[0]),
    );
    const young = (await read('young')).map(({ value }) => Number(Buffer.from(value).toString()));
    expect(young.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 400 }, (_, index) => index).filter((index) => !old(index)));
    expect(said.filter((line) => line.includes('refuses records')).length).toBe(3);
    expect(await queue.close(0)).toBe(0);
  }, 30_000);

  it('names a topic that is missing or not allowed, while others go on', async () => {
    const sasl = { mechanism: 'plain', ...user } as const;
    const sink = await open({ brokers: kafka.secureBrokers, tls: { caFile: kafka.variables.KAFKA_CA ?? '' }, sasl });
    const deliver = (topic: string): Promise<Delivery> => sink.deliver(topic, [message('x')]);
    expect(await deliver('other')).toMatchObject({ isDelivered: true });
    expect(await deliver('missing')).toMatchObject({ isDelivered: false, isRetriable: true, reason: 'topic_missing' });
    expect(await deliver('forbidden')).toMatchObject({ isDelivered: false, isRetriable: true, reason: 'not_authorised' });
    expect(await deliver('not a topic')).toMatchObject({ isDelivered: false, isRetriable: false, reason: 'topic_invalid' });
    expect(await deliver('other')).toMatchObject({ isDelivered: true });
    await kafka.createTopic('missing');
    expect(await deliver('missing')).toMatchObject({ isDelivered: true });
    await kafka.admin.deleteTopics({ topics: ['missing'] });
    await expect.poll(() => deliver('missing'), { timeout: 10_000 }).toMatchObject({ isDelivered: false, reason: 'topic_missing' });
    expect(await deliver('other')).toMatchObject({ isDelivered: true });
  }, 30_000);

  it('spreads batches over the partitions, each batch to one of them', async () => {
    await kafka.createTopic('spread', 3);
    const sink = await open();
    for (let turn = 0; turn < 6; turn++) await send(sink, 'spread', [message(`${turn} a`), message(`${turn} b`)]);
    const records = await read('spread');
    const partitionsOf = (turn: number) =>
      new Set(records.filter(({ value }) => Buffer.from(value).toString().startsWith(`${turn} `)).map(({ partition }) => partition));
    expect(records.length).toBe(12);
    for (let turn = 0; turn < 6; turn++) expect(partitionsOf(turn).size).toBe(1);
    expect(new Set(records.map(({ partition }) => partition))).toEqual(new Set([0, 1, 2]));
  }, 20_000);

  it('reads from an offset, a time or the end, chosen partitions, and follows', async () => {
    await kafka.createTopic('reading', 2);
    const sink = await open();
    for (let turn = 0; turn < 6; turn++)
      await send(sink, 'reading', [
        { ...message(`a${turn}`), createdAtMs: 1000 + turn },
        { ...message(`b${turn}`), createdAtMs: 1000 + turn },
      ]);
    const texts = async (options: Partial<TopicReaderOptions>): Promise<string[]> => {
      const found: string[] = [];
      await readTopic(
        { brokers: kafka.brokers, topic: 'reading', ...options },
        ({ value }) => void found.push(Buffer.from(value).toString()),
      );
      return found.sort();
    };
    const all = [0, 1, 2, 3, 4, 5].flatMap((turn) => [`a${turn}`, `b${turn}`]).sort();
    expect(await texts({})).toEqual(all);
    expect(await texts({ from: { timeMs: 1004 } })).toEqual(['a4', 'a5', 'b4', 'b5']);
    expect(await texts({ from: { offset: 5 } })).toEqual(['b4', 'b5']);
    expect(await texts({ from: { offset: 99 } })).toEqual([]);
    expect(await texts({ from: 'latest' })).toEqual([]);
    const [first, second] = [await texts({ partitions: [0] }), await texts({ partitions: [1] })];
    expect([first.length, second.length]).toEqual([6, 6]);
    expect([...first, ...second].sort()).toEqual(all);
    const stop = new AbortController();
    const following = texts({ from: 'latest', follow: true, signal: stop.signal });
    await new Promise((resolve) => setTimeout(resolve, 300));
    await send(sink, 'reading', [message('new')]);
    setTimeout(() => stop.abort(), 600);
    expect(await following).toEqual(['new']);
    await expect(texts({ topic: 'nowhere' })).rejects.toThrow(/does not host|not exist/);
  }, 20_000);

  it('has a batch once whose answer got lost, and says so where it cannot know', async () => {
    await kafka.createTopic('lost-answers', 2);
    const cluster = clusterOf(kafka.client);
    await cluster.connect();
    const lossy = losingAnswers(cluster);
    const codec = { id: 0, compress: null };
    const producer = new DirectProducer(lossy.cluster, { acks: -1, isIdempotent: true, timeoutMs: 5000, codec });
    const sendOf = (text: string): Send => ({
      records: [{ key: null, value: new TextEncoder().encode(text), timestampMs: createdAtMs }],
      partition: -1,
      doubtfulUnder: null,
      mayRepeat: false,
    });
    const known = sendOf('known');
    lossy.left = 2;
    await expect(producer.send('lost-answers', known)).rejects.toThrow('answer lost');
    await expect(producer.send('lost-answers', known)).rejects.toThrow('answer lost');
    await producer.send('lost-answers', known);
    expect(known.mayRepeat).toBe(false);
    const unknown = sendOf('unknown');
    lossy.left = 1;
    await expect(producer.send('lost-answers', unknown)).rejects.toThrow('answer lost');
    producer.forgetIdentity();
    await producer.send('lost-answers', unknown);
    expect(unknown.mayRepeat).toBe(true);
    await producer.send('lost-answers', sendOf('later'));
    // The broker has it, its successor does not lead yet, and others do: the numbers that it used must not serve another batch.
    const moved = sendOf('moved');
    lossy.left = 1;
    await expect(producer.send('lost-answers', moved)).rejects.toThrow('answer lost');
    lossy.notLeader = 1;
    await expect(producer.send('lost-answers', moved)).rejects.toThrow('NOT_LEADER_FOR_PARTITION');
    await producer.send('lost-answers', moved);
    expect(moved.mayRepeat).toBe(false);
    for (const text of ['next', 'last']) await producer.send('lost-answers', sendOf(text));
    await producer.disconnect();
    const texts = (await read('lost-answers')).map(({ value }) => Buffer.from(value).toString());
    expect(texts.sort()).toEqual(['known', 'last', 'later', 'moved', 'next', 'unknown', 'unknown']);
  }, 20_000);
});

/** The cluster, but for the next `left` answers to batches, which are thrown away, and `notLeader`, which say that the broker does not lead. */
function losingAnswers(cluster: ClientCluster): { cluster: ClientCluster; left: number; notLeader: number } {
  const losing = { cluster: null as unknown as ClientCluster, left: 0, notLeader: 0 };
  const brokerOf = (broker: ClientBroker): ClientBroker => ({
    versions: broker.versions,
    listOffsets: (options) => broker.listOffsets(options),
    fetch: (options) => broker.fetch(options),
    initProducerId: (options) => broker.initProducerId(options),
    connectionPool: {
      async getConnection() {
        const connection = await broker.connectionPool.getConnection();
        const push: ClientConnection['requestQueue']['push'] = (request) => {
          const { resolve, reject } = request.entry;
          const entry = { ...request.entry };
          if (losing.left-- > 0) entry.resolve = () => reject(new Error('answer lost'));
          else if (losing.notLeader-- > 0)
            entry.resolve = ({ payload }) => {
              payload?.writeInt16BE(6, 4 + 2 + payload.readInt16BE(4) + 4 + 4);
              resolve({ payload });
            };
          connection.requestQueue.push({ ...request, entry });
        };
        const requestQueue = { push, maybeThrottle: (ms: number) => connection.requestQueue.maybeThrottle(ms) };
        return Object.assign(Object.create(connection), { requestQueue }) as ClientConnection;
      },
    },
  });
  const { brokerPool } = cluster;
  losing.cluster = {
    connect: () => cluster.connect(),
    disconnect: () => cluster.disconnect(),
    brokerPool: {
      get metadata() {
        return brokerPool.metadata;
      },
      refreshMetadata: (topics) => brokerPool.refreshMetadata(topics),
      findBroker: async (options) => brokerOf(await brokerPool.findBroker(options)),
      findConnectedBroker: () => brokerPool.findConnectedBroker(),
    },
  };
  return losing;
}
