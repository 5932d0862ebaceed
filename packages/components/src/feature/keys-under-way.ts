import type { IdentityTable } from '@inferflow/matrix';
import { HashIndex } from '../cache/hash-index.js';
import type { FeatureBatch } from './feature-batch.js';
import type { FeatureLayout } from './feature-layout.js';

/** Keys of a batch are numbered in 16 bits. */
export const maxBatchKeys = 0xffff;
const maxBatches = 0xfffe;

/** Which key is in which batch: of those open for keys, and of those whose calls are under way. */
export class KeysUnderWay {
  /** The key that `find` found. */
  foundKey = 0;
  readonly #batches: (FeatureBatch | null)[] = [];
  readonly #freePlaces: number[] = [];
  readonly #keys = new HashIndex();

  /** The batch of this layout that holds an identity, its key in `foundKey`; null when there is none. */
  find(layout: FeatureLayout, table: IdentityTable, unique: number): FeatureBatch | null {
    if (this.#keys.size === 0) return null;
    const hash = table.hashes[unique] as number;
    for (let at = this.#keys.first(hash); at >= 0; at = this.#keys.next(at, hash)) {
      const value = this.#keys.value(at);
      const batch = this.#batches[(value >>> 16) - 1];
      const key = value & 0xffff;
      if (batch === null || batch === undefined || batch.layout !== layout || !batch.hasKey(key, table, unique)) continue;
      this.foundKey = key;
      return batch;
    }
    return null;
  }

  /** Lets a batch be found from here on, by the keys it has. With too many batches already, it is not. */
  add(batch: FeatureBatch): void {
    const place = this.#freePlaces.pop() ?? this.#batches.length;
    if (place >= maxBatches) {
      this.#freePlaces.push(place);
      return;
    }
    this.#batches[place] = batch;
    batch.place = place;
    this.addKeys(batch, 0);
  }

  /** Lets a batch be found by the keys from `first` on. */
  addKeys(batch: FeatureBatch, first: number): void {
    if (batch.place < 0) return;
    for (let key = first; key < batch.keyCount; key++) this.#keys.insert((batch.hashes[key] as number) >>> 0, entryOf(batch, key));
  }

  /** Nobody finds the batch any more. */
  remove(batch: FeatureBatch): void {
    if (batch.place < 0) return;
    for (let key = 0; key < batch.keyCount; key++) {
      const at = this.#keys.find((batch.hashes[key] as number) >>> 0, entryOf(batch, key));
      if (at >= 0) this.#keys.removeAt(at);
    }
    this.#batches[batch.place] = null;
    this.#freePlaces.push(batch.place);
    batch.place = -1;
  }
}

function entryOf(batch: FeatureBatch, key: number): number {
  return (((batch.place + 1) << 16) | key) >>> 0;
}
