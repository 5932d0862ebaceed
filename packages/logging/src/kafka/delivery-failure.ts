import type { Delivery } from '../sink.js';

/** What the client's errors look like to us. */
interface ClientError {
  readonly name?: string;
  readonly type?: string;
  readonly code?: number | string;
  readonly message?: string;
  readonly retriable?: boolean;
  readonly records?: readonly number[];
  readonly cause?: unknown;
}

/** What to do after a failed send. */
export interface SendFailure extends Delivery {
  /** The broker has this batch from an earlier attempt. */
  readonly isDuplicate: boolean;
  /** The producer's sequence is broken: a new producer is needed. */
  readonly needsProducer: boolean;
}

const permanent: Readonly<Record<string, string>> = {
  MESSAGE_TOO_LARGE: 'record_too_large',
  RECORD_LIST_TOO_LARGE: 'record_too_large',
  INVALID_RECORD: 'record_invalid',
  CORRUPT_MESSAGE: 'record_invalid',
  // Older or younger than the topic takes: it does not get any better.
  INVALID_TIMESTAMP: 'record_invalid',
  UNSUPPORTED_COMPRESSION_TYPE: 'compression_unsupported',
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 'compression_unsupported',
  INVALID_TOPIC_EXCEPTION: 'topic_invalid',
};

// What lies in some of the records, as opposed to their topic.
const byRecord = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_RECORD', 'CORRUPT_MESSAGE', 'INVALID_TIMESTAMP']);

// These can be put right while we run, so records wait; the queue's bound decides what is lost meanwhile.
const waiting: Readonly<Record<string, string>> = {
  UNKNOWN_TOPIC_OR_PARTITION: 'topic_missing',
  TOPIC_AUTHORIZATION_FAILED: 'not_authorised',
  CLUSTER_AUTHORIZATION_FAILED: 'not_authorised',
  TRANSACTIONAL_ID_AUTHORIZATION_FAILED: 'not_authorised',
  SASL_AUTHENTICATION_FAILED: 'authentication_failed',
  NOT_ENOUGH_REPLICAS: 'not_enough_replicas',
  NOT_ENOUGH_REPLICAS_AFTER_APPEND: 'not_enough_replicas',
  GROUP_LOAD_IN_PROGRESS: 'broker_starting',
  GROUP_COORDINATOR_NOT_AVAILABLE: 'broker_starting',
  LEADER_NOT_AVAILABLE: 'leader_moved',
  NOT_LEADER_FOR_PARTITION: 'leader_moved',
  FENCED_LEADER_EPOCH: 'leader_moved',
  REQUEST_TIMED_OUT: 'timeout',
  KAFKA_STORAGE_ERROR: 'broker_failed',
};

const brokenSequence = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'PRODUCER_FENCED',
]);

/** The meaning of an error that a send ended with. */
export function sendFailureOf(error: unknown): SendFailure {
  const chain = causesOf(error);
  const types = chain.map(({ type }) => type ?? '');
  const known = (table: Readonly<Record<string, string>>): string | undefined =>
    types.map((type) => table[type]).find((reason) => reason !== undefined);
  const isDuplicate = types.includes('DUPLICATE_SEQUENCE_NUMBER');
  const needsProducer = types.some((type) => brokenSequence.has(type));
  const lasting = known(permanent);
  if (lasting !== undefined) {
    const refused = chain.find(({ type }) => byRecord.has(type ?? ''));
    const refusal = refused === undefined ? {} : { refusal: { records: refused.records ?? [], isBySize: lasting === 'record_too_large' } };
    return { isDelivered: false, reason: lasting, isRetriable: false, isDuplicate, needsProducer: false, ...refusal };
  }
  const reason = known(waiting) ?? reasonOf(chain);
  return { isDelivered: false, reason, isRetriable: true, isDuplicate, needsProducer };
}

function reasonOf(chain: readonly ClientError[]): string {
  for (const { name, message, code } of chain) {
    if (name === 'KafkaJSSASLAuthenticationError') return 'authentication_failed';
    if (name === 'KafkaJSRequestTimeoutError') return 'timeout';
    if (name === 'KafkaJSConnectionError' || name === 'KafkaJSConnectionClosedError' || name === 'KafkaJSBrokerNotFound')
      return 'unreachable';
    if (code === 'ECONNREFUSED' || /ECONNREFUSED|ENOTFOUND|connection timeout/i.test(message ?? '')) return 'unreachable';
  }
  return 'send_failed';
}

function causesOf(error: unknown): readonly ClientError[] {
  const chain: ClientError[] = [];
  for (let at: unknown = error; typeof at === 'object' && at !== null && chain.length < 8; at = (at as ClientError).cause) chain.push(at);
  return chain;
}
