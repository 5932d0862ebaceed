import type { EtcdFailure, EtcdFailureKind } from './etcd-failure.js';

/** `starting`: nothing has been read yet. `live`: what serves is what etcd holds. `stale`: it may be older, or etcd lost data. */
export type SourceState = 'starting' | 'live' | 'stale';

/** How current a source is: for a metric, a health detail and a log line. */
export interface SourceStatus {
  readonly state: SourceState;
  /** When the state began, milliseconds since the epoch. */
  readonly since: number;
  /** One sentence; empty while all is well. */
  readonly reason: string;
  /** What kind of trouble, to alarm on: `data-loss` wants a human, the others pass when etcd is mended. Empty while all is well. */
  readonly kind: EtcdFailureKind | '';
}

/** Re-reading after a broken watch takes milliseconds: only what takes longer than this is worth a word. */
const GRACE_MS = 1000;

/** Keeps the status and tells who wants to know. */
export class StatusTracker {
  #status: SourceStatus = { state: 'starting', since: Date.now(), reason: 'etcd has not been read yet', kind: '' };
  readonly #listeners = new Set<(status: SourceStatus) => void>();
  #grace: NodeJS.Timeout | null = null;
  #latest: { readonly reason: string; readonly kind: EtcdFailureKind } | null = null;

  get current(): SourceStatus {
    return this.#status;
  }

  onChange(listener: (status: SourceStatus) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** @param reason what there is to say although all is well */
  live(reason = ''): void {
    this.#endGrace();
    this.#set('live', reason, '');
  }

  stale(reason: string, kind: EtcdFailureKind): void {
    this.#endGrace();
    this.#set('stale', reason, kind);
  }

  /** Contact was lost, or could not be made again. What was live stays so for a moment. */
  lost({ message, kind }: EtcdFailure): void {
    const { state } = this.#status;
    if (state !== 'live') {
      this.#set(state, message, kind);
      return;
    }
    this.#latest = { reason: message, kind };
    this.#grace ??= setTimeout(() => {
      if (this.#latest !== null) this.stale(this.#latest.reason, this.#latest.kind);
    }, GRACE_MS);
    this.#grace.unref();
  }

  close(): void {
    this.#endGrace();
    this.#listeners.clear();
  }

  #endGrace(): void {
    if (this.#grace !== null) clearTimeout(this.#grace);
    this.#grace = null;
    this.#latest = null;
  }

  #set(state: SourceState, reason: string, kind: EtcdFailureKind | ''): void {
    const before = this.#status;
    this.#status = { state, since: before.state === state ? before.since : Date.now(), reason, kind };
    // The same trouble in other words, such as another port number, is no news.
    if (before.state === state && before.kind === kind && (kind !== '' || before.reason === reason)) return;
    for (const listener of this.#listeners) listener(this.#status);
  }
}
