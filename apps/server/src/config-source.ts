import type { ConfigSource } from '@inferflow/config';
import type { Telemetry } from '@inferflow/telemetry';
import type { SourceView } from './config-status.js';
import { followDirectory } from './directory-config-source.js';
import type { Embedded } from './embedded.js';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';
import { createEtcdConfigSource } from './etcd-config-source.js';
import type { ServerLogger } from './logger.js';

/** Where model configurations come from, and how current they are. */
export interface ServerConfigSource extends SourceView {
  readonly source: ConfigSource;
  /** Whether the source can fall behind: then readiness tells its state. */
  readonly canFallBehind: boolean;
  /** Calls back when the state of the source has changed. */
  onState(listener: () => void): void;
}

/** What a source is made of. */
export interface ConfigSourceParts {
  readonly environment: Environment;
  readonly embedded: Embedded;
  readonly telemetry: Telemetry;
  readonly logger: ServerLogger;
  /** Whether this process writes the last good configurations; otherwise it only reads them. */
  readonly keepsState: boolean;
}

/** The source that the environment names: etcd, a directory, else the embedded demo's directory. */
export function configSourceOf(parts: ConfigSourceParts): ServerConfigSource {
  const { environment, embedded, telemetry, logger } = parts;
  if (environment.isSet('ETCD_SERVER')) return createEtcdConfigSource(parts);
  const directory = environment.text('INFERFLOW_CONFIG_DIR') ?? embedded.configDirectory;
  if (directory === undefined)
    throw new ServerStartError('CONFIG_UNAVAILABLE', ['no source of model configurations: set ETCD_SERVER or INFERFLOW_CONFIG_DIR']);
  return {
    ...followDirectory(directory, telemetry, logger),
    kind: environment.isSet('INFERFLOW_CONFIG_DIR') ? 'directory' : 'demo',
    canFallBehind: false,
    position: () => null,
    retained: () => noModels,
  };
}

const noModels: ReadonlySet<string> = new Set();
