// A header block on the wire:
//
//   HEADERS  [pad length] [priority 5] fragment [padding]    CONTINUATION fragment    CONTINUATION fragment …
//
// Nothing else may come in between, and END_HEADERS is on the last one.
import { FrameFlag } from './frames.js';

/** Bytes of a block that is spread over frames; more end the connection, because a block that is not decoded breaks HPACK. */
export const largestBlock: number = 65_536;
/** A block in more frames than this is an attack. */
const mostFragments = 1024;
const priorityBytes = 5;

/** What {@link BlockCollector.begin} and {@link BlockCollector.add} say. */
export const BlockState = {
  /** The block is complete: `bytes`, `from`, `to`. */
  COMPLETE: 0,
  /** CONTINUATION frames have to follow. */
  OPEN: 1,
  /** More padding than payload. */
  BAD_PADDING: 2,
  TOO_LARGE: 3,
} as const;
export type BlockState = (typeof BlockState)[keyof typeof BlockState];

/** Puts a header block together. A block that lies in one frame, the usual case, is not copied. */
export class BlockCollector {
  /** The stream whose block is open, 0 when none is. */
  streamId = 0;
  /** END_STREAM was on the HEADERS frame. */
  isLast = false;
  bytes: Buffer = Buffer.alloc(0);
  from = 0;
  to = 0;
  #own: Buffer = Buffer.alloc(0);
  #fragments = 0;

  /** Takes a HEADERS frame. */
  begin(flags: number, streamId: number, bytes: Buffer, from: number, to: number): BlockState {
    let start = from;
    let end = to;
    if ((flags & FrameFlag.PADDED) !== 0) {
      if (start === end) return BlockState.BAD_PADDING;
      end -= bytes[start++]!;
    }
    if ((flags & FrameFlag.PRIORITY) !== 0) start += priorityBytes;
    if (start > end) return BlockState.BAD_PADDING;
    this.isLast = (flags & FrameFlag.END_STREAM) !== 0;
    if ((flags & FrameFlag.END_HEADERS) !== 0) {
      this.bytes = bytes;
      this.from = start;
      this.to = end;
      return BlockState.COMPLETE;
    }
    this.streamId = streamId;
    this.#fragments = 1;
    this.bytes = this.#own;
    this.from = 0;
    this.to = 0;
    return this.#append(bytes, start, end);
  }

  /** Takes a CONTINUATION frame of the open block. */
  add(flags: number, bytes: Buffer, from: number, to: number): BlockState {
    this.#fragments++;
    const state = this.#append(bytes, from, to);
    if (state !== BlockState.OPEN || (flags & FrameFlag.END_HEADERS) === 0) return state;
    this.streamId = 0;
    return BlockState.COMPLETE;
  }

  #append(bytes: Buffer, from: number, to: number): BlockState {
    const length = this.to + to - from;
    if (length > largestBlock || this.#fragments > mostFragments) return BlockState.TOO_LARGE;
    if (length > this.#own.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(length * 2, 4096));
      this.#own.copy(grown, 0, 0, this.to);
      this.#own = grown;
      this.bytes = grown;
    }
    bytes.copy(this.#own, this.to, from, to);
    this.to = length;
    return BlockState.OPEN;
  }
}
