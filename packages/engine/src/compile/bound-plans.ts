import type { SchemaKey } from '../request/schema-key.js';
import type { BoundPlan } from './bind-plan.js';

/** Told about the cache of bound plans. */
export interface BindMetrics {
  bindHit(): void;
  bindMiss(): void;
}

/** A key as it is kept. */
export interface KeptKey {
  readonly hash: number;
  readonly key: Int32Array;
}

interface Entry extends KeptKey {
  readonly bound: BoundPlan;
  usedAt: number;
}

/** The bound plans of one model by request schema: a bounded list, least recently used out. */
export class BoundPlans {
  readonly #maxEntries: number;
  readonly #metrics: BindMetrics;
  readonly #entries: Entry[] = [];
  #last: Entry | null = null;
  #clock = 0;

  constructor(maxEntries: number, metrics: BindMetrics) {
    this.#maxEntries = maxEntries;
    this.#metrics = metrics;
  }

  get size(): number {
    return this.#entries.length;
  }

  /** All of them, for explanations and tests. */
  get all(): readonly BoundPlan[] {
    return this.#entries.map(({ bound }) => bound);
  }

  /** The plan for a key; null = not bound yet. Compared in full, so colliding hashes only cost time. */
  find(key: SchemaKey): BoundPlan | null {
    const last = this.#last;
    if (last !== null && key.equals(last.key)) {
      last.usedAt = ++this.#clock;
      this.#metrics.bindHit();
      return last.bound;
    }
    const hash = key.hash();
    for (let at = 0; at < this.#entries.length; at++) {
      const entry = this.#entries[at] as Entry;
      if (entry.hash !== hash || !key.equals(entry.key)) continue;
      entry.usedAt = ++this.#clock;
      this.#last = entry;
      this.#metrics.bindHit();
      return entry.bound;
    }
    this.#metrics.bindMiss();
    return null;
  }

  /** New requests do not come here any more: nothing is kept for them. */
  close(): void {
    for (const { bound } of this.#entries) bound.runs.close();
    this.#entries.length = 0;
    this.#last = null;
  }

  /** Those used last, with their keys. */
  mostUsed(count: number): readonly { readonly key: KeptKey; readonly bound: BoundPlan }[] {
    return [...this.#entries]
      .sort((left, right) => right.usedAt - left.usedAt)
      .slice(0, count)
      .map((entry) => ({ key: entry, bound: entry.bound }));
  }

  /** Keeps a plan under a key that another list of bound plans has kept. */
  addKept({ hash, key }: KeptKey, bound: BoundPlan): void {
    if (this.#entries.length < this.#maxEntries) this.#entries.push({ hash, key, bound, usedAt: ++this.#clock });
  }

  /** Keeps a plan; the one that was not used for longest goes. Requests that run on it finish on it. */
  add(key: SchemaKey, bound: BoundPlan): void {
    if (this.#entries.length >= this.#maxEntries) {
      let oldest = 0;
      this.#entries.forEach((entry, at) => {
        if (entry.usedAt < (this.#entries[oldest] as Entry).usedAt) oldest = at;
      });
      const [gone] = this.#entries.splice(oldest, 1);
      gone?.bound.runs.close();
      if (gone === this.#last) this.#last = null;
    }
    const entry = { hash: key.hash(), key: key.copy(), bound, usedAt: ++this.#clock };
    this.#entries.push(entry);
    this.#last = entry;
  }
}
