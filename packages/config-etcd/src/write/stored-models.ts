import type { ConfigDocument, Problem } from '@inferflow/config';
import type { EtcdEntry, EtcdRange } from '../etcd-connection.js';
import { KeyLayout } from '../key-layout.js';
import { FoundKeys, placeOf } from '../key-places.js';

/** Where a model is kept: in a key of its own, in the one key of all models, or in a key for each of its parts. */
export type ModelForm = 'key' | 'map' | 'parts';

/** A model as etcd holds it. */
export interface StoredModel {
  readonly modelConfigId: string;
  readonly document: ConfigDocument;
  readonly form: ModelForm;
  /** The store's revision when it was last written; of a model in the one key of all models, when that key was. */
  readonly modRevision: number;
}

/** Everything under a base at one revision. What is written later is held against it. */
export interface StoredModels {
  /** The store's revision of the read. */
  readonly revision: number;
  readonly models: ReadonlyMap<string, StoredModel>;
  /** The service settings, undefined if there are none. */
  readonly service: ConfigDocument | undefined;
  /** Set when all models are in one key and that cannot be read: nothing can be written then. */
  readonly mapProblem: Problem | undefined;
  readonly ignoredKeys: readonly string[];
  /** @internal The keys behind it. */
  readonly keys: StoredKeys;
}

/** @internal The keys that hold models and settings, for comparing and replacing them. */
export interface StoredKeys {
  readonly base: string;
  /** The one key of all models, null if there is none with data. */
  readonly map: EtcdEntry | null;
  readonly models: ReadonlyMap<string, EtcdEntry>;
  readonly parts: ReadonlyMap<string, readonly EtcdEntry[]>;
  readonly service: EtcdEntry | null;
  /** By key, those without data too. */
  readonly revisions: ReadonlyMap<string, number>;
}

/** Sorts what was read under a base. */
export function storedModels(base: string, { entries, revision }: Pick<EtcdRange, 'entries' | 'revision'>): StoredModels {
  const found = new FoundKeys<EtcdEntry>();
  for (const entry of entries) if (entry.text.trim() !== '') found.add(entry, placeOf(base, entry.key));
  const documents = new KeyLayout(base).read(entries);
  const parts = new Map([...found.parts].map(([id, byPart]) => [id, [...byPart.values()]]));
  const keys: StoredKeys = {
    base,
    map: found.map,
    models: found.models,
    parts,
    service: found.service,
    revisions: new Map(entries.map(({ key, modRevision }) => [key, modRevision])),
  };
  const models = new Map<string, StoredModel>();
  for (const [modelConfigId, document] of documents.models) {
    models.set(modelConfigId, { modelConfigId, document, ...placeIn(keys, modelConfigId) });
  }
  return { revision, models, service: documents.service, mapProblem: documents.mapProblem, ignoredKeys: documents.ignoredKeys, keys };
}

function placeIn(keys: StoredKeys, modelConfigId: string): Pick<StoredModel, 'form' | 'modRevision'> {
  if (keys.map !== null) return { form: 'map', modRevision: keys.map.modRevision };
  const own = keys.models.get(modelConfigId);
  if (own !== undefined) return { form: 'key', modRevision: own.modRevision };
  const parts = keys.parts.get(modelConfigId) ?? [];
  return { form: 'parts', modRevision: Math.max(0, ...parts.map(({ modRevision }) => modRevision)) };
}
