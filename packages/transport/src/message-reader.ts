// The one message of a unary body, out of the chunks in which DATA comes:
//
//   | flag u8: 1 = compressed | length u32 | message … |
//
//   within one chunk     a view of it, nothing is copied, unless the chunk does not last
//   spread over chunks   copied once, into a buffer that grows with what arrives
import type { BufferPool } from './buffer-pool.js';

/** What {@link MessageReader.push} found. */
export const ReadState = {
  /** All well so far. */
  OK: 0,
  /** The announced length is above the limit. */
  TOO_LARGE: 1,
  /** The first byte of the frame head is neither 0 nor 1. */
  BAD_FLAG: 2,
  /** Bytes follow the one message of a unary call. */
  SURPLUS: 3,
} as const;
export type ReadState = (typeof ReadState)[keyof typeof ReadState];

const empty = Buffer.alloc(0);
const headBytes = 5;

/**
 * Puts the one gRPC message of a unary call together from DATA chunks. A message that lies in one chunk is a view of it; else the
 * chunks are copied once into a buffer that grows with what arrives, so an announced length alone takes no memory.
 */
export class MessageReader {
  /** True when the frame head had the compressed flag. */
  isCompressed = false;
  readonly #maxBytes: number;
  readonly #firstBytes: number;
  readonly #pool: BufferPool | null;
  #headAt = 0;
  #length = 0;
  #at = 0;
  #target: Buffer = empty;
  #isOwn = false;

  /**
   * @param maxBytes longer messages are {@link ReadState.TOO_LARGE}
   * @param firstBytes most that is taken before as much has arrived
   * @param pool where long buffers come from; `null` leaves them to the garbage collector, and then the message stays valid
   */
  constructor(maxBytes: number, firstBytes: number, pool: BufferPool | null) {
    this.#maxBytes = maxBytes;
    this.#firstBytes = firstBytes;
    this.#pool = pool;
  }

  /** True when the whole message is here. */
  get isComplete(): boolean {
    return this.#headAt === headBytes && this.#at === this.#length;
  }

  /** True when nothing has arrived, not even a part of a frame head. */
  get isEmpty(): boolean {
    return this.#headAt === 0;
  }

  /** True when the frame head is here. */
  get hasHead(): boolean {
    return this.#headAt === headBytes;
  }

  /** Bytes of the message that arrived. */
  get received(): number {
    return this.#at;
  }

  /** Announced length; 0 before the frame head is complete. */
  get announced(): number {
    return this.#length;
  }

  /**
   * A view of the message. Valid until {@link MessageReader.release} when there is a pool, else as long as the chunks last that were pushed
   * as such. Never a `Buffer`: whoever copies it with `slice()` must get a copy.
   */
  get message(): Uint8Array {
    return new Uint8Array(this.#target.buffer, this.#target.byteOffset, this.#length);
  }

  /**
   * Takes the next chunk. After anything but OK the reader must not be used but for `release`.
   *
   * @param lasts the chunk stays as it is while the message is needed; else what it holds is copied
   */
  push(chunk: Buffer, lasts: boolean): ReadState {
    let from = 0;
    if (this.#headAt < headBytes) {
      if (this.#headAt === 0 && chunk.length >= headBytes) {
        const flag = chunk[0]!;
        if (flag > 1) return ReadState.BAD_FLAG;
        this.isCompressed = flag === 1;
        this.#length = ((chunk[1]! << 24) | (chunk[2]! << 16) | (chunk[3]! << 8) | chunk[4]!) >>> 0;
        this.#headAt = headBytes;
        from = headBytes;
      } else {
        from = this.#pushHead(chunk);
        if (from < 0) return ReadState.BAD_FLAG;
        if (this.#headAt < headBytes) return ReadState.OK;
      }
      if (this.#length > this.#maxBytes) return ReadState.TOO_LARGE;
    }
    const rest = chunk.length - from;
    if (rest === 0) return ReadState.OK;
    const needed = this.#at + rest;
    if (needed > this.#length) return ReadState.SURPLUS;
    if (lasts && this.#at === 0 && rest === this.#length) this.#target = from === 0 ? chunk : chunk.subarray(from);
    else {
      if (needed > this.#target.length) this.#grow(needed);
      chunk.copy(this.#target, this.#at, from);
    }
    this.#at = needed;
    return ReadState.OK;
  }

  /** Gives the buffer back; no view of the message may be used afterwards. */
  release(): void {
    if (this.#isOwn) this.#pool?.give(this.#target);
    this.#isOwn = false;
    this.#target = empty;
  }

  #pushHead(chunk: Buffer): number {
    let from = 0;
    for (; from < chunk.length && this.#headAt < headBytes; from++, this.#headAt++) {
      const byte = chunk[from]!;
      if (this.#headAt > 0) this.#length = ((this.#length << 8) | byte) >>> 0;
      else if (byte > 1) return -1;
      else this.isCompressed = byte === 1;
    }
    return from;
  }

  #grow(needed: number): void {
    const size = Math.min(this.#length, Math.max(this.#firstBytes, needed, this.#target.length * 2));
    const grown = this.#pool === null ? Buffer.allocUnsafeSlow(size) : this.#pool.take(size);
    this.#target.copy(grown, 0, 0, this.#at);
    if (this.#isOwn) this.#pool?.give(this.#target);
    this.#target = grown;
    this.#isOwn = true;
  }
}
