export type { JsonObject, JsonValue } from './json.js';
export type {
  ComponentConfig,
  ComponentScope,
  Dialect,
  FeatureCacheConfig,
  FeatureColumn,
  FeatureComponentConfig,
  FeatureGroupConfig,
  ModelCacheConfig,
  ModelConfig,
  ModelEndpoint,
  ModelInput,
  ModelOutput,
  NumerixComponentConfig,
  NumerixVariable,
  OnFailure,
  PluginComponentConfig,
  PredatorComponentConfig,
  ResponseConfig,
} from './model-config.js';
export { FEATURE_INITIALIZER } from './model-config.js';
export type { Assumption, Problem, Severity } from './problem.js';
export { hasErrors } from './problem.js';
export type { ConfigSnapshot, ModelEntry, ServiceConfig } from './snapshot.js';
export type { ConfigSource } from './source.js';
