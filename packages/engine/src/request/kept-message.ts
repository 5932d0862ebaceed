import type { Memory, MemoryPool } from '@inferflow/matrix';

/**
 * The message of a request that was let in: a copy in pooled memory, so that requests which wait or run hold no memory of their listener's,
 * and those that are turned away never had any. Its memory has one owner: this, until {@link KeptMessage.take}.
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

  /** The memory, which belongs to the caller from here on; null when it was taken before. */
  take(): Memory | null {
    const memory = this.#memory;
    this.#memory = null;
    return memory;
  }

  /** Gives the memory back, unless it was taken. */
  drop(): void {
    if (this.#memory !== null) this.#pool.release(this.#memory);
    this.#memory = null;
  }
}
