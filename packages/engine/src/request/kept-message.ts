import type { Memory, MemoryPool } from '@inferflow/matrix';

/**
 * The message of a request that was let in: a copy in pooled memory, so that requests which wait or run hold no memory of their listener's.
 * Its memory has one owner: this, until {@link KeptMessage.handOver}.
 */
export class KeptMessage {
  /** Valid until its memory is given back. */
  readonly bytes: Uint8Array;
  readonly #pool: MemoryPool;
  #memory: Memory | null;

  constructor(pool: MemoryPool, message: Uint8Array) {
    this.#pool = pool;
    this.#memory = pool.acquire(message.length);
    this.#memory.bytes.set(message);
    this.bytes = this.#memory.bytes.subarray(0, message.length);
  }

  /** What `bytes` lie in; null when it was handed over. */
  get memory(): Memory | null {
    return this.#memory;
  }

  /** From here on the memory belongs to whoever took it. */
  handOver(): void {
    this.#memory = null;
  }

  /** Gives the memory back, unless it was handed over. */
  drop(): void {
    if (this.#memory !== null) this.#pool.release(this.#memory);
    this.#memory = null;
  }
}
