import { readFileSync } from 'node:fs';
import type { Kafka, KafkaConfig } from 'kafkajs';
import { LoggingError, missingLibrary } from '../errors.js';
import type { LogMessage } from '../log-message.js';
import type { Delivery, LogSink } from '../sink.js';
import { clusterOf } from './client-cluster.js';
import { batchCodec, compressesInPlace, type KafkaCompression } from './codecs.js';
import { sendFailureOf } from './delivery-failure.js';
import { DirectProducer, type DirectProducerOptions, type Send } from './direct-producer.js';

/** TLS to the brokers; `true` trusts the system's authorities. */
export interface KafkaTls {
  /** Files in PEM. */
  readonly caFile?: string;
  readonly certFile?: string;
  readonly keyFile?: string;
}

/** User and password at the brokers. */
export interface KafkaSasl {
  readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
  readonly username: string;
  readonly password: string;
}

/** Where Kafka sinks write what happens to their connection. */
export type KafkaLog = (level: 'info' | 'warn' | 'error', fields: Readonly<Record<string, unknown>>, message: string) => void;

/** Options of {@link createKafkaSink}. */
export interface KafkaSinkOptions {
  /** `host:port` of one or more brokers. */
  readonly brokers: readonly string[];
  readonly clientId?: string;
  readonly tls?: boolean | KafkaTls;
  readonly sasl?: KafkaSasl;
  /** @default none */
  readonly compression?: KafkaCompression;
  /** −1 = all replicas in sync, 1 = the leader, 0 = nobody (then nothing is known about delivery). @default −1 */
  readonly acks?: -1 | 0 | 1;
  /** Whether the broker recognises repeated batches; needs acks −1. @default true */
  readonly idempotent?: boolean;
  /** Record key. @default none */
  readonly key?: 'none' | 'tracking_id' | 'model';
  /** Most bytes of a batch; below the brokers' `message.max.bytes`. @default 1 000 000 */
  readonly maxBatchBytes?: number;
  /** @default 10 000 */
  readonly requestTimeoutMs?: number;
  readonly log?: KafkaLog;
}

// Compressing a batch in place holds the event loop: about 200 MB a second.
const largestInPlace = 384 * 1024;
const refusalsQuietMs = 60_000;

/**
 * Kafka over the connections of `kafkajs`. "Delivered" means acknowledged by the broker: with the default `acks` by all replicas in sync.
 * One partition per batch, idempotent: a repeated attempt of the same batch is recognised, unless the producer had to be replaced.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING, INFERFLOW_LOGGING_OPTIONS_INVALID
 */
export async function createKafkaSink(options: KafkaSinkOptions): Promise<LogSink> {
  if (options.brokers.length === 0)
    throw new LoggingError('INFERFLOW_LOGGING_OPTIONS_INVALID', 'a Kafka sink needs at least one broker (host:port)');
  let library: typeof import('kafkajs');
  try {
    library = (await import('kafkajs')).default as unknown as typeof import('kafkajs');
  } catch (error) {
    throw missingLibrary('kafkajs', 'the Kafka sink', error);
  }
  const requestTimeout = options.requestTimeoutMs ?? 10_000;
  const kafka = new library.Kafka({
    clientId: options.clientId ?? 'inferflow',
    brokers: [...options.brokers],
    connectionTimeout: 3000,
    authenticationTimeout: 5000,
    requestTimeout,
    // Attempts are repeated by the queue, so that a failing topic is seen at once.
    retry: { retries: 2, initialRetryTime: 50, maxRetryTime: 500 },
    logLevel: library.logLevel.NOTHING,
    ...securityOf(options),
  });
  const compression = options.compression ?? 'none';
  const acks = options.acks ?? -1;
  const maxBatchBytes = options.maxBatchBytes ?? 1_000_000;
  const producer = {
    acks,
    isIdempotent: (options.idempotent ?? true) && acks === -1,
    timeoutMs: requestTimeout,
    codec: await batchCodec(compression),
  };
  clusterOf(kafka);
  return new KafkaSink(kafka, {
    producer,
    key: options.key ?? 'none',
    maxBatchBytes: compressesInPlace(compression) ? Math.min(maxBatchBytes, largestInPlace) : maxBatchBytes,
    log: options.log ?? (() => {}),
  });
}

interface SinkSettings {
  readonly producer: DirectProducerOptions;
  readonly key: 'none' | 'tracking_id' | 'model';
  readonly maxBatchBytes: number;
  readonly log: KafkaLog;
}

class KafkaSink implements LogSink {
  readonly name = 'kafka';
  readonly maxBatchBytes: number;
  readonly isDoneWithValues: boolean;
  readonly #kafka: Kafka;
  readonly #settings: SinkSettings;
  readonly #sends = new WeakMap<readonly LogMessage[], Send>();
  readonly #states = new Map<string, string>();
  readonly #refusalsQuietUntil = new Map<string, number>();
  #producer: Promise<DirectProducer> | null = null;
  #isClosed = false;

  constructor(kafka: Kafka, settings: SinkSettings) {
    this.#kafka = kafka;
    this.#settings = settings;
    this.maxBatchBytes = settings.maxBatchBytes;
    // A broker that does not answer may not have read all of them.
    this.isDoneWithValues = settings.producer.acks !== 0;
  }

  /** Lengths, times and the key; a character has three bytes at most. */
  recordOverhead(message: LogMessage): number {
    return 64 + (this.#keyOf(message)?.length ?? 0) * 3;
  }

  async deliver(topic: string, batch: readonly LogMessage[]): Promise<Delivery> {
    const send = this.#sendOf(batch);
    let producer: DirectProducer | null = null;
    try {
      producer = await this.#connected();
      await producer.send(topic, send);
      this.#state(topic, 'ok');
      return { isDelivered: true, mayRepeat: send.mayRepeat };
    } catch (error) {
      const failure = sendFailureOf(error);
      // An earlier attempt got through, only its answer did not.
      if (failure.isDuplicate) {
        this.#state(topic, 'ok');
        return { isDelivered: true, mayRepeat: send.mayRepeat };
      }
      if (failure.refusal === undefined) this.#state(topic, failure.reason ?? 'send_failed', error);
      else this.#refused(topic, failure.reason ?? '', error);
      // A batch that is given up, but may be there, has used numbers that the next one must not have.
      const isGivenUp = failure.isRetriable === false && send.doubtfulUnder !== null;
      if (failure.needsProducer || isGivenUp) producer?.forgetIdentity();
      return isGivenUp ? { ...failure, mayRepeat: true } : failure;
    }
  }

  async close(graceMs: number): Promise<void> {
    this.#isClosed = true;
    const producer = this.#producer;
    if (producer === null) return;
    await Promise.race([
      producer.then((made) => made.disconnect()).catch(() => {}),
      new Promise((resolve) => setTimeout(resolve, graceMs).unref()),
    ]);
  }

  #sendOf(batch: readonly LogMessage[]): Send {
    let send = this.#sends.get(batch);
    if (send === undefined) {
      const records = batch.map((message) => ({ key: this.#keyOf(message), value: message.value, timestampMs: message.createdAtMs }));
      send = { records, partition: -1, doubtfulUnder: null, mayRepeat: false };
      this.#sends.set(batch, send);
    }
    return send;
  }

  #keyOf({ modelConfigId, trackingId }: LogMessage): string | null {
    const { key } = this.#settings;
    if (key === 'none') return null;
    return key === 'model' ? modelConfigId : trackingId;
  }

  #connected(): Promise<DirectProducer> {
    if (this.#isClosed) return Promise.reject(new Error('closed'));
    this.#producer ??= this.#connect();
    return this.#producer;
  }

  async #connect(): Promise<DirectProducer> {
    const cluster = clusterOf(this.#kafka);
    try {
      await cluster.connect();
      return new DirectProducer(cluster, this.#settings.producer);
    } catch (error) {
      this.#producer = null;
      cluster.disconnect().catch(() => {});
      throw error;
    }
  }

  /** Refused records are found by sending the others: one line in a while, not one per attempt. */
  #refused(topic: string, reason: string, error: unknown): void {
    const key = `${reason} ${topic}`;
    if (performance.now() < (this.#refusalsQuietUntil.get(key) ?? 0)) return;
    this.#refusalsQuietUntil.set(key, performance.now() + refusalsQuietMs);
    const detail = (error as Error | undefined)?.message;
    this.#settings.log(
      'error',
      { topic, reason, detail },
      'the broker refuses records of inference logs; the others are sent without them',
    );
  }

  /** One line when a topic begins to fail or works again, not one per attempt. */
  #state(topic: string, state: string, error?: unknown): void {
    const before = this.#states.get(topic) ?? 'ok';
    if (before === state) return;
    this.#states.set(topic, state);
    if (state === 'ok') this.#settings.log('info', { topic }, 'inference logs are delivered again');
    else
      this.#settings.log(
        'error',
        { topic, reason: state, detail: (error as Error | undefined)?.message },
        'inference logs cannot be delivered',
      );
  }
}

/** Connection settings for TLS and SASL. @internal */
export function securityOf({ tls, sasl }: Pick<KafkaSinkOptions, 'tls' | 'sasl'>): Partial<KafkaConfig> {
  const read = (file: string | undefined): string | undefined => (file === undefined ? undefined : readFileSync(file, 'utf8'));
  const security: Partial<KafkaConfig> = {};
  if (tls !== undefined && tls !== false) {
    const files = tls === true ? {} : tls;
    const [ca, cert, key] = [read(files.caFile), read(files.certFile), read(files.keyFile)];
    security.ssl =
      ca === undefined && cert === undefined
        ? true
        : { ...(ca !== undefined && { ca: [ca] }), ...(cert !== undefined && { cert }), ...(key !== undefined && { key }) };
  }
  if (sasl !== undefined) security.sasl = sasl as NonNullable<KafkaConfig['sasl']>;
  return security;
}
