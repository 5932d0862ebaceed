import { EtcdWriteError, EtcdWriteErrorCode } from '../errors.js';
import type { EtcdTransaction } from './etcd-writer.js';
import { historyKey, historyPrefix, type NewHistoryEntry, writeHistoryEntry } from './history-entry.js';
import type { StoredKeys } from './stored-models.js';

/** One model (null: the service settings) with the text to be written and the versions that its history gains, oldest first. */
export interface ComposedWrite {
  readonly modelConfigId: string | null;
  readonly text: string;
  readonly entries: readonly NewHistoryEntry[];
}

/** What etcd takes in one request. */
export interface WriteLimits {
  readonly requestBytes: number;
  readonly operations: number;
  /** How many versions of a model are kept. */
  readonly keptVersions: number;
}

/** Bytes that a key costs beside its name and value, generously; and those of the request itself. */
const OPERATION_BYTES = 48;
const REQUEST_BYTES = 2048;

interface Operations {
  readonly compare: readonly { readonly key: string; readonly modRevision: number }[];
  readonly put: readonly { readonly key: string; readonly text: string }[];
  readonly delete: readonly { readonly from: string; readonly to: string }[];
}

/** Puts writes into transactions: one if the limits of etcd allow it, else as few as possible, in the order given. */
export class WriteComposer {
  readonly #keys: StoredKeys;
  readonly #historyBase: string;
  readonly #limits: WriteLimits;
  readonly #entryTexts = new WeakMap<NewHistoryEntry, string>();

  constructor(keys: StoredKeys, historyBase: string, limits: WriteLimits) {
    this.#keys = keys;
    this.#historyBase = historyBase;
    this.#limits = limits;
  }

  /**
   * The writes of each transaction.
   * @throws EtcdWriteError if a single one does not fit
   */
  split(writes: readonly ComposedWrite[]): readonly (readonly ComposedWrite[])[] {
    const batches: ComposedWrite[][] = [];
    let current: ComposedWrite[] = [];
    for (const write of writes) {
      if (current.length > 0 && !this.#fits([...current, write])) {
        batches.push(current);
        current = [];
      }
      current.push(current.length === 0 ? this.#shrunk(write) : write);
    }
    if (current.length > 0) batches.push(current);
    return batches;
  }

  /**
   * The transaction of a batch.
   * @param map value and revision of the one key of all models, as it will be when its turn comes; null if there is none
   */
  compose(batch: readonly ComposedWrite[], map: { readonly text: string; readonly modRevision: number } | null): EtcdTransaction {
    const perWrite = batch.map((write) => this.#operations(write));
    const models = batch.filter(({ modelConfigId }) => modelConfigId !== null);
    const ofMap =
      this.#keys.map === null || map === null || models.length === 0 ? null : this.#mapOperations(this.#keys.map.key, models, map);
    const all = ofMap === null ? perWrite : [ofMap, ...perWrite];
    // A key of all models that appears meanwhile would hide what is written below it.
    const guard = this.#keys.map === null && models.length > 0 ? [this.#unchanged(`${this.#keys.base}/config-map`)] : [];
    return {
      compare: [...guard, ...all.flatMap(({ compare }) => compare)],
      put: all.flatMap(({ put }) => put),
      delete: all.flatMap((operations) => operations.delete),
    };
  }

  /** A text that fits by itself but not beside its copies in the history is kept without them, the oldest first. */
  #shrunk(write: ComposedWrite): ComposedWrite {
    for (let dropped = 0; dropped <= write.entries.length; dropped++) {
      const entries = write.entries.map((entry, index) => (index < dropped ? { ...entry, text: null } : entry));
      if (this.#fits([{ ...write, entries }])) return { ...write, entries };
    }
    const size = this.#bytes(this.compose([write], this.#currentMap()));
    const what = write.modelConfigId === null ? 'the service settings' : `model ${JSON.stringify(write.modelConfigId)}`;
    const message = `${what}: the request would have ${size} bytes, etcd takes ${this.#limits.requestBytes}; ${this.#keys.map === null ? 'the configuration is too large' : 'all models are in one key, which cannot grow further: give each a key of its own'}`;
    throw new EtcdWriteError(EtcdWriteErrorCode.tooLarge, message);
  }

  #fits(batch: readonly ComposedWrite[]): boolean {
    const transaction = this.compose(batch, this.#currentMap());
    const operations = Math.max(transaction.compare.length, transaction.put.length + transaction.delete.length);
    return operations <= this.#limits.operations && this.#bytes(transaction) <= this.#limits.requestBytes;
  }

  #bytes({ compare, put, delete: deletions }: EtcdTransaction): number {
    const texts = [
      ...compare.map(({ key }) => [key]),
      ...put.map(({ key, text }) => [key, text]),
      ...deletions.map(({ from, to }) => [from, to]),
    ];
    return (
      REQUEST_BYTES + texts.reduce((sum, parts) => sum + OPERATION_BYTES + parts.reduce((own, part) => own + Buffer.byteLength(part), 0), 0)
    );
  }

  #currentMap(): { readonly text: string; readonly modRevision: number } | null {
    return this.#keys.map;
  }

  #operations({ modelConfigId, text, entries }: ComposedWrite): Operations {
    const history = this.#historyOperations(modelConfigId, entries);
    if (modelConfigId === null) {
      const key = this.#keys.service?.key ?? `${this.#keys.base}/service-config`;
      return { ...history, compare: [this.#unchanged(key), ...history.compare], put: [{ key, text }, ...history.put] };
    }
    if (this.#keys.map !== null) return history;
    const own = this.#keys.models.get(modelConfigId);
    const key = own?.key ?? `${this.#keys.base}/config-map/${modelConfigId}`;
    // A model in parts becomes one key: fields beside the three parts have no place otherwise.
    const parts = own === undefined ? (this.#keys.parts.get(modelConfigId) ?? []) : [];
    return {
      compare: [this.#unchanged(key), ...parts.map((part) => this.#unchanged(part.key)), ...history.compare],
      put: [{ key, text }, ...history.put],
      delete: [...parts.map((part) => ({ from: part.key, to: `${part.key}\0` })), ...history.delete],
    };
  }

  #mapOperations(
    key: string,
    models: readonly ComposedWrite[],
    { text, modRevision }: { readonly text: string; readonly modRevision: number },
  ): Operations {
    return { compare: [{ key, modRevision }], put: [{ key, text: mapWith(text, models) }], delete: [] };
  }

  #historyOperations(modelConfigId: string | null, entries: readonly NewHistoryEntry[]): Operations {
    const put = entries.map((entry) => ({
      key: historyKey(this.#historyBase, modelConfigId, entry.number),
      text: this.#entryText(entry),
    }));
    const newest = entries.at(-1)?.number ?? 0;
    const oldest = newest - this.#limits.keptVersions + 1;
    const prefix = historyPrefix(this.#historyBase, modelConfigId);
    const remove = oldest > 1 ? [{ from: prefix, to: historyKey(this.#historyBase, modelConfigId, oldest) }] : [];
    return { compare: put.map(({ key }) => ({ key, modRevision: 0 })), put, delete: remove };
  }

  /** Compressing is worth doing once. */
  #entryText(entry: NewHistoryEntry): string {
    const text = this.#entryTexts.get(entry) ?? writeHistoryEntry(entry);
    this.#entryTexts.set(entry, text);
    return text;
  }

  #unchanged(key: string): { readonly key: string; readonly modRevision: number } {
    return { key, modRevision: this.#keys.revisions.get(key) ?? 0 };
  }
}

/** The one value of all models with some of them replaced. */
export function mapWith(text: string, models: readonly ComposedWrite[]): string {
  // Servers take a byte order mark for what it is.
  const map = new Map<string, unknown>(Object.entries(JSON.parse(text.replace(/^\uFEFF/, '')) as object));
  for (const { modelConfigId, text: model } of models) if (modelConfigId !== null) map.set(modelConfigId, JSON.parse(model));
  const members = [...map].map(([id, model]) => `${JSON.stringify(id)}:${JSON.stringify(model)}`);
  return `{${members.join(',')}}`;
}
