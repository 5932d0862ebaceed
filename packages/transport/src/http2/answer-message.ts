// The one message of a unary answer:
//
//   DATA …   | flag u8 | length u32 | message …            (flag 1: compressed)
//
//   whole within one read     a view of the read buffer, until `settle` copies it because its call is still open when the read has been
//                             worked through: the trailers are most often in the same read
//   spread over reads/frames  copied once, into a pooled buffer that grows with what arrives: an announced length alone takes no memory
import type { BufferPool } from '../buffer-pool.js';
import { ReadState } from '../message-reader.js';

const headBytes = 5;
/** Most that is taken before as much has arrived. */
const firstTargetBytes = 4 * 1024 * 1024;
const empty = Buffer.alloc(0);

/** Puts the message of an answer together. One per stream, as its base class, so that it costs no object of its own. */
export class AnswerMessage {
  /** True when the frame head had the compressed flag. */
  isCompressed = false;
  /** Announced length; 0 before the frame head is complete. */
  announced = 0;
  /** Bytes of the message that arrived. */
  received = 0;
  #headAt = 0;
  /** Where the message, as far as it arrived, lies in #bytes. */
  #from = 0;
  #bytes: Buffer = empty;
  /** True when #bytes was taken from the pool. */
  #isPooled = false;

  /** True when the whole message is here. */
  get isComplete(): boolean {
    return this.#headAt === headBytes && this.received === this.announced;
  }

  /** True when nothing has arrived, not even a part of a frame head. */
  get isEmpty(): boolean {
    return this.#headAt === 0;
  }

  /** True while the message lies in the read buffer: {@link AnswerMessage.settle} must be called before the next read. */
  get isInRead(): boolean {
    return !this.#isPooled && this.received > 0;
  }

  /** A view of the whole message, valid until {@link AnswerMessage.release} or, while {@link AnswerMessage.isInRead}, the next read. */
  view(): Uint8Array {
    return new Uint8Array(this.#bytes.buffer, this.#bytes.byteOffset + this.#from, this.announced);
  }

  /** Takes the next bytes. After anything but OK only {@link AnswerMessage.release} makes sense. */
  push(bytes: Buffer, from: number, to: number, maxBytes: number, pool: BufferPool): ReadState {
    let at = from;
    if (this.#headAt < headBytes) {
      for (; at < to && this.#headAt < headBytes; at++, this.#headAt++) {
        const byte = bytes[at]!;
        if (this.#headAt > 0) this.announced = ((this.announced << 8) | byte) >>> 0;
        else if (byte > 1) return ReadState.BAD_FLAG;
        else this.isCompressed = byte === 1;
      }
      if (this.#headAt < headBytes) return ReadState.OK;
      if (this.announced > maxBytes) return ReadState.TOO_LARGE;
    }
    const here = to - at;
    if (here === 0) return ReadState.OK;
    const needed = this.received + here;
    if (needed > this.announced) return ReadState.SURPLUS;
    if (here === this.announced) {
      this.#bytes = bytes;
      this.#from = at;
    } else {
      if (!this.#isPooled || needed > this.#bytes.length) this.#grow(needed, pool);
      bytes.copy(this.#bytes, this.received, at, to);
    }
    this.received = needed;
    return ReadState.OK;
  }

  /** Copies a message that lies in the read buffer. */
  settle(pool: BufferPool): void {
    if (this.isInRead) this.#grow(this.received, pool);
  }

  /** Gives the buffer back; no view of the message may be used afterwards. */
  release(pool: BufferPool): void {
    if (this.#isPooled) pool.give(this.#bytes);
    this.#isPooled = false;
    this.#bytes = empty;
    this.received = 0;
    this.announced = 0;
    this.#headAt = 0;
  }

  #grow(needed: number, pool: BufferPool): void {
    const size = Math.min(this.announced, Math.max(firstTargetBytes, needed, this.#bytes.length * 2));
    const grown = pool.take(size);
    this.#bytes.copy(grown, 0, this.#from, this.#from + this.received);
    if (this.#isPooled) pool.give(this.#bytes);
    this.#bytes = grown;
    this.#from = 0;
    this.#isPooled = true;
  }
}
