import { type ConfigDocument, type Problem, readDocument } from '@inferflow/config';
import { FoundKeys, type KeyEntry, type Part, type Place, partOrder, placeOf } from './key-places.js';

/** What the keys under a base say. */
export interface LayoutDocuments {
  /** Documents by exact model id. */
  readonly models: ReadonlyMap<string, ConfigDocument>;
  /** Ids of models whose keys are there without content: deleted they are not. */
  readonly emptied: ReadonlySet<string>;
  /** The service settings, undefined if there are none. */
  readonly service: ConfigDocument | undefined;
  /** Set when all models are in one key and that cannot be read: nothing is known about any model then, and `models` is empty. */
  readonly mapProblem: Problem | undefined;
  /** Keys that mean nothing here, sorted. */
  readonly ignoredKeys: readonly string[];
}

/** The base of a service's keys. */
export function configBase(appName: string): string {
  return `/config/inferflow/services/${appName}/model-config`;
}

/** Reads the keys under a base once. @see KeyLayout */
export function readKeyLayout(base: string, entries: Iterable<KeyEntry>): LayoutDocuments {
  return new KeyLayout(base).read(entries);
}

/**
 * Turns the keys under a base into documents, in all forms that are in use:
 *
 * ```
 * <base>/config-map/<id>                         one model
 * <base>/config-map                              an object of all models; with data in it, the keys below it do not count
 * <base>/config-map/<id>/component-config        one part of a model, beside dag-execution-config and response-config
 * <base>/service-config                          an object with the settings; with data in it, the keys below it do not count
 * <base>/service-config/v2-logging-type          one setting as plain text, like compression-enabled
 * ```
 *
 * Path words match without regard to case and dashes (`configMap`, `config-map`); ids are exact. A key without content says nothing,
 * a key that fits nowhere is ignored. Unchanged entries give the same document objects again.
 */
export class KeyLayout {
  readonly #base: string;
  readonly #places = new WeakMap<KeyEntry, Place>();
  readonly #documents = new WeakMap<KeyEntry, ConfigDocument>();
  #composed = new Map<string, Composed>();
  #service: { readonly from: readonly KeyEntry[]; readonly document: ConfigDocument } | null = null;
  #map: { readonly from: KeyEntry; readonly result: MapResult } | null = null;
  /** Models of the one key of all when it could last be read, while it is there and they have no other key. */
  #inMap: readonly string[] = [];

  /** @param base without a slash at its end */
  constructor(base: string) {
    this.#base = base;
  }

  /** Entries under the base; others are ignored. */
  read(entries: Iterable<KeyEntry>): LayoutDocuments {
    const found = new FoundKeys();
    const without = new FoundKeys();
    for (const entry of entries) (entry.text.trim() === '' ? without : found).add(entry, this.#placeOf(entry));
    const map = found.map === null ? null : this.#readMap(found.map);
    const models = map?.models ?? this.#models(found);
    return {
      models,
      emptied: map === null ? this.#emptied(without, models) : new Set(),
      service: this.#readService(found),
      mapProblem: map?.problem,
      ignoredKeys: found.ignored.sort(),
    };
  }

  #placeOf(entry: KeyEntry): Place {
    let place = this.#places.get(entry);
    if (place === undefined) {
      place = placeOf(this.#base, entry.key);
      this.#places.set(entry, place);
    }
    return place;
  }

  #models(found: FoundKeys): ReadonlyMap<string, ConfigDocument> {
    const models = new Map<string, ConfigDocument>();
    const composed = new Map<string, Composed>();
    for (const [id, entry] of found.models) models.set(id, this.#document(entry));
    for (const [id, byPart] of found.parts) {
      // A whole model in one key wins over its parts.
      if (models.has(id)) continue;
      const before = this.#composed.get(id);
      const now = before !== undefined && isSameParts(before.from, byPart) ? before : { from: byPart, document: compose(byPart) };
      composed.set(id, now);
      models.set(id, now.document);
    }
    this.#composed = composed;
    return models;
  }

  #emptied(without: FoundKeys, models: ReadonlyMap<string, ConfigDocument>): ReadonlySet<string> {
    this.#inMap = without.map === null ? [] : this.#inMap.filter((id) => !models.has(id));
    return new Set([...without.models.keys(), ...without.parts.keys(), ...this.#inMap].filter((id) => !models.has(id)));
  }

  #document(entry: KeyEntry): ConfigDocument {
    let document = this.#documents.get(entry);
    if (document === undefined) {
      document = documentOf(entry.text, entry.revision);
      this.#documents.set(entry, document);
    }
    return document;
  }

  #readMap(entry: KeyEntry): MapResult {
    if (this.#map?.from !== entry) this.#map = { from: entry, result: splitMap(entry) };
    const { result } = this.#map;
    if (result.problem === undefined) this.#inMap = [...result.models.keys()];
    return result;
  }

  #readService(found: FoundKeys): ConfigDocument | undefined {
    if (found.service !== null) return this.#document(found.service);
    const fields = [...found.serviceFields];
    if (fields.length === 0) return undefined;
    const from = fields.map(([, entry]) => entry);
    if (this.#service === null || !isSameList(this.#service.from, from)) {
      const value = Object.fromEntries(
        fields.map(([field, { text }]) => [field, field === 'compression-enabled' ? parseBool(text) : text]),
      );
      this.#service = { from, document: { text: JSON.stringify(value), format: 'json' } };
    }
    return this.#service.document;
  }
}

interface Composed {
  readonly from: ReadonlyMap<Part, KeyEntry>;
  readonly document: ConfigDocument;
}

interface MapResult {
  readonly models: ReadonlyMap<string, ConfigDocument>;
  readonly problem: Problem | undefined;
}

/** Each model gets a text of its own, so that a change of one is a change of one. */
function splitMap({ key, text, revision }: KeyEntry): MapResult {
  const read = readDocument({ text, format: 'json' });
  if ('problem' in read) return { models: new Map(), problem: { ...read.problem, message: `${key} is ${read.problem.message}` } };
  const { value } = read;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const found = value === null ? 'null' : Array.isArray(value) ? 'a list' : `a ${typeof value}`;
    const message = `${key} should hold an object of models by id, found ${found}`;
    return {
      models: new Map(),
      problem: { severity: 'error', code: 'INFERFLOW_CONFIG_WRONG_TYPE', path: '$', message, found, expected: 'an object' },
    };
  }
  const models = new Map<string, ConfigDocument>();
  // An editor's schema is no model.
  for (const [id, model] of Object.entries(value)) if (id !== '$schema') models.set(id, memberDocument(model, revision));
  return { models, problem: undefined };
}

function memberDocument(model: unknown, revision: number | undefined): ConfigDocument {
  try {
    return documentOf(JSON.stringify(model), revision);
  } catch {
    // What was parsed can be written again, unless it is deeper than the call stack.
    const [code, message] = ['INFERFLOW_CONFIG_TOO_DEEP', 'more than 100 levels is not accepted here'];
    return { problem: { severity: 'error', code, path: '$', message, expected: 'a JSON value' } };
  }
}

function compose(byPart: ReadonlyMap<Part, KeyEntry>): ConfigDocument {
  const members: string[] = [];
  let newest = 0;
  for (const part of partOrder) {
    const entry = byPart.get(part);
    if (entry === undefined) continue;
    const read = readDocument({ text: entry.text, format: 'json' });
    if ('problem' in read) {
      return { problem: { ...read.problem, path: `$.${part}`, message: `the key of ${part} is ${read.problem.message}` } };
    }
    // A byte order mark is fine at the beginning of a text only.
    members.push(`${JSON.stringify(part)}:${entry.text.replace(/^\uFEFF/, '')}`);
    newest = Math.max(newest, entry.revision ?? 0);
  }
  return documentOf(`{${members.join(',')}}`, newest);
}

function documentOf(text: string, revision = 0): ConfigDocument {
  return { text, format: 'json', ...(revision > 0 && { sourceRevision: String(revision) }) };
}

/** The spellings that Go reads; anything else stays text, for the check of the settings to refuse. */
function parseBool(text: string): boolean | string {
  const trimmed = text.trim();
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(trimmed)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(trimmed)) return false;
  return trimmed;
}

function isSameParts(left: ReadonlyMap<Part, KeyEntry>, right: ReadonlyMap<Part, KeyEntry>): boolean {
  return left.size === right.size && [...right].every(([part, entry]) => left.get(part) === entry);
}

function isSameList<T>(left: readonly T[], right: readonly T[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index]);
}
