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
  /**
   * What became of the newest version. `live`: it serves. `warming`: it is being prepared. `rejected`: it was refused. In the latter two
   * `config` is the version before, if there is a good one.
   */
  readonly state: 'live' | 'warming' | 'rejected';
  /** The config that serves, null if there is none. */
  readonly config: ModelConfig | null;
  /** The newest version where it may serve later: it is being warmed, or was refused only by what its model server says. */
  readonly candidate: ModelConfig | null;
  /** Problems of the newest version. */
  readonly problems: readonly Problem[];
  /** When the newest version came into its state, milliseconds since the epoch. */
  readonly since: number;
  /** Content hash of the newest version as delivered. */
  readonly revision: string;
  /** Hash of the newest version's config; of its text where that cannot be read. */
  readonly hash: string;
  /** The source's own number of the newest version, such as etcd's revision; empty where it has none. */
  readonly sourceRevision: string;
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
