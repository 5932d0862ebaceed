import { givesPerLook, IdleList } from './idle-list.js';

const smallestShift = 14;
const largestShift = 23;

/**
 * Reusable message buffers in powers of two from 16 KiB to 8 MiB. Above 128 KiB a fresh buffer costs page faults on every use
 * (288 kB: 21 µs to allocate and fill, 2.4 µs to fill again), so what messages are assembled in is kept. What is idle is bounded,
 * and what a burst left is let go little by little.
 */
export class BufferPool {
  readonly #maxIdleBytes: number;
  readonly #idle: IdleList<Buffer>[] = [];
  readonly #onDropped = (buffer: Buffer) => {
    this.#idleBytes -= buffer.length;
  };
  #idleBytes = 0;
  #taken = 0;
  #gives = 0;

  /** @param maxIdleBytes kept for reuse at most. */
  constructor(maxIdleBytes: number) {
    this.#maxIdleBytes = maxIdleBytes;
    for (let shift = smallestShift; shift <= largestShift; shift++) this.#idle.push(new IdleList());
  }

  /** Buffers that were taken and not given back; what was left to the garbage collector stays counted. */
  get taken(): number {
    return this.#taken;
  }

  /** Bytes kept for reuse. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A buffer of at least the size given, content undefined. Above 8 MiB it is exact and never kept. */
  take(byteLength: number): Buffer {
    this.#taken++;
    const shift = sizeShift(byteLength);
    if (shift > largestShift) return Buffer.allocUnsafeSlow(byteLength);
    const kept = this.#idle[shift - smallestShift]!.take();
    if (kept === undefined) return Buffer.allocUnsafeSlow(2 ** shift);
    this.#idleBytes -= kept.length;
    return kept;
  }

  /** Takes back a whole buffer from {@link BufferPool.take}. The caller must hold no view of it any more. */
  give(buffer: Buffer): void {
    this.#taken--;
    if (++this.#gives === givesPerLook) this.#letGo();
    const length = buffer.length;
    const shift = sizeShift(length);
    if (shift > largestShift || length !== 2 ** shift || this.#idleBytes + length > this.#maxIdleBytes) return;
    this.#idleBytes += length;
    this.#idle[shift - smallestShift]!.give(buffer);
  }

  #letGo(): void {
    this.#gives = 0;
    for (const list of this.#idle) list.letGo(this.#onDropped);
  }

  /** Counts a buffer as gone that cannot be given back because something may still read it. */
  abandon(): void {
    this.#taken--;
  }
}

function sizeShift(byteLength: number): number {
  return byteLength <= 2 ** smallestShift ? smallestShift : 32 - Math.clz32(byteLength - 1);
}

/** Buffers of this process for messages on their way; shared by all upstreams because a buffer's next user is any of them. */
export const messageBuffers: BufferPool = new BufferPool(64 * 1024 * 1024);
