import type { ClientBroker, ClientConnection } from './client-cluster.js';

const apiKey = 0;
// The first that names the records for which a batch is refused.
const newestVersion = 8;

/** An answer of the broker that says no. */
export class ProduceRefused extends Error {
  override readonly name = 'ProduceRefused';
  /** The protocol's name of the reason. */
  readonly type: string;
  /** Positions of the records that are the reason, where the broker names them. */
  readonly records: readonly number[];

  constructor(code: number, records: readonly number[] = [], detail = '') {
    super(`the broker refused the batch: ${nameOf(code)}${detail === '' ? '' : ` (${detail})`}`);
    this.type = nameOf(code);
    this.records = records;
  }
}

/** One batch for one partition. */
export interface ProduceRequest {
  readonly topic: string;
  readonly partition: number;
  readonly acks: number;
  readonly timeoutMs: number;
  /** The record batch. */
  readonly pieces: readonly Uint8Array[];
}

/**
 * Sends a batch to the partition's leader in one gathering write and waits for the answer.
 * @param onSent called once the batch may have reached the broker
 * @throws ProduceRefused; the client's errors for connections and timeouts
 */
export async function produce(broker: ClientBroker, request: ProduceRequest, onSent: () => void): Promise<void> {
  const connection = await broker.connectionPool.getConnection();
  if (!connection.isAuthenticated()) await connection.authenticate();
  const version = Math.min(broker.versions?.[apiKey]?.maxVersion ?? newestVersion, newestVersion);
  const answer = await new Promise<{ readonly payload: Buffer | null }>((resolve, reject) => {
    const correlationId = connection.nextCorrelationId();
    const head = headOf(request, version, correlationId, connection.clientId);
    connection.requestQueue.push({
      entry: { apiKey, apiName: 'Produce', apiVersion: version, correlationId, resolve, reject },
      expectResponse: request.acks !== 0,
      requestTimeout: null,
      sendRequest() {
        onSent();
        write(connection, head, request.pieces);
      },
    });
  });
  if (answer.payload === null) return;
  if (version >= 6) connection.requestQueue.maybeThrottle(answer.payload.readInt32BE(answer.payload.length - 4));
  const refused = refusalOf(answer.payload, version);
  if (refused !== null) throw refused;
}

function write({ socket }: ClientConnection, head: Uint8Array, pieces: readonly Uint8Array[]): void {
  socket.cork();
  socket.write(head);
  for (const piece of pieces) socket.write(piece);
  socket.uncork();
}

function headOf(
  { topic, partition, acks, timeoutMs, pieces }: ProduceRequest,
  version: number,
  correlationId: number,
  client: string,
): Buffer {
  const batchBytes = pieces.reduce((sum, piece) => sum + piece.length, 0);
  const names = Buffer.byteLength(client) + Buffer.byteLength(topic);
  const head = Buffer.alloc(4 + 2 + 2 + 4 + 2 + 2 + 2 + 4 + 4 + 2 + 4 + 4 + 4 + names);
  let at = head.writeInt32BE(head.length - 4 + batchBytes, 0);
  at = head.writeInt16BE(apiKey, at);
  at = head.writeInt16BE(version, at);
  at = head.writeInt32BE(correlationId, at);
  at = putText(head, at, client);
  // No transaction.
  at = head.writeInt16BE(-1, at);
  at = head.writeInt16BE(acks, at);
  at = head.writeInt32BE(timeoutMs, at);
  at = head.writeInt32BE(1, at);
  at = putText(head, at, topic);
  at = head.writeInt32BE(1, at);
  at = head.writeInt32BE(partition, at);
  head.writeInt32BE(batchBytes, at);
  return head;
}

function putText(target: Buffer, start: number, text: string): number {
  const at = target.writeInt16BE(Buffer.byteLength(text), start);
  return at + target.write(text, at);
}

/** One topic, one partition: its error comes right behind their names, and in front of an offset, a time and another offset. */
function refusalOf(payload: Buffer, version: number): ProduceRefused | null {
  let at = 4 + 2 + payload.readInt16BE(4) + 4 + 4;
  const code = payload.readInt16BE(at);
  if (code === 0) return null;
  if (version < 8) return new ProduceRefused(code);
  at += 2 + 8 + 8 + 8;
  const records: number[] = [];
  const end = payload.readInt32BE(at);
  at += 4;
  for (let named = 0; named < end; named++) {
    records.push(payload.readInt32BE(at));
    at += 4 + 2 + Math.max(payload.readInt16BE(at + 4), 0);
  }
  const length = Math.max(payload.readInt16BE(at), 0);
  return new ProduceRefused(code, records, payload.toString('utf8', at + 2, at + 2 + length));
}

const names: Readonly<Record<number, string>> = {
  2: 'CORRUPT_MESSAGE',
  3: 'UNKNOWN_TOPIC_OR_PARTITION',
  5: 'LEADER_NOT_AVAILABLE',
  6: 'NOT_LEADER_FOR_PARTITION',
  7: 'REQUEST_TIMED_OUT',
  8: 'BROKER_NOT_AVAILABLE',
  10: 'MESSAGE_TOO_LARGE',
  13: 'NETWORK_EXCEPTION',
  17: 'INVALID_TOPIC_EXCEPTION',
  18: 'RECORD_LIST_TOO_LARGE',
  19: 'NOT_ENOUGH_REPLICAS',
  20: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND',
  29: 'TOPIC_AUTHORIZATION_FAILED',
  31: 'CLUSTER_AUTHORIZATION_FAILED',
  32: 'INVALID_TIMESTAMP',
  43: 'UNSUPPORTED_FOR_MESSAGE_FORMAT',
  45: 'OUT_OF_ORDER_SEQUENCE_NUMBER',
  46: 'DUPLICATE_SEQUENCE_NUMBER',
  47: 'INVALID_PRODUCER_EPOCH',
  49: 'INVALID_PRODUCER_ID_MAPPING',
  53: 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED',
  56: 'KAFKA_STORAGE_ERROR',
  59: 'UNKNOWN_PRODUCER_ID',
  74: 'FENCED_LEADER_EPOCH',
  76: 'UNSUPPORTED_COMPRESSION_TYPE',
  87: 'INVALID_RECORD',
  90: 'PRODUCER_FENCED',
};

function nameOf(code: number): string {
  return names[code] ?? `ERROR_${code}`;
}
