import type { Backends, ExpressionEngine, ServiceBackend } from '@inferflow/components';
import type { ModelConfig, Problem } from '@inferflow/config';
import { createCallHead, type Upstream } from '@inferflow/transport';
import type { EngineDefaults, EngineOptions } from '../engine-options.js';
import { EngineError } from '../errors.js';
import { createFunctionExpressions, isExpressionEngine } from './expression-functions.js';
import { createFeatureUpstream } from './feature-function.js';
import { createModelUpstream, modelNamesOf } from './model-functions.js';

/** Backends of one model, and what its configuration asks for that is not there. */
export interface ModelBackends {
  readonly backends: Backends;
  readonly problems: readonly Problem[];
}

const FEATURE_DEADLINE_MS = 1_000;

/**
 * Where the models of an engine find their services: the backends given, or an embedder's functions, typed by each model's configuration.
 * @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID
 */
export function resolveBackends(options: EngineOptions, defaults: EngineDefaults): (config: ModelConfig) => ModelBackends {
  const { backends, featureStore, models, expressions } = options;
  if (backends !== undefined && (featureStore !== undefined || models !== undefined)) {
    throw new EngineError(
      'INFERFLOW_ENGINE_OPTIONS_INVALID',
      'give either `backends`, or `featureStore` and `models`: they are two ways to say the same',
    );
  }
  const engine = expressions === undefined ? null : isExpressionEngine(expressions) ? expressions : createFunctionExpressions(expressions);
  if (backends !== undefined) {
    const given = engine === null ? backends : withExpressions(backends, engine);
    return () => ({ backends: given, problems: [] });
  }
  return (config) => {
    const modelBackend =
      models === undefined
        ? null
        : serviceOf(createModelUpstream(models, config), defaults.modelDeadlineMs, defaults.modelBatchSize, 'the model functions');
    return {
      backends: {
        featureStore:
          featureStore === undefined
            ? null
            : serviceOf(createFeatureUpstream(featureStore, config), FEATURE_DEADLINE_MS, 0, 'the feature store function'),
        model: () => modelBackend,
        compute: null,
        expressions: engine,
      },
      problems: models === undefined ? [] : missingModels(config, Object.keys(models)),
    };
  };
}

function withExpressions(backends: Backends, expressions: ExpressionEngine): Backends {
  return { featureStore: backends.featureStore, model: (endpoint) => backends.model(endpoint), compute: backends.compute, expressions };
}

function missingModels(config: ModelConfig, known: readonly string[]): readonly Problem[] {
  return [...modelNamesOf(config)]
    .filter((name) => !known.includes(name))
    .map((name) => ({
      severity: 'error' as const,
      code: 'INFERFLOW_CONFIG_REFUSED',
      path: '$.component_config',
      message: `the engine was given no model function "${name}"; there are ${known.join(', ') || 'none'}`,
    }));
}

function serviceOf(upstream: Upstream, deadlineMs: number, batchSize: number, description: string): ServiceBackend {
  const heads = new Map<string, ReturnType<typeof createCallHead>>();
  return {
    upstream,
    deadlineMs,
    batchSize,
    description,
    head(path) {
      let head = heads.get(path);
      if (head === undefined) {
        head = createCallHead({ path, authority: 'local' });
        heads.set(path, head);
      }
      return head;
    },
  };
}
