import type {
  ConnectEtcd,
  EtcdConnection,
  EtcdEntry,
  EtcdEvent,
  EtcdHeader,
  EtcdRange,
  EtcdWatch,
  WatchHandlers,
} from '../etcd-connection.js';
import { EtcdFailure, type EtcdFailureKind } from '../etcd-failure.js';
import type { ConnectEtcdWriter, EtcdCommit, EtcdTransaction, EtcdWriter } from '../write/etcd-writer.js';

interface OpenWatch {
  readonly prefix: string;
  readonly handlers: WatchHandlers;
  deliveredRevision: number;
}

/** An etcd in memory, with the faults that a real one shows. Answers come in later turns, in order. */
export class FakeEtcd {
  clusterId = '1';
  revision = 1;
  /** Every call fails with this. */
  refusal: EtcdFailureKind | null = null;
  /** Watches stay open and say nothing, not even progress. */
  isSilent = false;
  /** Calls never answer. */
  isHanging = false;
  /** Transactions are refused with this. */
  writeRefusal: EtcdFailureKind | null = null;
  /** A transaction is carried out, its answer never comes. */
  losesAnswers = false;
  /** Called right before a transaction, as another writer would be. */
  beforeCommit: (() => void) | null = null;
  /** What every transaction looked like. */
  readonly transactions: EtcdTransaction[] = [];
  readonly calls = { range: 0, check: 0, watch: 0, progress: 0 };
  openConnections = 0;
  #store = new Map<string, EtcdEntry>();
  #history: EtcdEvent[] = [];
  #compacted = 0;
  readonly #watches = new Set<OpenWatch>();

  readonly connect: ConnectEtcd & ConnectEtcdWriter = (endpoint) => new FakeConnection(this, endpoint);

  put(key: string, text: string): void {
    this.revision++;
    const createRevision = this.#store.get(key)?.createRevision ?? this.revision;
    this.#store.set(key, { key, text, createRevision, modRevision: this.revision });
    this.#record([{ key, text, modRevision: this.revision }]);
  }

  delete(key: string): void {
    this.deleteAll((other) => other === key);
  }

  deleteAll(matches: (key: string) => boolean): void {
    const keys = [...this.#store.keys()].filter(matches);
    if (keys.length === 0) return;
    this.revision++;
    for (const key of keys) this.#store.delete(key);
    this.#record(keys.map((key) => ({ key, text: null, modRevision: this.revision })));
  }

  commit(transaction: EtcdTransaction): EtcdCommit {
    this.beforeCommit?.();
    if (this.writeRefusal !== null) throw new EtcdFailure(this.writeRefusal, `fake: ${this.writeRefusal}`);
    const { compare, put, delete: ranges } = transaction;
    if (new Set(put.map(({ key }) => key)).size !== put.length) throw new EtcdFailure('other', 'fake: duplicate key given in txn request');
    const revisionOf = (key: string): number => this.#store.get(key)?.modRevision ?? 0;
    if (!compare.every(({ key, modRevision }) => revisionOf(key) === modRevision)) return { succeeded: false, revision: this.revision };
    this.transactions.push(transaction);
    this.revision++;
    const events: EtcdEvent[] = [];
    for (const { key, text } of put) {
      const createRevision = this.#store.get(key)?.createRevision ?? this.revision;
      this.#store.set(key, { key, text, createRevision, modRevision: this.revision });
      events.push({ key, text, modRevision: this.revision });
    }
    for (const { from, to } of ranges) {
      for (const key of [...this.#store.keys()].filter((each) => each >= from && each < to)) {
        this.#store.delete(key);
        events.push({ key, text: null, modRevision: this.revision });
      }
    }
    this.#record(events);
    if (this.losesAnswers) throw new EtcdFailure('timeout', 'fake: no answer');
    return { succeeded: true, revision: this.revision };
  }

  text(key: string): string | undefined {
    return this.#store.get(key)?.text;
  }

  has(key: string): boolean {
    return this.#store.has(key);
  }

  /** Another part of the store is written. */
  touchElsewhere(): void {
    this.revision++;
  }

  /** A watch that lags behind is cancelled, as by a real one. */
  compact(): void {
    for (const watch of [...this.#watches]) {
      if (this.#pending(watch).length === 0) continue;
      this.#watches.delete(watch);
      watch.handlers.ended(new EtcdFailure('compacted', 'fake: compacted'));
    }
    this.#compacted = this.revision;
    this.#history = [];
  }

  /** All data is gone; watches break, as they do when the process is replaced. */
  wipe(clusterId = this.clusterId): void {
    this.clusterId = clusterId;
    this.revision = 1;
    this.#store = new Map();
    this.#history = [];
    this.#compacted = 0;
    this.endWatches('unreachable');
  }

  endWatches(kind: EtcdFailureKind): void {
    for (const watch of [...this.#watches]) {
      this.#watches.delete(watch);
      watch.handlers.ended(new EtcdFailure(kind, `fake: ${kind}`));
    }
  }

  read(prefix: string): EtcdRange {
    const entries = [...this.#store.values()].filter(({ key }) => key.startsWith(prefix));
    return { entries, revision: this.revision, clusterId: this.clusterId };
  }

  open(prefix: string, fromRevision: number, handlers: WatchHandlers): OpenWatch {
    if (fromRevision <= this.#compacted) throw new EtcdFailure('compacted', 'fake: compacted');
    const watch = { prefix, handlers, deliveredRevision: fromRevision - 1 };
    this.#watches.add(watch);
    this.#flush(watch);
    return watch;
  }

  shut(watch: OpenWatch): void {
    this.#watches.delete(watch);
  }

  /** As a real one, only a watch that has everything reports progress. */
  progress(watch: OpenWatch): void {
    this.calls.progress++;
    if (this.isSilent || !this.#watches.has(watch)) return;
    if (this.#pending(watch).length > 0) this.#flush(watch);
    else watch.handlers.changed([], this.revision, false);
  }

  #record(events: readonly EtcdEvent[]): void {
    this.#history.push(...events);
    for (const watch of this.#watches) this.#flush(watch);
  }

  #pending({ prefix, deliveredRevision }: OpenWatch): EtcdEvent[] {
    return this.#history.filter(({ key, modRevision }) => modRevision > deliveredRevision && key.startsWith(prefix));
  }

  #flush(watch: OpenWatch): void {
    setImmediate(() => {
      if (this.isSilent || !this.#watches.has(watch)) return;
      const events = this.#pending(watch);
      const last = events.at(-1);
      if (last === undefined) return;
      watch.deliveredRevision = last.modRevision;
      watch.handlers.changed(events, last.modRevision, false);
    });
  }
}

class FakeConnection implements EtcdConnection, EtcdWriter {
  readonly endpoint: string;
  readonly #etcd: FakeEtcd;
  #isClosed = false;

  constructor(etcd: FakeEtcd, endpoint: string) {
    this.#etcd = etcd;
    this.endpoint = endpoint;
    etcd.openConnections++;
  }

  async range(prefix: string): Promise<EtcdRange> {
    this.#etcd.calls.range++;
    return this.#answer(() => this.#etcd.read(prefix));
  }

  async check(_prefix: string, withinMs = 100): Promise<EtcdHeader> {
    this.#etcd.calls.check++;
    return this.#answer(() => ({ clusterId: this.#etcd.clusterId, revision: this.#etcd.revision }), withinMs);
  }

  async watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Promise<EtcdWatch> {
    this.#etcd.calls.watch++;
    const watch = await this.#answer(() => this.#etcd.open(prefix, fromRevision, handlers));
    return { requestProgress: () => this.#etcd.progress(watch), close: () => this.#etcd.shut(watch) };
  }

  async last(prefix: string): Promise<EtcdEntry | null> {
    return this.#answer(() => {
      const { entries } = this.#etcd.read(prefix);
      return [...entries].sort((left, right) => (left.key < right.key ? 1 : -1))[0] ?? null;
    });
  }

  async commit(transaction: EtcdTransaction): Promise<EtcdCommit> {
    return this.#answer(() => this.#etcd.commit(transaction));
  }

  close(): void {
    if (!this.#isClosed) this.#etcd.openConnections--;
    this.#isClosed = true;
  }

  async #answer<T>(value: () => T, withinMs = 100): Promise<T> {
    if (this.#etcd.isHanging) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(withinMs, 50)));
      throw new EtcdFailure('timeout', 'fake: no answer');
    }
    // The state of the moment in which the server looks.
    if (this.#etcd.refusal !== null) throw new EtcdFailure(this.#etcd.refusal, `fake: ${this.#etcd.refusal}`);
    const answer = value();
    await new Promise(setImmediate);
    return answer;
  }
}
