import { checkModelConfig, readDocument } from '@inferflow/config';
import { EtcdWriteError, EtcdWriteErrorCode } from '../errors.js';
import { EtcdFailure } from '../etcd-failure.js';
import { openConnection } from '../open-connection.js';
import { type ComposedWrite, mapWith, WriteComposer } from './compose-writes.js';
import type { ConnectEtcdWriter, EtcdWriter } from './etcd-writer.js';
import { loadEtcd3Writers } from './etcd3-writer.js';
import {
  type HistoryAction,
  type HistoryEntry,
  historyKey,
  historyPrefix,
  type NewHistoryEntry,
  readHistoryEntry,
} from './history-entry.js';
import { checkModelId } from './model-id.js';
import { type ModelStoreOptions, type ResolvedModelStoreOptions, resolveModelStoreOptions } from './model-store-options.js';
import { type StoredModels, storedModels } from './stored-models.js';
import { textHash } from './text-hash.js';

/** A new version of a model, or of the service settings. */
export interface ModelWrite {
  /** Null for the service settings. */
  readonly modelConfigId: string | null;
  /** A JSON value. */
  readonly document: unknown;
  readonly action: Exclude<HistoryAction, 'found'>;
  /** What it changes, a line each, for the history. */
  readonly summary: readonly string[];
  /** The number of the version that is brought back. */
  readonly restores?: number;
}

/** Who writes, and why. */
export interface WriteAuthor {
  readonly author: string;
  readonly message?: string;
}

/** What became of a write. */
export interface WriteResult {
  /** The store's revision after the last transaction. */
  readonly revision: number;
  /** How many transactions it took: more than one only where the limits of etcd ask for it. */
  readonly transactions: number;
  /** The new version of each write, in their order. */
  readonly entries: readonly HistoryEntry[];
}

/**
 * Reads and writes the models of a service in etcd. Nothing is kept open in between: each call makes a connection, which reads
 * certificates and logs in anew, and ends after the deadlines of a few calls at the latest. All calls reject with `EtcdFailure` if etcd
 * cannot be used, and with `EtcdWriteError` if a write is refused.
 */
export interface ModelStore {
  /** Where the keys are, such as `/config/inferflow/services/shop/model-config`. */
  readonly base: string;
  /** Everything under the base. */
  read(): Promise<StoredModels>;
  /**
   * Writes all or nothing, provided that every key is still as it was read; each version gets an entry in the history. More than the limits
   * of etcd take at once goes in several transactions, of which the first that fails is the last.
   */
  write(stored: StoredModels, writes: readonly ModelWrite[], author: WriteAuthor): Promise<WriteResult>;
  /** How many transactions a write would take. */
  countTransactions(stored: StoredModels, writes: readonly ModelWrite[], author: WriteAuthor): Promise<number>;
  /** The versions of a model (null: of the service settings), oldest first; empty if there is no history. */
  history(modelConfigId: string | null): Promise<readonly HistoryEntry[]>;
}

/** How many histories are looked up at the same time. */
const LOOKUPS = 16;

/** @throws EtcdSourceError if options are wrong */
export function createModelStore(options: ModelStoreOptions): ModelStore {
  return new EtcdModelStore(resolveModelStoreOptions(options), null);
}

/** @internal The same over another client. */
export function createModelStoreWith(options: ModelStoreOptions, connect: ConnectEtcdWriter): ModelStore {
  return new EtcdModelStore(resolveModelStoreOptions(options), connect);
}

class EtcdModelStore implements ModelStore {
  readonly base: string;
  readonly #options: ResolvedModelStoreOptions;
  #connect: ConnectEtcdWriter | null;

  constructor(options: ResolvedModelStoreOptions, connect: ConnectEtcdWriter | null) {
    this.base = options.base;
    this.#options = options;
    this.#connect = connect;
  }

  read(): Promise<StoredModels> {
    return this.#with(async (writer) => storedModels(this.base, await writer.range(`${this.base}/`)), `read access to ${this.base}/`);
  }

  async history(modelConfigId: string | null): Promise<readonly HistoryEntry[]> {
    if (modelConfigId !== null) checkModelId(modelConfigId);
    const prefix = historyPrefix(this.#options.historyBase, modelConfigId);
    const { entries } = await this.#with((writer) => writer.range(prefix), `read access to ${this.#options.historyBase}/`);
    return entries
      .flatMap(({ text, modRevision }) => readHistoryEntry(text, modRevision) ?? [])
      .sort((left, right) => left.number - right.number);
  }

  async countTransactions(stored: StoredModels, writes: readonly ModelWrite[], author: WriteAuthor): Promise<number> {
    return (await this.#prepare(stored, writes, author)).batches.length;
  }

  async write(stored: StoredModels, writes: readonly ModelWrite[], author: WriteAuthor): Promise<WriteResult> {
    const { composer, batches } = await this.#prepare(stored, writes, author);
    let map = stored.keys.map === null ? null : { text: stored.keys.map.text, modRevision: stored.keys.map.modRevision };
    let revision = stored.revision;
    const entries: HistoryEntry[] = [];
    for (const batch of batches) {
      revision = await this.#commit(composer, batch, map, stored.revision, entries);
      if (map !== null) map = { text: mapWith(map.text, batch), modRevision: revision };
      for (const write of batch) entries.push(...write.entries.slice(-1).map((entry) => ({ ...entry, revision })));
    }
    return { revision, transactions: batches.length, entries };
  }

  async #prepare(stored: StoredModels, writes: readonly ModelWrite[], author: WriteAuthor) {
    for (const { modelConfigId } of writes) if (modelConfigId !== null) checkModelId(modelConfigId);
    if (stored.mapProblem !== undefined) {
      throw new EtcdWriteError(EtcdWriteErrorCode.unwritable, `nothing can be written: ${stored.mapProblem.message}; mend that key first`);
    }
    const newest = await this.#newest(writes.map(({ modelConfigId }) => modelConfigId));
    const at = new Date().toISOString();
    const composed = writes.map((write) => composeWrite(stored, write, newest.get(write.modelConfigId) ?? null, { ...author, at }));
    const composer = new WriteComposer(stored.keys, this.#options.historyBase, this.#options.limits);
    return { composer, batches: composer.split(composed) };
  }

  async #newest(ids: readonly (string | null)[]): Promise<ReadonlyMap<string | null, HistoryEntry | null>> {
    const found = new Map<string | null, HistoryEntry | null>();
    await this.#with(async (writer) => {
      for (let from = 0; from < ids.length; from += LOOKUPS) {
        const lookups = ids.slice(from, from + LOOKUPS).map(async (id) => {
          const last = await writer.last(historyPrefix(this.#options.historyBase, id));
          found.set(id, last === null ? null : readHistoryEntry(last.text, last.modRevision));
        });
        await Promise.all(lookups);
      }
    }, `read access to ${this.#options.historyBase}/`);
    return found;
  }

  /** @returns the revision of the transaction */
  async #commit(
    composer: WriteComposer,
    batch: readonly ComposedWrite[],
    map: { readonly text: string; readonly modRevision: number } | null,
    readRevision: number,
    written: readonly HistoryEntry[],
  ): Promise<number> {
    const transaction = composer.compose(batch, map);
    const need = `write access to ${this.base}/ and ${this.#options.historyBase}/`;
    try {
      const { succeeded, revision } = await this.#with((writer) => writer.commit(transaction), need);
      if (succeeded) return revision;
    } catch (error) {
      if (!(error instanceof EtcdFailure) || !unanswered.has(error.kind)) throw withWritten(error, written);
      const revision = await this.#revisionOf(batch, error);
      if (revision !== null) return revision;
      throw withWritten(new EtcdFailure(error.kind, `${error.message}; nothing was written`, { cause: error }), written);
    }
    throw withWritten(new EtcdWriteError(EtcdWriteErrorCode.lostRace, await this.#whoWon(batch, readRevision)), written);
  }

  /** Whether a transaction whose answer never came was made all the same; null if not. */
  async #revisionOf(batch: readonly ComposedWrite[], failure: EtcdFailure): Promise<number | null> {
    const [first] = batch;
    const entry = first?.entries.at(-1);
    if (first === undefined || entry === undefined) return null;
    const key = historyKey(this.#options.historyBase, first.modelConfigId, entry.number);
    try {
      const found = await this.#with((writer) => writer.last(key), '');
      const read = found === null ? null : readHistoryEntry(found.text, found.modRevision);
      return read !== null && read.at === entry.at && read.author === entry.author && read.textHash === entry.textHash
        ? read.revision
        : null;
    } catch (cause) {
      const message = `${failure.message}; whether it was written is not known: look with inferflow history ${first.modelConfigId ?? ''}`;
      throw new EtcdFailure(failure.kind, message, { cause });
    }
  }

  /** Names who wrote in between, as far as the history knows. */
  async #whoWon(batch: readonly ComposedWrite[], readRevision: number): Promise<string> {
    const now = await this.#newest(batch.map(({ modelConfigId }) => modelConfigId));
    const pushes = batch.flatMap(({ modelConfigId }) => {
      const latest = now.get(modelConfigId) ?? null;
      if (latest === null || latest.revision <= readRevision) return [];
      return [`${nameOf(modelConfigId)} was written by ${latest.author} at ${latest.at} (${latest.action}, version ${latest.number})`];
    });
    const who =
      pushes.length > 0 ? pushes.join('; ') : 'one of its keys was written by other means than inferflow push, such as a control plane';
    return `etcd was changed since it was read, and nothing was written: ${who}. Look at what is there now, and push again`;
  }

  async #with<T>(use: (writer: EtcdWriter) => Promise<T>, need: string): Promise<T> {
    this.#connect ??= await loadEtcd3Writers(this.#options);
    try {
      // The prefix of the base may be read with every role that is good for anything here.
      const writer = await openConnection(this.#options.endpoints, 0, this.#connect, `${this.base}/`);
      try {
        return await use(writer);
      } finally {
        writer.close();
      }
    } catch (error) {
      if (!(error instanceof EtcdFailure) || error.kind !== 'forbidden' || need === '') throw error;
      const endpoint = /^etcd at \S+(?=:\s)/.exec(error.message)?.[0] ?? 'etcd';
      throw new EtcdFailure('forbidden', `${endpoint}: the user lacks permission; it needs ${need}`, { cause: error });
    }
  }
}

/** Failures after which a request may have been carried out. */
const unanswered: ReadonlySet<EtcdFailure['kind']> = new Set(['timeout', 'unreachable', 'no-leader', 'other']);

function nameOf(modelConfigId: string | null): string {
  return modelConfigId === null ? 'the service settings' : modelConfigId;
}

/** A write of several transactions says what is written already. */
function withWritten(error: unknown, written: readonly HistoryEntry[]): unknown {
  if (written.length === 0 || !(error instanceof Error)) return error;
  const names = written.map(({ modelConfigId }) => nameOf(modelConfigId)).join(', ');
  const message = `${error.message}. Written before, in transactions of their own: ${names}`;
  if (error instanceof EtcdWriteError) return new EtcdWriteError(error.code, message, { cause: error });
  return error instanceof EtcdFailure ? new EtcdFailure(error.kind, message, { cause: error }) : error;
}

function composeWrite(
  stored: StoredModels,
  write: ModelWrite,
  newest: HistoryEntry | null,
  { author, message = '', at }: WriteAuthor & { readonly at: string },
): ComposedWrite {
  const { modelConfigId, action, summary, restores } = write;
  // What JSON makes of the value, so that hashes are those of what is read back.
  const document = modelConfigId === null ? withForeignSettings(stored, write.document) : write.document;
  const text = JSON.stringify(JSON.parse(JSON.stringify(document)));
  const found = foundEntry(stored, modelConfigId, newest, at);
  const entry: NewHistoryEntry = {
    number: (found ?? newest)?.number === undefined ? 1 : (found ?? newest)!.number + 1,
    ...{ modelConfigId, action, at, author, message, summary },
    hash: hashOf(modelConfigId, text),
    textHash: textHash(text),
    ...(restores !== undefined && { restores }),
    text,
  };
  return { modelConfigId, text, entries: found === null ? [entry] : [found, entry] };
}

/** Settings that others keep in the same value stay. */
function withForeignSettings({ service }: StoredModels, settings: unknown): unknown {
  const read = service === undefined ? { value: {} } : readDocument(service);
  if ('problem' in read || typeof read.value !== 'object' || read.value === null || Array.isArray(read.value)) return settings;
  const isOurs = (name: string): boolean => ['v2loggingtype', 'compressionenabled'].includes(name.toLowerCase().replace(/[-_]/g, ''));
  const foreign = Object.entries(read.value).filter(([name]) => !isOurs(name));
  return { ...Object.fromEntries(foreign), ...(settings as object) };
}

/** What is in etcd now, if the history does not have it: so that every version that is replaced can be brought back. */
function foundEntry(stored: StoredModels, modelConfigId: string | null, newest: HistoryEntry | null, at: string): NewHistoryEntry | null {
  const document = modelConfigId === null ? stored.service : stored.models.get(modelConfigId)?.document;
  if (document === undefined || !('text' in document) || newest?.textHash === textHash(document.text)) return null;
  return {
    number: (newest?.number ?? 0) + 1,
    ...{ modelConfigId, action: 'found', at, author: '', message: '', summary: ['what was in etcd, written by other means'] },
    hash: hashOf(modelConfigId, document.text),
    textHash: textHash(document.text),
    text: document.text,
  };
}

function hashOf(modelConfigId: string | null, text: string): string | null {
  if (modelConfigId === null) return null;
  const read = readDocument({ text, format: 'json' });
  return 'problem' in read ? null : (checkModelConfig(modelConfigId, read.value).config?.hash ?? null);
}
