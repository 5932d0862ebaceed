import type { EtcdFailure } from './etcd-failure.js';

/** A key as etcd holds it, with its value as text. */
export interface EtcdEntry {
  readonly key: string;
  readonly text: string;
  /** The store's revision when the key was made; a deleted key that is written again is made anew. */
  readonly createRevision: number;
  /** The store's revision when the key was last written. */
  readonly modRevision: number;
}

/** All keys of a prefix at one revision. */
export interface EtcdRange {
  readonly entries: readonly EtcdEntry[];
  readonly revision: number;
  readonly clusterId: string;
}

/** Where a store stands. */
export interface EtcdHeader {
  readonly clusterId: string;
  readonly revision: number;
}

/** A change of one key; without a text the key was deleted. */
export interface EtcdEvent {
  readonly key: string;
  readonly text: string | null;
  readonly modRevision: number;
}

/** Receives what a watch delivers. */
export interface WatchHandlers {
  /**
   * Changes in the order of their revisions, none for a report of progress.
   * @param revision the watch has delivered everything up to here
   * @param isPartial more changes of the same revision follow
   */
  changed(events: readonly EtcdEvent[], revision: number, isPartial: boolean): void;
  /** Called once at most; nothing follows. Not called after `close`. */
  ended(failure: EtcdFailure): void;
}

/** An open watch. */
export interface EtcdWatch {
  /** Asks the server to say how far the watch is; the answer comes to `changed`. */
  requestProgress(): void;
  close(): void;
}

/**
 * A connection to one etcd member: everything this package needs of an etcd client, and nothing else. Made for one use: after any
 * failure it is closed and another one is made, which reads certificates and logs in again. All methods reject with `EtcdFailure`
 * after a deadline at the latest.
 */
export interface EtcdConnection {
  readonly endpoint: string;
  /** All keys that begin with a prefix, consistent: as of one revision, agreed on by the cluster. */
  range(prefix: string): Promise<EtcdRange>;
  /**
   * Where the store stands now, agreed on by the cluster; costs next to nothing, and needs no more permission than reading the prefix.
   * @param withinMs a shorter deadline than that of other calls
   */
  check(prefix: string, withinMs?: number): Promise<EtcdHeader>;
  /** Resolves when the server has confirmed the watch. */
  watch(prefix: string, fromRevision: number, handlers: WatchHandlers): Promise<EtcdWatch>;
  close(): void;
}

/** Makes a connection to an endpoint; does not wait for it to be established. */
export type ConnectEtcd = (endpoint: string) => EtcdConnection;
