import { gunzipSync, gzipSync } from 'node:zlib';

/** How a version came to be. `found`: it was in etcd when something else replaced it, written by other means. */
export type HistoryAction = 'push' | 'rollback' | 'found';

/** One version of a model (or of the service settings) that was in etcd, and who wrote it. */
export interface HistoryEntry {
  /** Counts from 1 for each model. */
  readonly number: number;
  /** Null for the service settings. */
  readonly modelConfigId: string | null;
  readonly action: HistoryAction;
  /** When, ISO 8601. */
  readonly at: string;
  /** Who, as they said; empty for `found`. */
  readonly author: string;
  /** Why, as they said; may be empty. */
  readonly message: string;
  /** What it changed, a line each. */
  readonly summary: readonly string[];
  /** Hash of the compiled config, as servers show it; null for one that does not compile. */
  readonly hash: string | null;
  /** Hash of the text. */
  readonly textHash: string;
  /** For `rollback`: the number of the version that it brought back. */
  readonly restores?: number;
  /** The text as it was written; null if it was too large to be kept here. */
  readonly text: string | null;
  /** The store's revision when it was written. */
  readonly revision: number;
}

/** What a new entry says; number and revision come with the writing. */
export type NewHistoryEntry = Omit<HistoryEntry, 'revision'>;

/** Version of the format; entries of another are not read. */
const FORMAT = 1;
const NUMBER_DIGITS = 10;

/** Where the versions of a model (null: of the service settings) are. */
export function historyPrefix(base: string, modelConfigId: string | null): string {
  return modelConfigId === null ? `${base}/service/` : `${base}/models/${modelConfigId}/`;
}

/** The key of a version; keys sort as numbers do. */
export function historyKey(base: string, modelConfigId: string | null, number: number): string {
  return historyPrefix(base, modelConfigId) + String(number).padStart(NUMBER_DIGITS, '0');
}

/** The value of a version's key: JSON, with the text compressed so that both fit into one transaction. */
export function writeHistoryEntry(entry: NewHistoryEntry): string {
  const { text, ...rest } = entry;
  const compressed = text === null ? null : { encoding: 'gzip+base64', text: gzipSync(text, { level: 9 }).toString('base64') };
  return JSON.stringify({ format: FORMAT, ...rest, document: compressed });
}

/** Reads a version's value; null for anything that is none. */
export function readHistoryEntry(value: string, revision: number): HistoryEntry | null {
  try {
    const { format, document, ...rest } = JSON.parse(value) as HistoryEntry & { format: unknown; document: { text: string } | null };
    if (format !== FORMAT || !Number.isInteger(rest.number)) return null;
    const text = document === null ? null : gunzipSync(Buffer.from(document.text, 'base64')).toString();
    return { ...rest, summary: rest.summary ?? [], text, revision };
  } catch {
    return null;
  }
}
