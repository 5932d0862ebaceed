import { checkSteps } from '../check-model-config.js';
import { contentHash } from '../hash.js';
import type { ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import { defaultServiceConfig, parseServiceConfig, type ServiceResult } from '../parse/parse-service-config.js';
import { hasErrors, type Problem } from '../problem.js';
import type { ConfigSnapshot, ModelEntry } from '../snapshot.js';
import type { AcceptModel, WarmModel } from '../source.js';
import { finish, finishInSlices, type Steps } from '../steps.js';
import { type ConfigDocument, documentRevision, isAbsent, modelsIn, readDocument } from './model-document.js';
import { WarmingModels, type WarmingTimes } from './warming-models.js';

/** What a `SnapshotBuilder` needs from its surroundings. */
export interface SnapshotBuilderOptions {
  /** A last say before a config serves. @default every config without errors serves */
  readonly accept?: AcceptModel | undefined;
  /** Prepares accepted versions before they serve; meanwhile the ones before do. @default they serve at once */
  readonly warm?: WarmModel | undefined;
  /** Called when versions have been prepared, or refused: the next `build` has them. */
  readonly onWarmed?: (() => void) | undefined;
  /** @internal */
  readonly warmingTimes?: WarmingTimes | undefined;
  /** Milliseconds since the epoch. @default Date.now */
  readonly now?: (() => number) | undefined;
}

/**
 * Turns the documents of a source into snapshots. Only documents that changed are parsed; a model whose new version is refused keeps
 * its last good one; ids are exact; a document without content counts as absent. Every source goes through one of these.
 */
export class SnapshotBuilder {
  readonly #accept: AcceptModel | undefined;
  readonly #now: () => number;
  readonly #warming: WarmingModels | null;
  #snapshot: ConfigSnapshot | null = null;
  #serviceRevision = '';
  #prepared = new Map<string, ModelEntry>();

  constructor(options: SnapshotBuilderOptions = {}) {
    this.#accept = options.accept;
    this.#now = options.now ?? Date.now;
    const { warm, onWarmed = () => undefined, warmingTimes } = options;
    this.#warming = warm === undefined ? null : new WarmingModels(warm, onWarmed, warmingTimes);
  }

  /**
   * Reads one document ahead of `build`, which takes the result over if it meets the same document. A source with much to read does this
   * in small portions, so that requests are answered in between.
   * @param hasServed it served before, in an earlier process: it serves again at once, whatever its model server says
   */
  prepare(modelConfigId: string, document: ConfigDocument, hasServed = false): void {
    if (!isAbsent(document)) this.#prepared.set(modelConfigId, this.#entry(modelConfigId, document, hasServed));
  }

  /**
   * {@link prepare} with pauses within one document: one that is large is not read in one go. `build` must not be called meanwhile.
   * @param pause resolves when other work has been done
   */
  async prepareInSlices(modelConfigId: string, document: ConfigDocument, pause: () => Promise<void>, hasServed = false): Promise<void> {
    if (isAbsent(document)) return;
    this.#prepared.set(modelConfigId, await finishInSlices(this.#entrySteps(modelConfigId, document, hasServed), pause));
  }

  /**
   * The snapshot of all documents of a source. Gives the same object as before if nothing changed.
   * @param documents by model id; a model that is not among them is gone
   */
  build(documents: ReadonlyMap<string, ConfigDocument>, service?: ConfigDocument): ConfigSnapshot {
    const models = new Map<string, ModelEntry>();
    for (const [modelConfigId, document] of documents) {
      if (!isAbsent(document)) models.set(modelConfigId, this.#entry(modelConfigId, document));
    }
    this.#warming?.retain(models);
    this.#prepared = new Map();
    const serviceResult = this.#service(service);
    const previous = this.#snapshot;
    if (previous !== null && serviceResult === undefined && isSameMap(previous.models, models)) return previous;
    const settings = serviceResult?.service ?? previous?.service ?? defaultServiceConfig;
    this.#snapshot = Object.freeze({
      hash: snapshotHash(models, settings),
      revision: String(Number(previous?.revision ?? 0) + 1),
      models: new FrozenMap(models),
      service: settings,
      serviceProblems: Object.freeze([...(serviceResult?.problems ?? previous?.serviceProblems ?? [])]),
    });
    return this.#snapshot;
  }

  /** Resolves when no version is being prepared. */
  warmed(): Promise<void> {
    return this.#warming?.idle() ?? Promise.resolve();
  }

  /** Prepares nothing more, and calls nobody back. */
  close(): void {
    this.#warming?.close();
  }

  #entry(modelConfigId: string, document: ConfigDocument, hasServed = false): ModelEntry {
    return finish(this.#entrySteps(modelConfigId, document, hasServed));
  }

  *#entrySteps(modelConfigId: string, document: ConfigDocument, hasServed: boolean): Steps<ModelEntry> {
    const earlier = this.#snapshot?.models.get(modelConfigId);
    const revision = documentRevision(document);
    const known = [this.#prepared.get(modelConfigId), earlier].find((entry) => entry?.revision === revision);
    if (known !== undefined) return this.#renumbered(this.#settled(known), document);
    const { config, problems, hash } = yield* this.#readSteps(modelConfigId, document);
    const lastGood = earlier?.config ?? null;
    // Other words for what serves need no preparation.
    const isBegun = config !== null && config.hash !== lastGood?.hash && this.#warming?.begin(revision, config) === true;
    const isWarming = isBegun && !hasServed;
    if (!isWarming) this.#warming?.forget(modelConfigId);
    return Object.freeze({
      modelConfigId,
      state: config === null ? 'rejected' : isWarming ? 'warming' : 'live',
      config: isWarming ? lastGood : (config ?? lastGood),
      candidate: isWarming ? config : null,
      problems: Object.freeze(problems),
      since: this.#now(),
      revision,
      hash: hash ?? revision,
      sourceRevision: sourceRevisionOf(document),
    });
  }

  /** An entry that waited, with what came out: a version that was refused may turn out to be right later. */
  #settled(entry: ModelEntry): ModelEntry {
    const { candidate, modelConfigId, revision } = entry;
    const verdict = candidate === null ? null : (this.#warming?.verdict(modelConfigId, revision) ?? null);
    if (verdict === null) return entry;
    const isRefused = hasErrors(verdict);
    if (isRefused && entry.state === 'rejected') return entry;
    if (!isRefused) this.#warming?.forget(modelConfigId);
    // An accepted version has no errors of its own: those it has came out the last time.
    const lastGood = this.#snapshot?.models.get(modelConfigId)?.config ?? null;
    return Object.freeze({
      ...entry,
      state: isRefused ? 'rejected' : 'live',
      config: isRefused ? lastGood : candidate,
      candidate: isRefused ? candidate : null,
      problems: Object.freeze([...entry.problems.filter(({ severity }) => severity !== 'error'), ...verdict]),
      since: this.#now(),
    });
  }

  #renumbered(entry: ModelEntry, document: ConfigDocument): ModelEntry {
    const sourceRevision = sourceRevisionOf(document);
    return entry.sourceRevision === sourceRevision ? entry : Object.freeze({ ...entry, sourceRevision });
  }

  *#readSteps(modelConfigId: string, document: ConfigDocument): Steps<ReadModel> {
    yield;
    const read = readDocument(document);
    yield;
    if ('problem' in read) return { config: null, problems: [read.problem], hash: null };
    const models = modelsIn(read.value, modelConfigId);
    const raw = models.size === 1 && models.has(modelConfigId) ? models.get(modelConfigId) : read.value;
    const { config, problems } = yield* checkSteps(modelConfigId, raw);
    if (config === null) return { config, problems, hash: null };
    yield;
    const all = [...problems, ...this.#askAcceptance(config)];
    return { config: hasErrors(all) ? null : config, problems: all, hash: config.hash };
  }

  #askAcceptance(config: ModelConfig): readonly Problem[] {
    try {
      return this.#accept?.(config) ?? [];
    } catch (error) {
      const message = `the model cannot be compiled: ${error instanceof Error ? error.message : String(error)}`;
      return [createProblem('INFERFLOW_CONFIG_REFUSED', '$', message)];
    }
  }

  /** Undefined if the settings are as before; the last good ones if the new ones have errors. */
  #service(document: ConfigDocument | undefined): ServiceResult | undefined {
    const isGiven = document !== undefined && !isAbsent(document);
    const revision = isGiven ? documentRevision(document) : 'absent';
    if (revision === this.#serviceRevision) return undefined;
    this.#serviceRevision = revision;
    const read = isGiven ? readDocument(document) : { value: undefined };
    const result = 'problem' in read ? { service: defaultServiceConfig, problems: [read.problem] } : parseServiceConfig(read.value);
    return hasErrors(result.problems) ? { service: this.#snapshot?.service ?? defaultServiceConfig, problems: result.problems } : result;
  }
}

interface ReadModel {
  readonly config: ModelConfig | null;
  readonly problems: readonly Problem[];
  /** Null where there is no config to be hashed. */
  readonly hash: string | null;
}

function sourceRevisionOf(document: ConfigDocument): string {
  return ('text' in document ? document.sourceRevision : undefined) ?? '';
}

/** A map that cannot be written to, not even by casting. */
class FrozenMap<K, V> extends Map<K, V> {
  constructor(entries: ReadonlyMap<K, V>) {
    super();
    for (const [key, value] of entries) super.set(key, value);
    Object.freeze(this);
  }

  override set(): this {
    throw new TypeError('a snapshot cannot be changed');
  }

  override delete(): boolean {
    throw new TypeError('a snapshot cannot be changed');
  }

  override clear(): void {
    throw new TypeError('a snapshot cannot be changed');
  }
}

/** Digests of ids and hashes are added up: a change of one model among thousands costs no look at the others. */
const digests = new WeakMap<ModelEntry, bigint>();

function snapshotHash(models: ReadonlyMap<string, ModelEntry>, service: ConfigSnapshot['service']): string {
  let sum = 0n;
  for (const entry of models.values()) {
    if (entry.config === null) continue;
    let digest = digests.get(entry);
    if (digest === undefined) {
      digest = BigInt(`0x${contentHash(JSON.stringify([entry.modelConfigId, entry.config.hash]))}`);
      digests.set(entry, digest);
    }
    sum += digest;
  }
  return contentHash(JSON.stringify([sum.toString(16), service.loggingType, service.compressionEnabled]));
}

function isSameMap(left: ReadonlyMap<string, ModelEntry>, right: ReadonlyMap<string, ModelEntry>): boolean {
  return left.size === right.size && [...right].every(([id, entry]) => left.get(id) === entry);
}
