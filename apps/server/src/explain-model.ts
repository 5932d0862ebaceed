import type { Backends, ServiceBackend } from '@inferflow/components';
import { createObjectSource } from '@inferflow/config';
import { createEngine, type ExplainedPlan } from '@inferflow/engine';
import { type CallHead, createCallHead, type Upstream } from '@inferflow/transport';
import { loadPlugins } from './plugins.js';

/** A service that is never asked: a plan is compiled, nothing runs. */
const silent: Upstream = { start() {}, cancel() {}, close: async () => {} };
const nowhere: ServiceBackend = {
  upstream: silent,
  head: (path: string): CallHead => createCallHead({ path, authority: 'nowhere' }),
  deadlineMs: 1000,
  batchSize: 100,
  description: 'a service that is not asked',
};
const backends: Backends = { featureStore: nowhere, model: () => nowhere, compute: nowhere, expressions: null };

/**
 * Compiles a model's configuration as a server would, without any service, and says how its parts get their bytes.
 * @param plugins modules as in `INFERFLOW_PLUGINS`
 * @throws ServerStartError for a plugin that cannot be loaded, Error that lists the problems of a model that cannot be compiled
 */
export async function explainModel(modelConfigId: string, value: unknown, plugins: readonly string[] = []): Promise<ExplainedPlan> {
  const engine = await createEngine({
    configSource: createObjectSource({ [modelConfigId]: value }),
    registry: await loadPlugins(plugins, process.cwd()),
    backends,
    featureCacheBytes: 0,
  });
  try {
    const plan = engine.explainPlan(modelConfigId);
    if (plan !== undefined) return plan;
    const problems = [...engine.snapshot.models.values()].flatMap((model) => model.problems);
    throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join('\n'));
  } finally {
    await engine.close(0);
  }
}
