import { crc32c } from './crc32c.js';

/** A record of a batch. */
export interface BatchRecord {
  readonly key: string | null;
  readonly value: Uint8Array;
  /** Milliseconds since 1970. */
  readonly timestampMs: number;
}

/** What the broker recognises a repeated batch by; `id` −1n = it does not. */
export interface BatchOwner {
  readonly id: bigint;
  readonly epoch: number;
  /** Number of the first record in its partition, over all batches of this owner. */
  readonly firstSequence: number;
}

/** How a batch is compressed: the broker's number of the codec, and the codec; null = not at all. */
export interface BatchCodec {
  readonly id: number;
  readonly compress: ((bytes: Buffer) => Promise<Uint8Array>) | null;
}

// base offset, length, leader epoch, magic, checksum
const outerBytes = 8 + 4 + 4 + 1 + 4;
// attributes, last offset, two times, producer, epoch, sequence, count
const innerBytes = 2 + 4 + 8 + 8 + 8 + 2 + 4 + 4;
// Smaller values are copied: a piece of a gathering write costs about as much.
const copiedBytes = 2048;

/**
 * A record batch in the broker's format (magic 2) as pieces for one gathering write. Large values are not copied: nobody may change them
 * until the batch is sent.
 */
export async function encodeRecordBatch(records: readonly BatchRecord[], owner: BatchOwner, codec: BatchCodec): Promise<Uint8Array[]> {
  const times = records.map(({ timestampMs }) => timestampMs);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  let pieces = recordPieces(records, first);
  if (codec.compress !== null) pieces = [await codec.compress(Buffer.concat(pieces))];
  const head = Buffer.alloc(outerBytes + innerBytes);
  let at = outerBytes;
  at = head.writeInt16BE(codec.id, at);
  at = head.writeInt32BE(records.length - 1, at);
  at = head.writeBigInt64BE(BigInt(first), at);
  at = head.writeBigInt64BE(BigInt(last), at);
  at = head.writeBigInt64BE(owner.id, at);
  at = head.writeInt16BE(owner.epoch, at);
  at = head.writeInt32BE(owner.firstSequence, at);
  head.writeInt32BE(records.length, at);
  let crc = crc32c(head.subarray(outerBytes), 0);
  let length = head.length - 12;
  for (const piece of pieces) {
    crc = crc32c(piece, crc);
    length += piece.length;
  }
  head.writeInt32BE(length, 8);
  head.writeInt32BE(-1, 12);
  head.writeInt8(2, 16);
  head.writeInt32BE(crc, 17);
  return [head, ...pieces];
}

function recordPieces(records: readonly BatchRecord[], firstTimestamp: number): Uint8Array[] {
  let room = 0;
  for (const { key, value } of records) room += 40 + (key === null ? 0 : key.length * 3) + (value.length < copiedBytes ? value.length : 0);
  const own = Buffer.allocUnsafe(room);
  const pieces: Uint8Array[] = [];
  let from = 0;
  let at = 0;
  for (const [index, { key, value, timestampMs }] of records.entries()) {
    const keyBytes = key === null ? -1 : Buffer.byteLength(key);
    const delta = timestampMs - firstTimestamp;
    // attributes … headers (none)
    const body =
      1 +
      signedSize(delta) +
      signedSize(index) +
      signedSize(keyBytes) +
      Math.max(keyBytes, 0) +
      signedSize(value.length) +
      value.length +
      1;
    at = putSigned(own, at, body);
    own[at++] = 0;
    at = putSigned(own, putSigned(own, at, delta), index);
    at = putSigned(own, at, keyBytes);
    if (key !== null) at += own.write(key, at);
    at = putSigned(own, at, value.length);
    if (value.length < copiedBytes) {
      own.set(value, at);
      at += value.length;
    } else {
      pieces.push(own.subarray(from, at), value);
      from = at;
    }
    own[at++] = 0;
  }
  pieces.push(own.subarray(from, at));
  return pieces;
}

// Zigzag: times may lie days apart, so no 32-bit arithmetic.
function zigzag(value: number): number {
  return value < 0 ? -value * 2 - 1 : value * 2;
}

function signedSize(value: number): number {
  let rest = zigzag(value);
  let size = 1;
  for (; rest >= 128; rest = Math.floor(rest / 128)) size++;
  return size;
}

function putSigned(target: Uint8Array, start: number, value: number): number {
  let rest = zigzag(value);
  let at = start;
  for (; rest >= 128; rest = Math.floor(rest / 128)) target[at++] = (rest % 128) | 128;
  target[at++] = rest;
  return at;
}
