import { type ConfigSource, createDirectorySource } from '@inferflow/config';
import type { Embedded } from './embedded.js';
import type { Environment } from './env.js';
import { ServerStartError } from './errors.js';

/** Where model configurations come from: the directory of the environment, else the embedded demo's. */
export function configSourceOf(environment: Environment, embedded: Embedded): ConfigSource {
  if (environment.isSet('ETCD_SERVER')) {
    throw new ServerStartError('CONFIG_UNAVAILABLE', [
      'ETCD_SERVER is set, but this release reads model configurations from a directory only; use INFERFLOW_CONFIG_DIR',
    ]);
  }
  const directory = environment.text('INFERFLOW_CONFIG_DIR') ?? embedded.configDirectory;
  if (directory === undefined)
    throw new ServerStartError('CONFIG_UNAVAILABLE', ['no source of model configurations: set INFERFLOW_CONFIG_DIR']);
  return createDirectorySource({ directory });
}
