import { cachedRowKey, type FeatureComponentConfig } from '@inferflow/config';
import type { BlockShape, IdentityTable } from '@inferflow/matrix';
import { encodeFeatureQueryHead, RETRIEVE_FEATURES_PATH, WalkScratch, WasmWalk } from '@inferflow/proto/hot';
import { type CallFailure, createFailure as createCallFailure, deliveredAt, type Flushable, GrpcCode, turnEnd } from '@inferflow/transport';
import type { ServiceBackend } from '../backends.js';
import type { CacheSource } from '../cache/cache-sources.js';
import type { ComponentDeps } from '../define-component.js';
import { createFailure, type Failure, failureOfCall } from '../failure.js';
import { type AskedFeature, askedFeatures } from './answer-columns.js';
import { featureBatches } from './batch-pool.js';
import type { FeatureBatch } from './feature-batch.js';
import { FeatureBatchCall } from './feature-batch-call.js';
import { FeatureLayout } from './feature-layout.js';
import { FeatureLayouts } from './feature-layouts.js';
import type { FeatureLookup } from './feature-lookup.js';
import { KeysUnderWay, maxBatchKeys } from './keys-under-way.js';
import { cacheRow, placeRow, placeRun, RowResult } from './place-rows.js';

// Walks are synchronous: one scratch serves all.
const plainScratch = new WalkScratch();
let wasmScratch: WalkScratch | null = null;

function sharedScratch(wasm: boolean): WalkScratch {
  if (!wasm) return plainScratch;
  wasmScratch ??= new WalkScratch(WasmWalk.create());
  return wasmScratch;
}

/**
 * Where one feature component of one model gets its rows from, for all requests: keys that are under way are waited for; others go
 * into the batch that is open for the keys of this turn of the event loop, which becomes a call when it is full or the turn ends.
 * Answers are placed into the block of every lookup that waits, and into the cache.
 *
 * A call that several lookups wait for carries the latest of their deadlines, each keeps its own; it is cancelled when all have left;
 * when it fails, each asks once more for itself. All calls of a source have the same metadata: nothing of a request is sent along.
 */
export class FeatureSource implements Flushable {
  /** For the end of the turn. */
  isDirty = false;
  /** Fields 1–3 of every query. */
  readonly queryHead: Uint8Array;
  readonly backend: ServiceBackend;
  readonly deps: ComponentDeps;
  readonly config: FeatureComponentConfig;
  /** Keys per call. */
  readonly batchSize: number;
  readonly deadlineMs: number;
  readonly ttlMs: number;
  readonly staleMs: number;
  /** Per key part: why a key cannot be asked for. */
  readonly notText: readonly Failure[];
  readonly layouts: FeatureLayouts;
  readonly #asked: readonly AskedFeature[];
  #cached: CacheSource | null = null;
  readonly #underWay = new KeysUnderWay();
  /** Takes keys until it is full or the turn ends. */
  #openBatch: FeatureBatch | null = null;
  readonly #noRow: Failure;
  readonly #badCells: Failure;
  readonly #scratch: WalkScratch;

  constructor(config: FeatureComponentConfig, deps: ComponentDeps, backend: ServiceBackend) {
    this.config = config;
    this.deps = deps;
    this.backend = backend;
    const configured = config.batchSize ?? backend.batchSize;
    this.batchSize = Math.min(configured > 0 ? configured : maxBatchKeys, maxBatchKeys);
    this.deadlineMs = config.deadlineMs ?? backend.deadlineMs;
    this.ttlMs = config.cache.ttlSeconds * 1000;
    this.staleMs = config.cache.staleIfErrorSeconds * 1000;
    this.queryHead = encodeFeatureQueryHead({
      entityLabel: config.entityLabel,
      groups: config.groups.flatMap((group) => (group.features.length === 0 ? [] : [{ label: group.label, features: group.features }])),
      keySchema: config.keys.map((key) => key.schema),
    });
    this.#asked = askedFeatures(config);
    this.#scratch = sharedScratch(deps.features.wasm);
    this.layouts = new FeatureLayouts((shape, slotOf, general) => this.#createLayout(shape, slotOf, general));
    this.notText = config.keys.map((key) =>
      createFailure(
        'conversion',
        `the key in column "${key.column}" is no valid UTF-8 text; ${backend.description} was not asked for it`,
        deps.componentName,
      ),
    );
    this.#noRow = createFailure('shape', `${backend.description} answered no row for the key`, deps.componentName);
    this.#badCells = createFailure(
      'shape',
      `${backend.description} answered a row without all features, or with a wrong width`,
      deps.componentName,
    );
  }

  /** Whether rows are kept. */
  get isCached(): boolean {
    return this.deps.features.cache !== null && this.config.cache.enabled;
  }

  #createLayout(shape: BlockShape, slotOf: Int32Array, general: FeatureLayout | null): FeatureLayout {
    // Not before a request comes: a plan that never serves changes nothing.
    if (this.isCached) this.#cached ??= this.deps.features.cache?.source(this.#cacheText(), this.ttlMs, this.staleMs) ?? null;
    return new FeatureLayout(shape, slotOf, this.config, this.#asked, this.#cached, general);
  }

  /** What a cached row depends on besides its key. Where its cells stand is not part of it: the row tells. */
  #cacheText(): string {
    const { modelConfigId, componentName, features } = this.deps;
    return [modelConfigId, componentName, cachedRowKey(this.config, features.cacheVersion)].join('\0');
  }

  /** Lets a lookup wait for a key that is under way; false when it is not. */
  join(lookup: FeatureLookup, table: IdentityTable, unique: number): boolean {
    const batch = this.#underWay.find(lookup.layout as FeatureLayout, table, unique);
    if (batch === null) return false;
    const key = this.#underWay.foundKey;
    batch.wait(this.#memberOf(batch, lookup), key, unique);
    if (batch.call !== null && batch.call.deadline > lookup.deadline) lookup.keepOwnDeadline();
    return true;
  }

  /** Asks for identities `uniques[from, to)` of a lookup together with what other requests of this turn ask for. */
  ask(lookup: FeatureLookup, table: IdentityTable, uniques: Int32Array, from: number, to: number): void {
    for (let index = from; index < to; ) {
      const batch = this.#batchFor(lookup.layout as FeatureLayout);
      const first = batch.keyCount;
      const until = Math.min(to, index + this.batchSize - first);
      lookup.asks(batch, this.#addKeys(batch, lookup, table, uniques, index, until));
      this.#underWay.addKeys(batch, first);
      index = until;
      if (batch.keyCount === this.batchSize) this.#closeBatch(batch);
    }
  }

  /** Asks for identities `uniques[from, to)` of a lookup, one batch at most, in a call that nobody else joins. */
  askAlone(lookup: FeatureLookup, table: IdentityTable, uniques: Int32Array, from: number, to: number): void {
    const batch = featureBatches.take();
    batch.layout = lookup.layout;
    lookup.asks(batch, this.#addKeys(batch, lookup, table, uniques, from, to));
    this.#send(batch);
  }

  /** The turn ends. */
  flush(): void {
    if (this.#openBatch !== null) this.#closeBatch(this.#openBatch);
  }

  /** A lookup's request is over, or its time. The last one to leave ends the call. */
  leave(lookup: FeatureLookup, batch: FeatureBatch): void {
    batch.leave(lookup);
    if (batch.memberCount > 0) return;
    const { call } = batch;
    if (call !== null) {
      batch.call = null;
      this.backend.upstream.cancel(call);
      this.#underWay.remove(batch);
      // Not used again: the last one may leave from within the answer, whose end gives the batch back.
      batch.clear();
    } else if (batch === this.#openBatch) {
      this.#openBatch = null;
      this.#underWay.remove(batch);
      featureBatches.give(batch);
    }
  }

  /** The time of a lookup is up before that of a call it shares with others. */
  expire(lookup: FeatureLookup, batch: FeatureBatch, failure: Failure): void {
    const member = batch.memberOf(lookup);
    for (let wait = 0; wait < batch.waitCount; wait++) {
      if (batch.waits[wait * 3] === member) lookup.failUnique(batch.waits[wait * 3 + 2] as number, failure, true);
    }
    this.leave(lookup, batch);
  }

  /** The answer of a call. */
  answered(batch: FeatureBatch, message: Uint8Array): void {
    const layout = batch.layout as FeatureLayout;
    const now = this.#callEnded(batch);
    let failure: CallFailure | null;
    try {
      failure = this.#place(batch, layout, message);
    } catch (error) {
      // Nobody above could end the lookups that wait.
      const text = error instanceof Error ? error.message : 'the answer could not be placed';
      failure = createCallFailure('exception', GrpcCode.INTERNAL, text);
    }
    this.#scratch.trim();
    if (failure === null) this.#tell(batch, now);
    else this.#fail(batch, failure, now);
  }

  /** The failure of a call. */
  batchFailed(batch: FeatureBatch, failure: CallFailure): void {
    this.#fail(batch, failure, this.#callEnded(batch));
  }

  /** Returns when it ended. */
  #callEnded(batch: FeatureBatch): number {
    const now = deliveredAt();
    this.deps.metrics.externalLatency.observeMs(now - batch.startedAt);
    if (batch.call?.stoodInLine === true) for (let index = 0; index < batch.joined; index++) batch.members[index]?.moveDeadline(now);
    return now;
  }

  /** Places an answer into the rows of everyone who waits, and into the cache. */
  #place(batch: FeatureBatch, askedLayout: FeatureLayout, message: Uint8Array): CallFailure | null {
    let layout = askedLayout;
    let rows = layout.read(message, batch.keyCount, this.#scratch);
    if (layout.general !== null && rows > 0) {
      const isOutdated = layout.hasOtherLength(this.#scratch);
      if (isOutdated) this.layouts.forget(layout);
      if (isOutdated || !batch.haveShape(layout.shape)) {
        layout = layout.general;
        for (let member = 0; member < batch.joined; member++) batch.members[member]?.turnTo(layout);
        rows = layout.read(message, batch.keyCount, this.#scratch);
      }
    }
    if (layout.general === null && rows > 0) this.layouts.learn(layout, this.#scratch, rows);
    if (rows < 0) return createCallFailure('malformed', GrpcCode.INTERNAL, 'the answer could not be decoded');
    const inOrder = batch.matchRows(this.#scratch.lateKeys ?? message, this.#scratch.keys, rows);
    if (inOrder && batch.joined === 1 && this.#scratch.withoutValue === 0 && layout.variableSlots.length === 0) this.#placeAll(batch);
    else this.#placeEach(batch, layout, message);
    if (layout.cached !== null) this.#keep(batch, layout, message);
    return null;
  }

  /** One member, row i for key i, all cells there: runs of identities are copied at once. */
  #placeAll(batch: FeatureBatch): void {
    const block = batch.members[0]?.block;
    if (block === null || block === undefined) return;
    const { waits, waitCount } = batch;
    for (let first = 0; first < waitCount; ) {
      const unique = waits[first * 3 + 2] as number;
      let next = first + 1;
      while (next < waitCount && waits[next * 3 + 2] === unique + next - first) next++;
      placeRun(block, unique, this.#scratch, waits[first * 3 + 1] as number, next - first);
      first = next;
    }
  }

  #placeEach(batch: FeatureBatch, layout: FeatureLayout, message: Uint8Array): void {
    let isWithoutRow = false;
    for (let wait = 0; wait < batch.waitCount; wait++) {
      const member = batch.members[batch.waits[wait * 3] as number];
      if (member === null || member === undefined || member.block === null) continue;
      const unique = batch.waits[wait * 3 + 2] as number;
      const row = batch.rowOf[batch.waits[wait * 3 + 1] as number] as number;
      if (row < 0) isWithoutRow = true;
      else if (placeRow(member.block, unique, layout, this.#scratch, row, message) === RowResult.hasFailedCells) {
        member.failUnique(unique, this.#badCells, false);
      }
    }
    // After all rows: what the cache has instead may turn the block to another layout.
    if (isWithoutRow) this.#failWithoutRow(batch);
  }

  #failWithoutRow(batch: FeatureBatch): void {
    for (let wait = 0; wait < batch.waitCount; wait++) {
      const key = batch.waits[wait * 3 + 1] as number;
      if ((batch.rowOf[key] as number) >= 0) continue;
      batch.members[batch.waits[wait * 3] as number]?.failUnique(batch.waits[wait * 3 + 2] as number, this.#noRow, true);
    }
  }

  #keep(batch: FeatureBatch, layout: FeatureLayout, message: Uint8Array): void {
    const cache = this.deps.features.cache;
    if (cache === null) return;
    for (let key = 0; key < batch.keyCount; key++) {
      const row = batch.rowOf[key] as number;
      if (row < 0) continue;
      const start = batch.keyRanges[key * 2] as number;
      const end = batch.keyRanges[key * 2 + 1] as number;
      cacheRow(cache, layout, this.#scratch, row, message, batch.bytes, start, end, batch.hashes[key] as number);
    }
  }

  /** Who was alone has the failure; where several waited, each tries once for itself, if it has time left. */
  #fail(batch: FeatureBatch, failure: CallFailure, now: number): void {
    const reason = failureOfCall(failure, this.backend.description, this.deps.componentName);
    batch.failedWith = failure.reason;
    for (let wait = 0; wait < batch.waitCount; wait++) {
      const member = batch.members[batch.waits[wait * 3] as number];
      if (member === null || member === undefined) continue;
      const unique = batch.waits[wait * 3 + 2] as number;
      try {
        if (batch.isShared && member.deadline > now) member.retry(unique);
        else member.failUnique(unique, reason, true);
      } catch (error) {
        member.broke(error);
      }
    }
    this.#tell(batch, now);
  }

  #tell(batch: FeatureBatch, now: number): void {
    batch.call = null;
    this.#underWay.remove(batch);
    for (let member = 0; member < batch.joined; member++) batch.members[member]?.batchEnded(batch, now);
    featureBatches.give(batch);
  }

  /** The batch that takes keys of this layout now. */
  #batchFor(layout: FeatureLayout): FeatureBatch {
    const open = this.#openBatch;
    if (open !== null && open.layout === layout) return open;
    if (open !== null) this.#closeBatch(open);
    const batch = featureBatches.take();
    batch.layout = layout;
    batch.startedAt = performance.now();
    this.#underWay.add(batch);
    this.#openBatch = batch;
    turnEnd.markCalls(this);
    return batch;
  }

  #closeBatch(batch: FeatureBatch): void {
    this.#openBatch = null;
    if (batch.hasUnwanted) {
      this.#underWay.remove(batch);
      batch.dropUnwanted();
      this.#underWay.add(batch);
    }
    this.#send(batch);
  }

  /** Returns how many keys it added. */
  #addKeys(batch: FeatureBatch, lookup: FeatureLookup, table: IdentityTable, uniques: Int32Array, from: number, to: number): number {
    const member = this.#memberOf(batch, lookup);
    batch.addKeys(member, table, uniques, from, to);
    return to - from;
  }

  #memberOf(batch: FeatureBatch, lookup: FeatureLookup): number {
    const member = batch.memberOf(lookup);
    if (member >= 0) return member;
    lookup.joined(batch);
    return batch.join(lookup);
  }

  #send(batch: FeatureBatch): void {
    const { metrics, limits } = this.deps;
    metrics.externalCalls.add(1);
    metrics.externalRows.add(batch.keyCount);
    const deadline = batch.latestDeadline();
    const call = new FeatureBatchCall(this.backend.head(RETRIEVE_FEATURES_PATH), deadline, limits.maxAnswerBytes, this, batch);
    batch.call = call;
    for (let index = 0; batch.isShared && index < batch.joined; index++) {
      const member = batch.members[index];
      if (member !== null && member !== undefined && member.deadline < deadline) member.keepOwnDeadline();
    }
    this.backend.upstream.start(call);
    batch.startedAt = call.startedAt;
  }
}
