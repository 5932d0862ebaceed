import type { EtcdEntry, EtcdEvent, EtcdHeader, EtcdRange } from './etcd-connection.js';
import type { KeyEntry } from './key-places.js';

/** How far a mirror has read, in a form that survives a restart. */
export interface MirrorPosition extends EtcdHeader {
  /** Revision of every key when it was last written. */
  readonly modRevisions: Readonly<Record<string, number>>;
}

/**
 * The keys of a prefix as they are in etcd, kept up to date by reads and events, and the judge of whether a store is still the one
 * that was read before: a store that was set up anew or put back from a backup has lost data, and what it lacks says nothing.
 */
export class ConfigMirror {
  #entries = new Map<string, KeyEntry>();
  #header: EtcdHeader | null = null;
  /** Of the keys at `#header`; apart from the entries because after a start only these are known. */
  #modRevisions = new Map<string, number>();
  /** Keys that were gone for a moment at least, since somebody asked. */
  #vanished = new Set<string>();
  /** Revision of the last complete read. */
  #readRevision = 0;

  /** Current entries; an entry that has not changed is the same object as before. */
  get entries(): Iterable<KeyEntry> {
    return this.#entries.values();
  }

  /** Everything up to this revision is in the entries; null before the first read. */
  get header(): EtcdHeader | null {
    return this.#header;
  }

  get position(): MirrorPosition | null {
    return this.#header === null ? null : { ...this.#header, modRevisions: Object.fromEntries(this.#modRevisions) };
  }

  /** Whether the entries have been read, rather than only the position restored. */
  get hasRead(): boolean {
    return this.#readRevision > 0;
  }

  /**
   * Keys that are there and were deleted since the last call: what they held before is over, although nobody may have seen them gone.
   */
  takeRevived(): ReadonlySet<string> {
    const revived = new Set([...this.#vanished].filter((key) => this.#entries.has(key)));
    this.#vanished.clear();
    return revived;
  }

  /** Continues from where an earlier process had read. */
  restore(position: MirrorPosition): void {
    this.#header = { clusterId: position.clusterId, revision: position.revision };
    this.#modRevisions = new Map(Object.entries(position.modRevisions));
  }

  /**
   * Takes over a complete read.
   * @returns why this is not the store that was read before; null if it is, so that a missing key was deleted
   */
  resync(range: EtcdRange): string | null {
    const loss = this.#lossIn(range);
    // What was made after our last revision and was there before has been deleted in between.
    const since = this.#header?.revision ?? Number.POSITIVE_INFINITY;
    if (loss === null)
      for (const { key, createRevision } of range.entries)
        if (createRevision > since && this.#modRevisions.has(key)) this.#vanished.add(key);
    const entries = new Map<string, KeyEntry>();
    for (const entry of range.entries) entries.set(entry.key, this.#reuse(entry));
    this.#entries = entries;
    this.#modRevisions = new Map(range.entries.map(({ key, modRevision }) => [key, modRevision]));
    this.#header = { clusterId: range.clusterId, revision: range.revision };
    this.#readRevision = range.revision;
    return loss;
  }

  /**
   * Takes over events; those that the last read already had do nothing.
   * @param revision everything up to it has been delivered with these events
   * @returns true if something changed
   */
  apply(events: readonly EtcdEvent[], revision: number): boolean {
    const header = this.#header;
    if (header === null) return false;
    let isChanged = false;
    let newest = Math.max(header.revision, revision);
    for (const { key, text, modRevision } of events) {
      if (modRevision <= this.#readRevision || modRevision < (this.#modRevisions.get(key) ?? 0)) continue;
      newest = Math.max(newest, modRevision);
      if (text === null) {
        if (this.#entries.has(key)) this.#vanished.add(key);
        isChanged = this.#entries.delete(key) || isChanged;
        this.#modRevisions.delete(key);
        continue;
      }
      const before = this.#entries.get(key);
      const entry = this.#reuse({ key, text, modRevision });
      this.#entries.set(key, entry);
      this.#modRevisions.set(key, modRevision);
      isChanged ||= entry !== before;
    }
    this.#header = { clusterId: header.clusterId, revision: newest };
    return isChanged;
  }

  #lossIn(range: EtcdRange): string | null {
    const since = this.#header;
    if (since === null) return null;
    const loss = lossBetween(since, range);
    if (loss !== null) return loss;
    // Everything up to our revision is known: a key from that time that is not, or not so, is from another history.
    const stranger = range.entries.find(
      ({ key, modRevision }) => modRevision <= since.revision && this.#modRevisions.get(key) !== modRevision,
    );
    if (stranger === undefined) return null;
    return `the store has another history: ${stranger.key} was last written at revision ${stranger.modRevision}`;
  }

  #reuse({ key, text, modRevision }: Pick<EtcdEntry, 'key' | 'text' | 'modRevision'>): KeyEntry {
    const before = this.#entries.get(key);
    return before !== undefined && before.text === text && before.revision === modRevision ? before : { key, text, revision: modRevision };
  }
}

/** Why a store that stands at `now` cannot be the one that stood at `since`; null if it can. */
export function lossBetween(since: EtcdHeader, now: EtcdHeader): string | null {
  if (now.clusterId !== since.clusterId) return `the cluster id changed from ${since.clusterId} to ${now.clusterId}`;
  if (now.revision < since.revision) return `the store’s revision went back from ${since.revision} to ${now.revision}`;
  return null;
}
