import './host-order.js';

/** A pooled piece of memory with its views. The holder owns the bytes until `release`; they are not cleared in between. */
export interface Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Int32Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
}

class PooledMemory implements Memory {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly words: Int32Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  isOut = true;
  /** Left to the garbage collector: a late writer may still reach it. */
  isLeft = false;

  constructor(byteLength: number) {
    const buffer = new ArrayBuffer(byteLength);
    this.bytes = new Uint8Array(buffer);
    this.words = new Int32Array(buffer);
    this.view = new DataView(buffer);
  }
}

/** What a holder has that holds nothing. */
export const noMemory: Memory = new PooledMemory(0);

/** Settings of a {@link MemoryPool}. */
export interface MemoryPoolOptions {
  /** Bytes kept for reuse, over all size classes. @default 64 MiB */
  readonly maxIdleBytes?: number;
}

const smallestShift = 12; // 4 KiB
const largestShift = 22; // 4 MiB
/** Releases from one look at what is not needed to the next: some seconds of a busy server. */
const releasesPerLook = 1 << 16;
/** Part of what nobody needed since the last look that is let go then: a busy hour comes back. */
const letGoShare = 1 / 8;

/**
 * Memory in powers of two from 4 KiB to 4 MiB, reused and bounded. Larger pieces are made to measure and never kept. What a burst left
 * behind is let go little by little, and of a full pool first what there is most of.
 * `outstanding` is the leak counter: after the last request it is zero. Memory that somebody may still write to when its request is over
 * is not reused and not counted as outstanding either: see {@link MemoryPool.abandon}.
 */
export class MemoryPool {
  /** Pieces handed out and not yet released. */
  outstanding = 0;
  /** Bytes of these. */
  outstandingBytes = 0;
  /** Bytes waiting for reuse. */
  idleBytes = 0;
  /** Pieces ever left to the garbage collector. */
  abandoned = 0;
  /** Bytes of these. */
  abandonedBytes = 0;
  /** Pieces ever made; does not grow once the pool is warm. */
  created = 0;
  /** Releases of memory that was not out: a bug of the holder. The memory is left alone. */
  strayReleases = 0;
  readonly #maxIdleBytes: number;
  readonly #idle: PooledMemory[][] = Array.from({ length: largestShift - smallestShift + 1 }, () => []);
  /** Per size class, how few pieces were idle since the last look: so many were not needed. */
  readonly #fewestIdle: number[] = new Array<number>(largestShift - smallestShift + 1).fill(0);
  #releases = 0;

  constructor(options: MemoryPoolOptions = {}) {
    this.#maxIdleBytes = options.maxIdleBytes ?? 64 * 1024 * 1024;
  }

  /** At least `minBytes` bytes with whatever the last holder left in them. */
  acquire(minBytes: number): Memory {
    const shift = classOf(minBytes);
    const list = this.#idle[shift - smallestShift];
    let taken = list?.pop();
    if (list !== undefined && list.length < (this.#fewestIdle[shift - smallestShift] as number))
      this.#fewestIdle[shift - smallestShift] = list.length;
    if (taken === undefined) {
      taken = new PooledMemory(shift <= largestShift ? 1 << shift : Math.ceil(minBytes / 8) * 8);
      this.created++;
    } else {
      this.idleBytes -= taken.bytes.length;
      taken.isOut = true;
    }
    this.outstanding++;
    this.outstandingBytes += taken.bytes.length;
    return taken;
  }

  /** Gives memory back. The caller must not touch it afterwards. */
  release(memory: Memory): void {
    const piece = memory as PooledMemory; // only acquire() makes Memory objects
    if (piece.isLeft) return;
    if (!piece.isOut) {
      this.strayReleases++;
      return;
    }
    const byteLength = this.#takeBack(piece);
    const list = this.#idle[classOf(byteLength) - smallestShift];
    if (list === undefined) return;
    if (++this.#releases === releasesPerLook) this.#letGo();
    if (this.idleBytes + byteLength > this.#maxIdleBytes && !this.#makeRoom(byteLength, list)) return;
    list.push(piece);
    this.idleBytes += byteLength;
  }

  #letGo(): void {
    this.#releases = 0;
    for (const [at, list] of this.#idle.entries()) {
      this.#drop(list, Math.ceil((this.#fewestIdle[at] as number) * letGoShare));
      this.#fewestIdle[at] = list.length;
    }
  }

  /** Lets go of pieces of the size of which there is most. False when that is the size for which room is wanted, or there is not enough. */
  #makeRoom(byteLength: number, wanted: PooledMemory[]): boolean {
    if (byteLength > this.#maxIdleBytes) return false;
    let most = wanted;
    for (const list of this.#idle) if (idleBytesOf(list) > idleBytesOf(most)) most = list;
    if (most === wanted) return false;
    this.#drop(most, Math.ceil(byteLength / (most[0]?.bytes.length ?? byteLength)));
    return this.idleBytes + byteLength <= this.#maxIdleBytes;
  }

  #drop(list: PooledMemory[], count: number): void {
    for (let left = count; left > 0; left--) this.idleBytes -= list.pop()?.bytes.length ?? 0;
  }

  /** Leaves memory to the garbage collector: its holder does not need it any more, but somebody may still write to it. A later release does nothing. */
  abandon(memory: Memory): void {
    const piece = memory as PooledMemory; // only acquire() makes Memory objects
    if (!piece.isOut) return;
    piece.isLeft = true;
    this.abandoned++;
    this.abandonedBytes += this.#takeBack(piece);
  }

  #takeBack(piece: PooledMemory): number {
    const byteLength = piece.bytes.length;
    piece.isOut = false;
    this.outstanding--;
    this.outstandingBytes -= byteLength;
    return byteLength;
  }
}

function idleBytesOf(list: readonly PooledMemory[]): number {
  return list.length * (list[0]?.bytes.length ?? 0);
}

function classOf(minBytes: number): number {
  return minBytes <= 1 << smallestShift ? smallestShift : 32 - Math.clz32(minBytes - 1);
}
