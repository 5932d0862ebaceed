import { checkModelConfig } from '../check-model-config.js';
import { contentHash } from '../hash.js';
import type { ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import { defaultServiceConfig, parseServiceConfig, type ServiceResult } from '../parse/parse-service-config.js';
import { hasErrors, type Problem } from '../problem.js';
import type { ConfigSnapshot, ModelEntry } from '../snapshot.js';
import type { AcceptModel } from '../source.js';
import { type ConfigDocument, documentRevision, isAbsent, modelsIn, readDocument } from './model-document.js';

/** What a `SnapshotBuilder` needs from its surroundings. */
export interface SnapshotBuilderOptions {
  /** A last say before a config serves. @default every config without errors serves */
  readonly accept?: AcceptModel | undefined;
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
  #snapshot: ConfigSnapshot | null = null;
  #serviceRevision = '';
  #prepared = new Map<string, ModelEntry>();

  constructor(options: SnapshotBuilderOptions = {}) {
    this.#accept = options.accept;
    this.#now = options.now ?? Date.now;
  }

  /**
   * Reads one document ahead of `build`, which takes the result over if it meets the same document. A source with much to read does this
   * in small portions, so that requests are answered in between.
   */
  prepare(modelConfigId: string, document: ConfigDocument): void {
    if (!isAbsent(document)) this.#prepared.set(modelConfigId, this.#entry(modelConfigId, document));
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

  #entry(modelConfigId: string, document: ConfigDocument): ModelEntry {
    const earlier = this.#snapshot?.models.get(modelConfigId);
    const revision = documentRevision(document);
    if (earlier?.revision === revision) return earlier;
    const prepared = this.#prepared.get(modelConfigId);
    if (prepared?.revision === revision) return prepared;
    const { config, problems } = this.#read(modelConfigId, document);
    const lastGood = earlier?.config ?? null;
    return Object.freeze({
      modelConfigId,
      state: config !== null ? 'live' : lastGood !== null ? 'stale' : 'rejected',
      config: config ?? lastGood,
      problems: Object.freeze(problems),
      since: this.#now(),
      revision,
    });
  }

  #read(modelConfigId: string, document: ConfigDocument): { readonly config: ModelConfig | null; readonly problems: readonly Problem[] } {
    const read = readDocument(document);
    if ('problem' in read) return { config: null, problems: [read.problem] };
    const models = modelsIn(read.value, modelConfigId);
    const raw = models.size === 1 && models.has(modelConfigId) ? models.get(modelConfigId) : read.value;
    const { config, problems } = checkModelConfig(modelConfigId, raw);
    if (config === null) return { config, problems };
    const all = [...problems, ...this.#askAcceptance(config)];
    return { config: hasErrors(all) ? null : config, problems: all };
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

function snapshotHash(models: ReadonlyMap<string, ModelEntry>, service: ConfigSnapshot['service']): string {
  const serving = [...models.values()].flatMap(({ modelConfigId, config }) => (config === null ? [] : [[modelConfigId, config.hash]]));
  serving.sort(([left = ''], [right = '']) => (left < right ? -1 : 1));
  return contentHash(JSON.stringify([serving, service.loggingType, service.compressionEnabled]));
}

function isSameMap(left: ReadonlyMap<string, ModelEntry>, right: ReadonlyMap<string, ModelEntry>): boolean {
  return left.size === right.size && [...right].every(([id, entry]) => left.get(id) === entry);
}
