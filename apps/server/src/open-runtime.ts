import type { Backends, Registry } from '@inferflow/components';
import { createNoTelemetry } from '@inferflow/telemetry';
import { createBackends } from './backends.js';
import { loadEmbedded } from './embedded.js';
import type { Environment } from './env.js';
import type { ServerLogger } from './logger.js';
import { loadPlugins } from './plugins.js';

/** Services and plugins of an environment without a server around them. */
export interface Runtime {
  readonly backends: Backends;
  /** Built-in components and those of the plugins. */
  readonly registry: Registry;
  close(): Promise<void>;
}

/**
 * What a server with this environment would call: for commands that run its models.
 * @throws ServerStartError that lists what is wrong
 */
export async function openRuntime(environment: Environment, logger: ServerLogger): Promise<Runtime> {
  const embedded = await loadEmbedded(environment);
  try {
    const registry = await loadPlugins(environment.list('INFERFLOW_PLUGINS'), process.cwd());
    const backends = createBackends(environment, embedded.services, createNoTelemetry(), logger, embedded.isDemo);
    return {
      backends,
      registry,
      async close() {
        await backends.close(0);
        await embedded.close(0);
      },
    };
  } catch (error) {
    await embedded.close(0);
    throw error;
  }
}
