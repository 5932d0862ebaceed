import type { ModelConfig } from './model-config.js';
import type { Problem } from './problem.js';

/** Settings that hold for all models. */
export interface ServiceConfig {
  /** Empty: nothing is logged. */
  readonly loggingType: 'proto' | 'arrow' | 'parquet' | '';
  readonly compressionEnabled: boolean;
}

/** One model of a snapshot. */
export interface ModelEntry {
  readonly modelConfigId: string;
  /** `live`: the newest version serves. `stale`: the newest was refused, the last good one serves. `rejected`: nothing serves. */
  readonly state: 'live' | 'rejected' | 'stale';
  /** The config that serves, null if there is none. */
  readonly config: ModelConfig | null;
  /** Problems of the newest version. */
  readonly problems: readonly Problem[];
  /** When the newest version was first seen, milliseconds since the epoch. */
  readonly since: number;
  /** Content hash of the newest version as delivered. */
  readonly revision: string;
}

/** All models at one moment. Immutable: a change makes a new snapshot. */
export interface ConfigSnapshot {
  /** Hash of everything that serves: model ids, their configs' hashes, the service settings. */
  readonly hash: string;
  /** Grows by one with every published snapshot of a source; as text. */
  readonly revision: string;
  readonly models: ReadonlyMap<string, ModelEntry>;
  readonly service: ServiceConfig;
  /** Problems of the newest service settings; with an error among them, `service` holds the last good ones. */
  readonly serviceProblems: readonly Problem[];
}
