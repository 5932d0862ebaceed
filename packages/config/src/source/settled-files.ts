import { join } from 'node:path';
import { type FileStamp, listModelFiles, parseFileName, readConfigFile, stampFile } from './directory-files.js';
import { type ConfigDocument, type DocumentFormat, isAbsent, readDocument } from './model-document.js';

/** A file must be left alone this long before it counts, so that one that is being written is not read. */
const SETTLE_MS = 60;
/** A fresh file that is empty or does not parse may be half of one: it is read again until it is this old. */
const RETRY_MS = 350;
/** Files that are looked at at the same time: a process may have only so many open, and shares them with its connections. */
const FILES_AT_ONCE = 32;

interface KnownFile {
  /** What was last taken over; undefined until then. */
  signature: string | undefined;
  document: ConfigDocument | undefined;
  /** A newer state that has not settled, `gone` for a deletion. */
  pending: string | undefined;
  pendingSince: number;
}

/** Names of the file with the service settings. */
const serviceNames = ['services.json', 'services.yaml', 'services.yml'];

/**
 * The files of a config directory as they were when nobody was writing them. Each scan takes over what has settled since the last;
 * what has not is left for the next one.
 */
export class SettledFiles {
  readonly #directory: string;
  readonly #models: string;
  readonly #known = new Map<string, KnownFile>();

  constructor(directory: string) {
    this.#directory = directory;
    this.#models = join(directory, 'models');
  }

  /** Reads what changed. True if something has still to settle. Rejects if the directory of models cannot be listed. */
  async scan(): Promise<boolean> {
    const listed = (await listModelFiles(this.#models)).map((name) => join('models', name));
    const names = [...new Set([...serviceNames, ...listed, ...this.#known.keys()])];
    let isPending = false;
    for (let at = 0; at < names.length; at += FILES_AT_ONCE) {
      const pending = await Promise.all(names.slice(at, at + FILES_AT_ONCE).map((name) => this.#update(name)));
      isPending ||= pending.includes(true);
    }
    return isPending;
  }

  /**
   * True if some known file no longer looks as it did, or could not be read then; looks at no more than `limit` files, beginning at a place
   * that moves on.
   */
  async hasChanged(from: number, limit: number): Promise<boolean> {
    const names = [...this.#known.keys()];
    const some = Array.from({ length: Math.min(limit, names.length) }, (_, index) => names[(from + index) % names.length] as string);
    const changed = await Promise.all(
      some.map(async (name) => {
        const file = this.#known.get(name);
        if (isUnreadable(file)) return true;
        return (await stampFile(join(this.#directory, name)))?.signature !== (file?.pending === undefined ? file?.signature : file.pending);
      }),
    );
    return changed.includes(true);
  }

  /** Documents of all models by id; of two files for one model, a note that there are two. */
  models(twoFiles: (names: readonly string[]) => ConfigDocument): ReadonlyMap<string, ConfigDocument> {
    const documents = new Map<string, ConfigDocument>();
    const names = new Map<string, string[]>();
    for (const [name, { document }] of [...this.#known].sort(([left], [right]) => (left < right ? -1 : 1))) {
      const parsed = name.startsWith('models') ? parseFileName(name.slice('models/'.length)) : undefined;
      if (parsed === undefined || document === undefined || isAbsent(document)) continue;
      const same = [...(names.get(parsed.modelConfigId) ?? []), name];
      names.set(parsed.modelConfigId, same);
      documents.set(parsed.modelConfigId, same.length === 1 ? document : twoFiles(same));
    }
    return documents;
  }

  /** The service settings, undefined if there are none; of two files with them, a note that there are two. */
  service(twoFiles: (names: readonly string[]) => ConfigDocument): ConfigDocument | undefined {
    const names = serviceNames.filter((name) => {
      const document = this.#known.get(name)?.document;
      return document !== undefined && !isAbsent(document);
    });
    return names.length > 1 ? twoFiles(names) : this.#known.get(names[0] ?? '')?.document;
  }

  async #update(name: string): Promise<boolean> {
    const path = join(this.#directory, name);
    const stamp = await stampFile(path);
    const file = this.#known.get(name);
    if (stamp === undefined && file === undefined) return false;
    const known = file ?? { signature: undefined, document: undefined, pending: undefined, pendingSince: 0 };
    this.#known.set(name, known);
    if (stamp?.signature === known.signature && stamp !== undefined && !isUnreadable(known)) {
      known.pending = undefined;
      return false;
    }
    const state = stamp?.signature ?? 'gone';
    if (known.pending !== state) {
      known.pending = state;
      known.pendingSince = performance.now();
    }
    if (!isOlder(stamp, known.pendingSince, SETTLE_MS)) return true;
    if (stamp === undefined) {
      this.#known.delete(name);
      return false;
    }
    return this.#take(name, path, stamp, known);
  }

  async #take(name: string, path: string, stamp: FileStamp, known: KnownFile): Promise<boolean> {
    const document = await readConfigFile(this.#directory, name, formatOf(name));
    if (document === undefined || (await stampFile(path))?.signature !== stamp.signature) return true;
    if (mayBeHalf(document) && !isOlder(stamp, known.pendingSince, RETRY_MS)) return true;
    known.signature = stamp.signature;
    known.document = document;
    known.pending = undefined;
    return false;
  }
}

/** Such a file may look as it did when it can be read again, as after too many had been open. */
function isUnreadable(file: KnownFile | undefined): boolean {
  return file?.document !== undefined && 'problem' in file.document;
}

/** By the file's own clock or by ours: clocks of file servers differ, and a renamed file keeps its old time. */
function isOlder(stamp: FileStamp | undefined, since: number, ms: number): boolean {
  return performance.now() - since >= ms || (stamp !== undefined && Date.now() - stamp.modifiedAt >= ms);
}

function mayBeHalf(document: ConfigDocument): boolean {
  return isAbsent(document) || 'problem' in readDocument(document);
}

function formatOf(name: string): DocumentFormat {
  return name.endsWith('.json') ? 'json' : 'yaml';
}
