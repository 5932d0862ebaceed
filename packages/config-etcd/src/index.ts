export { EtcdSourceError, EtcdSourceErrorCode } from './errors.js';
export { EtcdFailure, type EtcdFailureKind } from './etcd-failure.js';
export { createEtcdSource, type EtcdSource } from './etcd-source.js';
export type { EtcdSourceOptions, EtcdTls } from './etcd-source-options.js';
export { configBase, KeyLayout, type LayoutDocuments, readKeyLayout } from './key-layout.js';
export type { KeyEntry } from './key-places.js';
export type { SourceState, SourceStatus } from './source-status.js';
