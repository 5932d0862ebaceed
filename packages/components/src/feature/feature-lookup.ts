import { type Block, CellStatus, type IdentityTable } from '@inferflow/matrix';
import { isValidUtf8, keyPartSize, putKeyPart, RETRIEVE_FEATURES_PATH } from '@inferflow/proto/hot';
import { type DeadlineEntry, deadlines, warnOfThrow } from '@inferflow/transport';
import { CacheFind } from '../cache/feature-cache.js';
import { createFailure, deadlinePassed, type Failure, outOfTime } from '../failure.js';
import { callsAtOnce } from '../open-calls.js';
import { putCompositeKeys } from './composite-key.js';
import type { FeatureBatch } from './feature-batch.js';
import type { FeatureRun } from './feature-component.js';
import type { FeatureLayout } from './feature-layout.js';
import type { FeatureSource } from './feature-source.js';
import { CachedResult, placeCached } from './place-rows.js';

const whatThrew = `a request that was told of a call to ${RETRIEVE_FEATURES_PATH}`;

// Used within one call, never across.
let keyScratch = new Uint8Array(256);

/**
 * One component of one request on its way to its features: unique keys → cache, calls of others, own calls. It is the private state of
 * a pooled run. Block row u is identity u.
 */
export class FeatureLookup implements DeadlineEntry {
  deadlinePlace = -1;
  layout: FeatureLayout | null = null;
  /** Where rows are placed; null once the request is over. */
  block: Block | null = null;
  /** When this component's calls must be back. */
  deadline = 0;
  readonly #source: FeatureSource;
  #run: FeatureRun | null = null;
  #table: IdentityTable | null = null;
  /** Identities to ask for, first tries and, from `#retries` on, retries; [next, end) are not asked for yet. */
  #queue = new Int32Array(64);
  #queueNext = 0;
  #queueEnd = 0;
  #retries = 0;
  /** Batches it waits for, the first `#open` entries, and how many keys of each it asked for itself. */
  readonly #batches: (FeatureBatch | null)[] = [null, null, null, null];
  readonly #askedIn: number[] = [0, 0, 0, 0];
  #open = 0;
  /** Sum of these keys. */
  #asked = 0;
  /** Its deadline was moved by the time that this process was at work. */
  #isExcused = false;
  /** Until when its deadline was moved for calls that stood in line. */
  #movedUntil = 0;
  readonly #failures: Failure[] = [];
  /** Per identity: 0, or 1 + its failure; only good while there are failures. */
  #failureOf = new Uint8Array(64);
  #failedKeys = 0;

  constructor(source: FeatureSource) {
    this.#source = source;
  }

  /** Starts for a run whose block has one row per identity. Ends with `run.done()` or `run.failed()`, at once when no call is needed. */
  start(run: FeatureRun, table: IdentityTable, block: Block): void {
    const source = this.#source;
    const { metrics, features } = source.deps;
    this.#run = run;
    this.#table = table;
    this.block = block;
    this.layout = source.layouts.of(block.shape, run.writes.features.slots);
    const now = performance.now();
    this.deadline = run.callDeadline(source.deadlineMs, now);
    this.#queueNext = 0;
    this.#queueEnd = 0;
    this.#isExcused = false;
    this.#movedUntil = now;
    if (this.#failures.length > 0) this.#failures.length = 0;
    this.#failedKeys = 0;
    const count = table.uniqueCount;
    if (this.#queue.length < count * 2) this.#queue = new Int32Array(count * 2);
    let shared = 0;
    for (let unique = 0; unique < count; unique++) {
      if (this.layout.cached !== null && this.#placeFromCache(unique, CacheFind.fresh)) continue;
      if (features.shareFetches && source.join(this, table, unique)) shared++;
      else if (this.#canBeAsked(unique)) this.#queue[this.#queueEnd++] = unique;
    }
    this.#retries = this.#queueEnd;
    if (this.layout.cached !== null) {
      const misses = this.#queueEnd + shared + this.#failedKeys;
      metrics.cacheRequests.add(count);
      if (misses > 0) metrics.cacheMisses.add(misses);
      if (misses < count) metrics.cacheHits.add(count - misses);
    }
    if (shared > 0) metrics.sharedFetches.add(shared);
    this.#pump(now, false);
  }

  /** An answer or a cached row does not fit the shape its block has: the block turns to that of another layout, with all that is in it. */
  turnTo(layout: FeatureLayout): void {
    if (this.block !== null && this.block.shape !== layout.shape) this.block.reshape(layout.shape);
    this.layout = layout;
  }

  /** A batch will tell this lookup when it ended. */
  joined(batch: FeatureBatch): void {
    this.#askedIn[this.#open] = 0;
    this.#batches[this.#open++] = batch;
  }

  /** So many keys of a batch it joined are there because of it. */
  asks(batch: FeatureBatch, keys: number): void {
    this.#askedIn[this.#placeOf(batch)] = (this.#askedIn[this.#placeOf(batch)] as number) + keys;
    this.#asked += keys;
  }

  /** All rows of a batch have been placed or failed. */
  batchEnded(batch: FeatureBatch, now: number): void {
    if (!this.#forget(batch)) return;
    const { failedWith } = batch;
    this.#run?.calls.note(this.#source.backend.description, now - batch.startedAt, failedWith !== null);
    if (failedWith !== null) this.#run?.calls.noteReason(failedWith);
    this.#goOn(now);
  }

  /** While a call of its stands in line for the store, its time does not run. */
  moveDeadline(now: number): void {
    let inLineMs = 0;
    for (let index = 0; index < this.#open; index++) {
      inLineMs = Math.max(inLineMs, this.#batches[index]?.call?.inLineMs(this.#movedUntil, now) ?? 0);
    }
    this.deadline += inLineMs;
    this.#movedUntil = now;
  }

  /** A call that others wait for, too, may last longer than this lookup may. */
  keepOwnDeadline(): void {
    if (this.deadlinePlace < 0) deadlines.add(this, this.deadline);
  }

  /** What others still wait for goes on without this lookup. Its own calls end by themselves. */
  deadlinePassed(): void {
    const now = performance.now();
    this.moveDeadline(now);
    if (this.deadline > now) {
      deadlines.add(this, this.deadline);
      return;
    }
    const ownMs = this.#isExcused ? 0 : this.#ownMs();
    this.#isExcused = true;
    if (ownMs > 0) {
      deadlines.add(this, now + ownMs);
      return;
    }
    try {
      this.#leaveShared(now);
    } catch (error) {
      this.broke(error);
      return;
    }
    this.#goOn(now);
  }

  #leaveShared(now: number): void {
    const source = this.#source;
    const failure = deadlinePassed(source.backend.description, source.deps.componentName);
    for (let index = this.#open - 1; index >= 0; index--) {
      const batch = this.#batches[index] as FeatureBatch;
      if (!batch.isShared) continue;
      this.#run?.calls.note(source.backend.description, now - batch.startedAt, true);
      source.expire(this, batch, failure);
      this.#forget(batch);
    }
  }

  /** Asks again for an identity that waited for another request's call in vain. */
  retry(unique: number): void {
    this.#queue[this.#queueEnd++] = unique;
  }

  /** An identity has no complete row. Without any row (`isWhole`) a cached one past its time may stand in. */
  failUnique(unique: number, failure: Failure, isWhole: boolean): void {
    if (this.block === null) return;
    if (isWhole) {
      if (this.#source.staleMs > 0 && this.#placeStale(unique)) {
        this.#source.deps.metrics.cacheStale.add(1);
        return;
      }
      this.block.markRows(unique, unique + 1, CellStatus.failed);
      this.#failedKeys++;
    }
    const count = this.#table?.uniqueCount ?? 0;
    if (this.#failures.length === 0) {
      if (this.#failureOf.length < count) this.#failureOf = new Uint8Array(count);
      else this.#failureOf.fill(0, 0, count);
    }
    let index = this.#failures.indexOf(failure);
    if (index < 0) {
      // More kinds than a byte counts: the last one stands for the rest.
      index = this.#failures.length < 254 ? this.#failures.push(failure) - 1 : 253;
    }
    this.#failureOf[unique] = index + 1;
  }

  /** The request is over: nothing may be placed any more. */
  leave(): void {
    this.block = null;
    for (let index = 0; index < this.#open; index++) this.#source.leave(this, this.#batches[index] as FeatureBatch);
    this.#close();
  }

  /** Keys are text on the wire: one that is not would make a store refuse its whole batch. */
  #canBeAsked(unique: number): boolean {
    const table = this.#table as IdentityTable;
    for (let part = 0; part < table.partCount; part++) {
      const start = table.partStart(unique, part);
      if (isValidUtf8(table.partSource(part), start, start + table.partLength(unique, part))) continue;
      this.failUnique(unique, this.#source.notText[part] as Failure, true);
      return false;
    }
    return true;
  }

  /** A key that waited for its turn may be under way by now for somebody else. */
  #askOrJoin(table: IdentityTable, at: number): void {
    const source = this.#source;
    this.#queueNext = at + 1;
    if (source.join(this, table, this.#queue[at] as number)) source.deps.metrics.sharedFetches.add(1);
    else source.ask(this, table, this.#queue, at, at + 1);
  }

  /** From within an answer or a timer, where nobody above could end the run. */
  #goOn(now: number): void {
    try {
      this.#pump(now);
    } catch (error) {
      this.broke(error);
    }
  }

  /** What went wrong ends its run, if that has not ended. What is thrown then becomes a process warning: others may wait to be told. */
  broke(error: unknown): void {
    const run = this.#run;
    if (run === null) {
      warnOfThrow(whatThrew, error);
      return;
    }
    this.leave();
    const { backend, deps } = this.#source;
    const text = error instanceof Error ? error.message : 'the features could not be placed';
    try {
      run.failed(createFailure('exception', `${backend.description}: ${text}`, deps.componentName));
    } catch (thrown) {
      warnOfThrow(whatThrew, thrown);
    }
  }

  /** So many batches of keys, at most, are under way for one lookup. */
  #pump(now: number, isLater = true): void {
    const source = this.#source;
    const table = this.#table as IdentityTable;
    const { shareFetches, maxParallelBatches } = source.deps.features;
    if (this.#queueNext < this.#queueEnd && this.deadline <= now) {
      const failure = outOfTime(source.backend.description, source.deps.componentName);
      while (this.#queueNext < this.#queueEnd) this.failUnique(this.#queue[this.#queueNext++] as number, failure, true);
    }
    const batches = callsAtOnce(source.backend.upstream, maxParallelBatches);
    const most = batches * source.batchSize;
    while (this.#queueNext < this.#queueEnd && this.#asked < most) {
      const from = this.#queueNext;
      if (shareFetches && from < this.#retries) {
        if (isLater) this.#askOrJoin(table, from);
        else {
          this.#queueNext = Math.min(this.#retries, from + most - this.#asked);
          source.ask(this, table, this.#queue, from, this.#queueNext);
        }
      } else {
        this.#queueNext = Math.min(this.#queueEnd, from + source.batchSize);
        source.askAlone(this, table, this.#queue, from, this.#queueNext);
      }
    }
    if (this.#open === 0 && this.#queueNext === this.#queueEnd) this.#finish();
  }

  #finish(): void {
    const run = this.#run as FeatureRun;
    const table = this.#table as IdentityTable;
    const { metrics } = this.#source.deps;
    metrics.featureCount.add(table.uniqueCount * this.#source.config.columns.length);
    const composite = this.layout?.compositeSlot ?? -1;
    if (composite >= 0 && this.block !== null) putCompositeKeys(this.block, composite, table);
    const first = this.#failures[0];
    if (first !== undefined && this.#failedKeys === table.uniqueCount) {
      this.#close();
      run.failed(first);
      return;
    }
    if (first !== undefined) {
      for (let position = 0; position < run.rows.count; position++) {
        const unique = table.rowToUnique[position] as number;
        const failure = unique < 0 ? 0 : (this.#failureOf[unique] as number);
        if (failure > 0) run.failRows(position, position + 1, this.#failures[failure - 1] as Failure);
      }
    }
    this.#close();
    run.done();
  }

  #close(): void {
    this.#run = null;
    this.#table = null;
    this.block = null;
    this.layout = null;
    for (let index = 0; index < this.#open; index++) this.#batches[index] = null;
    this.#open = 0;
    this.#asked = 0;
    deadlines.remove(this);
  }

  #placeOf(batch: FeatureBatch): number {
    let at = this.#open - 1;
    while (at >= 0 && this.#batches[at] !== batch) at--;
    return at;
  }

  /** False when it does not wait for the batch. */
  #forget(batch: FeatureBatch): boolean {
    const at = this.#placeOf(batch);
    if (at < 0) return false;
    this.#open--;
    this.#asked -= this.#askedIn[at] as number;
    this.#batches[at] = this.#batches[this.#open] as FeatureBatch;
    this.#askedIn[at] = this.#askedIn[this.#open] as number;
    this.#batches[this.#open] = null;
    return true;
  }

  /** Time of its calls that this process was at work. */
  #ownMs(): number {
    let most = 0;
    for (let index = 0; index < this.#open; index++) most = Math.max(most, this.#batches[index]?.call?.ownMs() ?? 0);
    return most;
  }

  /** Others wait for the same failure: one row for which there is no room must not keep them from it. */
  #placeStale(unique: number): boolean {
    try {
      return this.#placeFromCache(unique, CacheFind.stale);
    } catch {
      return false;
    }
  }

  #placeFromCache(unique: number, wanted: CacheFind): boolean {
    const cache = this.#source.deps.features.cache;
    const table = this.#table as IdentityTable;
    const layout = this.layout as FeatureLayout;
    if (cache === null || this.block === null || layout.cached === null) return false;
    let length = 0;
    for (let part = 0; part < table.partCount; part++) length += keyPartSize(table.partLength(unique, part));
    if (keyScratch.length < length) keyScratch = new Uint8Array(length * 2);
    let at = 0;
    for (let part = 0; part < table.partCount; part++) {
      const start = table.partStart(unique, part);
      at = putKeyPart(keyScratch, at, table.partSource(part), start, start + table.partLength(unique, part));
    }
    const found = cache.find(layout.cached.source, table.hashes[unique] as number, keyScratch, 0, length);
    if (found === CacheFind.miss || (found === CacheFind.stale && wanted === CacheFind.fresh)) return false;
    const status = found === CacheFind.fresh ? CellStatus.cached : CellStatus.stale;
    const placed = placeCached(this.block, unique, layout, cache.foundBytes, cache.foundAt, status);
    if (placed !== CachedResult.otherLength || layout.general === null) return placed === CachedResult.placed;
    this.#source.layouts.forget(layout);
    this.turnTo(layout.general);
    return placeCached(this.block, unique, layout.general, cache.foundBytes, cache.foundAt, status) === CachedResult.placed;
  }
}
