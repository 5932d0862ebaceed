import { type EtcdSourceOptions, type ResolvedEtcdSourceOptions, resolveEtcdSourceOptions } from '../etcd-source-options.js';
import type { WriteLimits } from './compose-writes.js';

/** Options of `createModelStore`: where etcd is, as for a source, and what it takes. */
export interface ModelStoreOptions
  extends Pick<EtcdSourceOptions, 'endpoints' | 'base' | 'namespace' | 'username' | 'password' | 'tls' | 'callTimeoutMs'> {
  /** Name of the service whose models are written. Its history is below `/inferflow/history/<appName>`. */
  readonly appName: string;
  /** Versions of a model that the history keeps. @default 50 */
  readonly keptVersions?: number;
  /** The cluster's limit for one request, `--max-request-bytes`. @default 1572864, that of etcd */
  readonly maxRequestBytes?: number;
  /** The cluster's limit for operations of one transaction, `--max-txn-ops`. @default 128, that of etcd */
  readonly maxOperations?: number;
}

const MAX_REQUEST_BYTES = 1536 * 1024;
const MAX_OPERATIONS = 128;
const KEPT_VERSIONS = 50;

/** Where the history of a service is: apart from its configurations, of which the Go service reads everything that begins alike. */
export function historyBase(appName: string): string {
  return `/inferflow/history/${appName}`;
}

/** @internal Options with every default filled in. */
export interface ResolvedModelStoreOptions
  extends Pick<ResolvedEtcdSourceOptions, 'endpoints' | 'base' | 'username' | 'password' | 'tls' | 'callTimeoutMs'> {
  readonly historyBase: string;
  readonly limits: WriteLimits;
}

/**
 * @internal Checks options and fills in defaults.
 * @throws EtcdSourceError that lists everything that is wrong
 */
export function resolveModelStoreOptions(options: ModelStoreOptions): ResolvedModelStoreOptions {
  const { endpoints, base, username, password, tls, callTimeoutMs } = resolveEtcdSourceOptions(options);
  const { keptVersions = KEPT_VERSIONS, maxRequestBytes = MAX_REQUEST_BYTES, maxOperations = MAX_OPERATIONS, namespace = '' } = options;
  return {
    ...{ endpoints, base, username, password, tls, callTimeoutMs },
    historyBase: `${namespace}${historyBase(options.appName)}`,
    limits: { requestBytes: maxRequestBytes, operations: maxOperations, keptVersions: Math.max(2, keptVersions) },
  };
}
