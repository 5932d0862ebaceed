import type { FeatureComponentConfig } from '@inferflow/config';
import type { BlockShape, IdentityTable } from '@inferflow/matrix';
import { encodeFeatureQueryHead, RETRIEVE_FEATURES_PATH, WalkScratch, WasmWalk } from '@inferflow/proto/hot';
import { type CallFailure, createFailure as createCallFailure, GrpcCode } from '@inferflow/transport';
import type { ServiceBackend } from '../backends.js';
import { HashIndex } from '../cache/hash-index.js';
import type { ComponentDeps } from '../define-component.js';
import { createFailure, type Failure, failureOfCall } from '../failure.js';
import { type AskedFeature, askedFeatures } from './answer-columns.js';
import { FeatureBatch } from './feature-batch.js';
import { FeatureBatchCall } from './feature-batch-call.js';
import { FeatureLayout } from './feature-layout.js';
import type { FeatureLookup } from './feature-lookup.js';
import { cacheRow, placeRow, placeRun, RowResult } from './place-rows.js';

// The keys of a batch are numbered in 16 bits where requests find each other's keys.
const maxBatchKeys = 0xffff;
const maxBatches = 0xfffe;
const maxIdleBatches = 32;

// Walks are synchronous: one scratch serves all.
const plainScratch = new WalkScratch();
let wasmScratch: WalkScratch | null = null;

function sharedScratch(wasm: boolean): WalkScratch {
  if (!wasm) return plainScratch;
  wasmScratch ??= new WalkScratch(WasmWalk.create());
  return wasmScratch;
}

/**
 * Where one feature component of one model gets its rows from, for all requests: keys that are under way are waited for, others become
 * calls; answers are placed into the block of every lookup that waits, and into the cache.
 */
export class FeatureSource {
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
  readonly #asked: readonly AskedFeature[];
  readonly #layouts: FeatureLayout[] = [];
  readonly #cacheSource: string;
  readonly #underWay: (FeatureBatch | null)[] = [];
  readonly #freePlaces: number[] = [];
  readonly #keys = new HashIndex();
  readonly #idle: FeatureBatch[] = [];
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
    const version = deps.features.cacheVersion || 1;
    this.#cacheSource = `${deps.modelConfigId}\0${version}\0${deps.componentName}\0${Buffer.from(this.queryHead).toString('base64')}`;
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

  /** How rows of a shape are read. The shape belongs to the plan, so there is one, or very few. */
  layoutOf(shape: BlockShape, slotOf: Int32Array): FeatureLayout {
    for (const layout of this.#layouts) if (layout.shape === shape) return layout;
    const cache = this.deps.features.cache;
    const sourceId = this.isCached && cache !== null ? cache.sourceId(`${this.#cacheSource}\0${shape.contentHash}`) : 0;
    const layout = new FeatureLayout(shape, slotOf, this.config, this.#asked, sourceId);
    this.#layouts.push(layout);
    return layout;
  }

  /** Lets a lookup wait for a key that is under way; false when it is not. */
  join(lookup: FeatureLookup, table: IdentityTable, unique: number): boolean {
    if (this.#keys.size === 0) return false;
    const hash = table.hashes[unique] as number;
    for (let at = this.#keys.first(hash); at >= 0; at = this.#keys.next(at, hash)) {
      const value = this.#keys.value(at);
      const batch = this.#underWay[(value >>> 16) - 1];
      const key = value & 0xffff;
      if (batch === null || batch === undefined || batch.layout !== lookup.layout || !batch.hasKey(key, table, unique)) continue;
      let member = batch.memberOf(lookup);
      if (member < 0) {
        member = batch.join(lookup);
        lookup.joined(batch);
      }
      batch.wait(member, key, unique);
      return true;
    }
    return false;
  }

  /** Sends the identities `uniques[from, to)` of a lookup as one call. */
  send(lookup: FeatureLookup, table: IdentityTable, uniques: Int32Array, from: number, to: number): void {
    const batch = this.#idle.pop() ?? new FeatureBatch();
    batch.layout = lookup.layout;
    const member = batch.join(lookup);
    for (let index = from; index < to; index++) batch.wait(member, batch.addKey(table, uniques[index] as number), uniques[index] as number);
    lookup.joined(batch);
    this.#register(batch);
    const { metrics, limits } = this.deps;
    metrics.externalCalls.add(1);
    metrics.externalRows.add(batch.keyCount);
    batch.startedAt = performance.now();
    const call = new FeatureBatchCall(this.backend.head(RETRIEVE_FEATURES_PATH), lookup.deadline, limits.maxAnswerBytes, this, batch);
    batch.call = call;
    this.backend.upstream.start(call);
  }

  /** A lookup's request is over. The last one to leave ends the call. */
  leave(lookup: FeatureLookup, batch: FeatureBatch): void {
    batch.leave(lookup);
    const { call } = batch;
    if (batch.memberCount > 0 || call === null) return;
    batch.call = null;
    this.backend.upstream.cancel(call);
    this.#unregister(batch);
    batch.clear();
  }

  /** The answer of a call. */
  answered(batch: FeatureBatch, message: Uint8Array): void {
    const layout = batch.layout as FeatureLayout;
    this.deps.metrics.externalLatency.observeMs(performance.now() - batch.startedAt);
    let failure: CallFailure | null;
    try {
      failure = this.#place(batch, layout, message);
    } catch (error) {
      // Nobody above could end the lookups that wait.
      const text = error instanceof Error ? error.message : 'the answer could not be placed';
      failure = createCallFailure('exception', GrpcCode.INTERNAL, text);
    }
    if (failure === null) this.#tell(batch);
    else this.#fail(batch, failure);
  }

  /** The failure of a call. */
  batchFailed(batch: FeatureBatch, failure: CallFailure): void {
    this.deps.metrics.externalLatency.observeMs(performance.now() - batch.startedAt);
    this.#fail(batch, failure);
  }

  /** Places an answer into the rows of everyone who waits, and into the cache. */
  #place(batch: FeatureBatch, layout: FeatureLayout, message: Uint8Array): CallFailure | null {
    const rows = layout.read(message, batch.keyCount, this.#scratch);
    if (rows < 0) return createCallFailure('malformed', GrpcCode.INTERNAL, 'the answer could not be decoded');
    const inOrder = batch.matchRows(message, this.#scratch.keys, rows);
    if (inOrder && batch.joined === 1 && this.#scratch.withoutValue === 0 && layout.variableSlots.length === 0) this.#placeAll(batch);
    else this.#placeEach(batch, layout, message);
    if (layout.sourceId > 0) this.#keep(batch, layout, message);
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
    for (let wait = 0; wait < batch.waitCount; wait++) {
      const member = batch.members[batch.waits[wait * 3] as number];
      if (member === null || member === undefined || member.block === null) continue;
      const unique = batch.waits[wait * 3 + 2] as number;
      const row = batch.rowOf[batch.waits[wait * 3 + 1] as number] as number;
      if (row < 0) member.failUnique(unique, this.#noRow, true);
      else if (placeRow(member.block, unique, layout, this.#scratch, row, message) === RowResult.hasFailedCells) {
        member.failUnique(unique, this.#badCells, false);
      }
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
      cacheRow(cache, layout, this.#scratch, row, message, batch.bytes, start, end, batch.hashes[key] as number, this.ttlMs, this.staleMs);
    }
  }

  /** The first member asked for the call and has its failure; the others try once for themselves. */
  #fail(batch: FeatureBatch, failure: CallFailure): void {
    const reason = failureOfCall(failure, this.backend.description, this.deps.componentName);
    batch.isFailed = true;
    for (let wait = 0; wait < batch.waitCount; wait++) {
      const number = batch.waits[wait * 3] as number;
      const member = batch.members[number];
      if (member === null || member === undefined) continue;
      const unique = batch.waits[wait * 3 + 2] as number;
      if (number > 0) member.retry(unique);
      else member.failUnique(unique, reason, true);
    }
    this.#tell(batch);
  }

  #tell(batch: FeatureBatch): void {
    batch.call = null;
    this.#unregister(batch);
    for (let member = 0; member < batch.joined; member++) batch.members[member]?.batchEnded(batch);
    batch.clear();
    if (this.#idle.length < maxIdleBatches) this.#idle.push(batch);
  }

  #register(batch: FeatureBatch): void {
    if (!this.deps.features.shareFetches) return;
    const place = this.#freePlaces.pop() ?? this.#underWay.length;
    if (place >= maxBatches) {
      this.#freePlaces.push(place);
      return;
    }
    this.#underWay[place] = batch;
    batch.place = place;
    for (let key = 0; key < batch.keyCount; key++) this.#keys.insert((batch.hashes[key] as number) >>> 0, this.#valueOf(batch, key));
  }

  #unregister(batch: FeatureBatch): void {
    if (batch.place < 0) return;
    for (let key = 0; key < batch.keyCount; key++) {
      const at = this.#keys.find((batch.hashes[key] as number) >>> 0, this.#valueOf(batch, key));
      if (at >= 0) this.#keys.removeAt(at);
    }
    this.#underWay[batch.place] = null;
    this.#freePlaces.push(batch.place);
    batch.place = -1;
  }

  #valueOf(batch: FeatureBatch, key: number): number {
    return (((batch.place + 1) << 16) | key) >>> 0;
  }
}
