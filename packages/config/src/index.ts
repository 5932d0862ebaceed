export { checkModelConfig, checkModelConfigInSlices } from './check-model-config.js';
export { componentPath } from './component-paths.js';
export { ConfigError, ConfigErrorCode } from './errors.js';
export { type ConfigGraph, configGraph, type GraphComponent, type GraphEdge } from './graph/config-graph.js';
export { graphSvg } from './graph/graph-svg.js';
export { graphMermaid, graphText } from './graph/graph-text.js';
export { sameMeaning } from './hash.js';
export type { JsonObject, JsonValue } from './json.js';
export { checkFeatures } from './lint/check-features.js';
export { checkLocalModels } from './lint/check-local-models.js';
export type { ColumnWidths } from './lint/column-table.js';
export type { LintOptions } from './lint/lint-context.js';
export { lintModel } from './lint/lint-model.js';
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
export { type ParseResult, parseModelConfig } from './parse/parse-model-config.js';
export { parseServiceConfig, type ServiceResult } from './parse/parse-service-config.js';
export { cachedRowKey } from './plan/cached-row-key.js';
export type { ChangeSubject, ConfigChange } from './plan/config-change.js';
export { planChange } from './plan/plan-change.js';
export { type ComponentCost, type CostDefaults, type RequestCost, requestCost } from './plan/request-cost.js';
export { checkUpstreamModel, type UpstreamModel, type UpstreamTensor } from './probe/check-upstream-model.js';
export type { Assumption, Problem, Severity } from './problem.js';
export { hasErrors } from './problem.js';
export { type ProblemCode, type ProblemDefinition, problemTable } from './problem-codes.js';
export {
  type FeatureRegistry,
  featureWidths,
  parseFeatureRegistry,
  type RegisteredEntity,
  type RegisteredFeature,
  type RegisteredGroup,
} from './registry/feature-registry.js';
export { type FieldDefinition, fieldTable } from './schema/fields.js';
export { type ObjectKind, objectKinds } from './schema/object-kinds.js';
export { type ScoreColumnType, scoreColumnType } from './score-column-type.js';
export type { ConfigSnapshot, ModelEntry, ServiceConfig } from './snapshot.js';
export { listModelFiles, parseFileName } from './source/directory-files.js';
export { createDirectorySource, type DirectorySourceOptions } from './source/directory-source.js';
export { LastGoodDocuments } from './source/last-good-documents.js';
export type { StoredSnapshot } from './source/last-good-format.js';
export { createSnapshotStore, type SnapshotStore, type SnapshotStoreOptions, type StoredRead } from './source/last-good-store.js';
export { type ConfigDocument, type DocumentFormat, type DocumentValue, modelsIn, readDocument } from './source/model-document.js';
export { createObjectSource, type ModelsById, type ObjectSource } from './source/object-source.js';
export { SnapshotBuilder, type SnapshotBuilderOptions } from './source/snapshot-builder.js';
export { type AcceptModel, type ConfigSource, LONGEST_WARM_MS, type WarmModel } from './source.js';
export { type Conversion, convertModel, toDeployed, toDocumented } from './write/convert.js';
export { CONFIG_ID_COLUMN, calibrationColumns, type WrittenColumn, writtenColumns } from './written-columns.js';
