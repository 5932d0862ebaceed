import type { EtcdConnection, EtcdEntry } from '../etcd-connection.js';

/** Changes of keys that are made all together or not at all. No key may be written twice. */
export interface EtcdTransaction {
  /** What must hold for anything to be written: the revision in which a key was last written, 0 for a key that is not there. */
  readonly compare: readonly { readonly key: string; readonly modRevision: number }[];
  readonly put: readonly { readonly key: string; readonly text: string }[];
  /** Ranges of keys to delete; `to` itself stays. */
  readonly delete: readonly { readonly from: string; readonly to: string }[];
}

/** What became of a transaction. */
export interface EtcdCommit {
  /** False if one of the comparisons did not hold: nothing was written. */
  readonly succeeded: boolean;
  /** The store's revision after it. */
  readonly revision: number;
}

/**
 * A connection that may write, apart from the reading side so that servers cannot. Made for one use, with one member; every call ends
 * after a deadline at the latest, and fails with `EtcdFailure`.
 */
export interface EtcdWriter extends Pick<EtcdConnection, 'endpoint' | 'range' | 'check' | 'close'> {
  /** The last key that begins with a prefix, null if there is none. */
  last(prefix: string): Promise<EtcdEntry | null>;
  commit(transaction: EtcdTransaction): Promise<EtcdCommit>;
}

/** Makes a writer to an endpoint; does not wait for it to be established. */
export type ConnectEtcdWriter = (endpoint: string) => EtcdWriter;
