import type { MetricCounter } from '../component-metrics.js';
import { type CacheSource, CacheSources } from './cache-sources.js';
import { HashIndex } from './hash-index.js';

/** Settings of a feature cache. */
export interface FeatureCacheOptions {
  /** Bound of all memory it takes, index included. Memory is taken as the cache fills. At least 64 KiB. */
  readonly maxBytes: number;
  /** Clock in ms. @default performance.now */
  readonly now?: () => number;
  /** Counts entries that had to go before their time. */
  readonly evicted?: MetricCounter;
}

/** Counts since the start, and what is held now. */
export interface FeatureCacheStats {
  readonly hits: number;
  readonly misses: number;
  /** Finds of entries past their time to live, kept for failures. */
  readonly staleFinds: number;
  readonly evicted: number;
  /** Entries dropped because their time was over. */
  readonly expired: number;
  /** Entries too large to be kept. */
  readonly refused: number;
  readonly entries: number;
  readonly bytes: number;
}

/** What {@link FeatureCache.find} found. */
export const CacheFind = { miss: 0, fresh: 1, stale: 2 } as const;
/** One of {@link CacheFind}. */
export type CacheFind = (typeof CacheFind)[keyof typeof CacheFind];

/** Makes a feature cache; share one per process. */
export function createFeatureCache(options: FeatureCacheOptions): FeatureCache {
  return new FeatureCache(options);
}

class Slab {
  readonly bytes: Uint8Array;
  readonly words: Uint32Array;
  readonly times: Float64Array;
  /** Used units. */
  end = 0;

  constructor(byteLength: number) {
    const buffer = new ArrayBuffer(byteLength);
    this.bytes = new Uint8Array(buffer);
    this.words = new Uint32Array(buffer);
    this.times = new Float64Array(buffer);
  }
}

/*
 * An entry in a slab, padded to units of 8 bytes. Bytes from its start; numbers are u32 but for the time:
 *
 *   0 units | 4 source | 8 hash | 12 key length | 16 value length | 20 flags | 24 written at f64 | 32 key | value
 *
 * How long an entry counts is not in it: a plan may come that says otherwise. The index holds hash → 1 + the entry's unit, counted over
 * all slabs. What a value holds is its writer's: see feature/place-rows.ts.
 */
const unitBytes = 8;
const headerBytes = 32;
const Word = { units: 0, source: 1, hash: 2, keyLength: 3, valueLength: 4, flags: 5 } as const;
const writtenAt = 3;
const Flag = { used: 1, dead: 2 } as const;
const nothing = new Uint8Array(0);

/**
 * Rows of features by key, bytes-bounded and off the JavaScript heap: a few large buffers and one flat index, so that the garbage
 * collector's work does not depend on how much is cached. Buffers fill one after the other; when the bound is reached the oldest is
 * emptied, and what was used since it was written stays (up to half of it).
 */
export class FeatureCache {
  /** The value of the last find that was no miss: `foundBytes[foundAt … foundAt + foundLength)`. Valid until the next call of `put`. */
  foundBytes: Uint8Array = nothing;
  foundAt = 0;
  foundLength = 0;
  /** Where the value of the last successful `put` has to be written. */
  putBytes: Uint8Array = nothing;
  putAt = 0;
  readonly maxBytes: number;
  readonly #now: () => number;
  readonly #evictedMetric: MetricCounter | null;
  readonly #slabBytes: number;
  readonly #slabUnits: number;
  readonly #slabs: Slab[] = [];
  readonly #index = new HashIndex();
  readonly #sources = new CacheSources();
  #current = -1;
  #hits = 0;
  #misses = 0;
  #staleFinds = 0;
  #evicted = 0;
  #expired = 0;
  #refused = 0;

  constructor(options: FeatureCacheOptions) {
    this.maxBytes = Math.max(options.maxBytes, 64 * 1024);
    this.#now = options.now ?? (() => performance.now());
    this.#evictedMetric = options.evicted ?? null;
    this.#slabBytes = Math.min(Math.max(4096, 2 ** Math.floor(Math.log2(this.maxBytes / 16))), 4 * 1024 * 1024);
    this.#slabUnits = this.#slabBytes / unitBytes;
  }

  /**
   * The source of a text that says everything which values depend on besides their key. Its entries count as long as this call says, those
   * that are there already, too.
   */
  source(text: string, ttlMs: number, staleMs: number): CacheSource {
    return this.#sources.of(text, ttlMs, staleMs);
  }

  /** Looks a key up. `hash` is any well-mixed hash of the key's bytes, always the same one. */
  find(source: CacheSource, hash: number, key: Uint8Array, from: number, to: number): CacheFind {
    const place = this.#locate(source.number, hash, key, from, to);
    if (place < 0) {
      this.#misses++;
      return CacheFind.miss;
    }
    const position = this.#index.value(place) - 1;
    const slab = this.#slabs[Math.floor(position / this.#slabUnits)] as Slab;
    const unit = position % this.#slabUnits;
    const age = this.#now() - (slab.times[unit + writtenAt] as number);
    if (age >= source.lifeMs) {
      slab.words[unit * 2 + Word.flags] = Flag.dead;
      this.#index.removeAt(place);
      this.#expired++;
      this.#misses++;
      return CacheFind.miss;
    }
    slab.words[unit * 2 + Word.flags] = Flag.used;
    this.foundBytes = slab.bytes;
    this.foundAt = unit * unitBytes + headerBytes + (slab.words[unit * 2 + Word.keyLength] as number);
    this.foundLength = slab.words[unit * 2 + Word.valueLength] as number;
    if (age < source.ttlMs) {
      this.#hits++;
      return CacheFind.fresh;
    }
    this.#staleFinds++;
    return CacheFind.stale;
  }

  /**
   * Makes room for a value, which the caller must write at once to `putBytes` from `putAt` on. Replaces an entry with the same key.
   * False when the entry is too large to be kept.
   */
  put(source: CacheSource, hash: number, key: Uint8Array, from: number, to: number, valueLength: number): boolean {
    const keyLength = to - from;
    const units = Math.ceil((headerBytes + keyLength + valueLength) / unitBytes);
    // At least a few entries per slab: else one entry would push out everything.
    if (units > this.#slabUnits / 4) {
      this.#refused++;
      return false;
    }
    const old = this.#locate(source.number, hash, key, from, to);
    if (old >= 0) {
      const position = this.#index.value(old) - 1;
      const slab = this.#slabs[Math.floor(position / this.#slabUnits)] as Slab;
      slab.words[(position % this.#slabUnits) * 2 + Word.flags] = Flag.dead;
      this.#index.removeAt(old);
    }
    const slab = this.#roomForEntry(units);
    const unit = slab.end;
    slab.end += units;
    const word = unit * 2;
    slab.words[word + Word.units] = units;
    slab.words[word + Word.source] = source.number;
    slab.words[word + Word.hash] = hash;
    slab.words[word + Word.keyLength] = keyLength;
    slab.words[word + Word.valueLength] = valueLength;
    slab.words[word + Word.flags] = 0;
    slab.times[unit + writtenAt] = this.#now();
    const at = unit * unitBytes + headerBytes;
    for (let index = 0; index < keyLength; index++) slab.bytes[at + index] = key[from + index] as number;
    this.#index.insert(hash >>> 0, this.#current * this.#slabUnits + unit + 1);
    this.putBytes = slab.bytes;
    this.putAt = at + keyLength;
    return true;
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#slabs.length = 0;
    this.#current = -1;
    this.#index.clear();
    this.foundBytes = nothing;
    this.putBytes = nothing;
  }

  stats(): FeatureCacheStats {
    return {
      hits: this.#hits,
      misses: this.#misses,
      staleFinds: this.#staleFinds,
      evicted: this.#evicted,
      expired: this.#expired,
      refused: this.#refused,
      entries: this.#index.size,
      bytes: this.#slabs.length * this.#slabBytes + this.#index.byteLength,
    };
  }

  #locate(source: number, hash: number, key: Uint8Array, from: number, to: number): number {
    const index = this.#index;
    const keyLength = to - from;
    for (let place = index.first(hash); place >= 0; place = index.next(place, hash)) {
      const position = index.value(place) - 1;
      const slab = this.#slabs[Math.floor(position / this.#slabUnits)] as Slab;
      const unit = position % this.#slabUnits;
      if (slab.words[unit * 2 + Word.source] !== source || slab.words[unit * 2 + Word.keyLength] !== keyLength) continue;
      if (isEqual(slab.bytes, unit * unitBytes + headerBytes, key, from, keyLength)) return place;
    }
    return -1;
  }

  /** Room in a slab and in the index. The index grows at the cost of the slabs: as many as that takes go for good, the last ones first. */
  #roomForEntry(units: number): Slab {
    const slab = this.#roomFor(units);
    if (!this.#index.makeRoom()) return slab;
    while (this.#slabs.length > this.#allowedSlabs()) {
      this.#recycle(this.#slabs.length - 1, 0);
      this.#slabs.pop();
    }
    this.#current = Math.min(this.#current, this.#slabs.length - 1);
    return this.#roomFor(units);
  }

  #allowedSlabs(): number {
    return Math.max(2, Math.floor((this.maxBytes - this.#index.byteLength) / this.#slabBytes));
  }

  #roomFor(units: number): Slab {
    const current = this.#slabs[this.#current];
    if (current !== undefined && current.end + units <= this.#slabUnits) return current;
    if (this.#slabs.length < this.#allowedSlabs()) {
      const slab = new Slab(this.#slabBytes);
      this.#current = this.#slabs.length;
      this.#slabs.push(slab);
      return slab;
    }
    this.#current = (this.#current + 1) % this.#slabs.length;
    // What stays fills half a slab at most, an entry a quarter: there is room.
    this.#recycle(this.#current, this.#slabUnits / 2);
    return this.#slabs[this.#current] as Slab;
  }

  /** Empties a slab; entries used since they were written move to its start, up to `keepUnits`. */
  #recycle(slabIndex: number, keepUnits: number): void {
    const slab = this.#slabs[slabIndex] as Slab;
    const { words, times, bytes } = slab;
    const base = slabIndex * this.#slabUnits + 1;
    const now = this.#now();
    let kept = 0;
    let dropped = 0;
    for (let unit = 0; unit < slab.end; ) {
      const units = words[unit * 2 + Word.units] as number;
      const flags = words[unit * 2 + Word.flags] as number;
      if (flags !== Flag.dead) {
        const place = this.#index.find(words[unit * 2 + Word.hash] as number, base + unit);
        const isAlive = now - (times[unit + writtenAt] as number) < this.#sources.lifeMsOf(words[unit * 2 + Word.source] as number);
        if (flags === Flag.used && isAlive && kept + units <= keepUnits) {
          bytes.copyWithin(kept * unitBytes, unit * unitBytes, (unit + units) * unitBytes);
          words[kept * 2 + Word.flags] = 0;
          this.#index.setValue(place, base + kept);
          kept += units;
        } else {
          this.#index.removeAt(place);
          if (isAlive) dropped++;
          else this.#expired++;
        }
      }
      unit += units;
    }
    slab.end = kept;
    this.#evicted += dropped;
    if (dropped > 0) this.#evictedMetric?.add(dropped);
  }
}

function isEqual(left: Uint8Array, at: number, right: Uint8Array, from: number, length: number): boolean {
  for (let index = 0; index < length; index++) if (left[at + index] !== right[from + index]) return false;
  return true;
}
