import { givesPerLook, IdleList } from '@inferflow/transport';
import { FeatureBatch } from './feature-batch.js';

/** As many as two calls for each of 512 requests; more are made, and not kept. */
const maxIdle = 1024;
const maxIdleBytes = 16 * 1024 * 1024;

/** Batches between two uses. A batch of one source is as good for another, so models that rest hold none. */
export class BatchPool {
  readonly #idle = new IdleList<FeatureBatch>();
  readonly #onDropped = (batch: FeatureBatch) => {
    this.#idleBytes -= batch.idleBytes;
  };
  #idleBytes = 0;
  #gives = 0;

  get idle(): number {
    return this.#idle.length;
  }

  /** Bytes of what is kept. */
  get idleBytes(): number {
    return this.#idleBytes;
  }

  /** A clear batch. */
  take(): FeatureBatch {
    const batch = this.#idle.take();
    if (batch === undefined) return new FeatureBatch();
    this.#idleBytes -= batch.idleBytes;
    return batch;
  }

  /** Takes back a batch that nobody waits for any more. */
  give(batch: FeatureBatch): void {
    batch.clear();
    if (++this.#gives === givesPerLook) {
      this.#gives = 0;
      this.#idle.letGo(this.#onDropped);
    }
    const bytes = batch.heldBytes;
    if (this.#idle.length >= maxIdle || this.#idleBytes + bytes > maxIdleBytes) return;
    batch.idleBytes = bytes;
    this.#idleBytes += bytes;
    this.#idle.give(batch);
  }
}

/** The batches of this process. */
export const featureBatches: BatchPool = new BatchPool();
