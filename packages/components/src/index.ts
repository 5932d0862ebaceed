export {
  type Backends,
  type CompiledExpression,
  type ExpressionEngine,
  type ExpressionPrecision,
  noBackends,
  type ServiceBackend,
} from './backends.js';
export { builtIns } from './built-ins.js';
export { CacheFind, createFeatureCache, FeatureCache, type FeatureCacheOptions, type FeatureCacheStats } from './cache/feature-cache.js';
export { type ColumnResolver, ComponentBinding, type WriteTarget } from './component-binding.js';
export { type ComponentMetrics, type MetricCounter, type MetricTimer, noComponentMetrics } from './component-metrics.js';
export type { ComponentRun, OwnBlockOptions, RequestInfo } from './component-run.js';
export { ComponentRunState, type RunHost } from './component-run-state.js';
export {
  COMPONENT_API_VERSION,
  type Component,
  type ComponentDefinition,
  type ComponentDeps,
  type ComponentLimits,
  type ComponentSpec,
  component,
  defineComponent,
  type FeatureSourceOptions,
  PENDING,
  readNames,
  writeSlots,
} from './define-component.js';
export { ComponentError, type ComponentErrorCode } from './errors.js';
export { createFailure, type Failure, type FailureReason, failureOfCall } from './failure.js';
export type { KeySet } from './key-set.js';
export { makeComponent } from './make-component.js';
export { chooseRoute, type RouteShare, routePoint, routeSeed } from './predator/routing.js';
export {
  type BoundRead,
  type BoundReads,
  type ColumnRead,
  type ColumnsRead,
  type KeysRead,
  type ReadSpec,
  type Reads,
  readColumn,
  readColumns,
  readKeys,
  readTensor,
  type TensorRead,
  type TensorReadOptions,
} from './reads.js';
export { checkDefinition, createRegistry, type Registry } from './registry.js';
export type { RowFaults } from './row-faults.js';
export { ServiceCalls } from './service-calls.js';
export type { TensorInput } from './tensor-input.js';
export {
  type BoundWrite,
  type BoundWrites,
  type ColumnSpec,
  type ColumnsWrite,
  type ColumnsWriter,
  type ColumnWrite,
  type WriteRows,
  type WriteSpec,
  type Writes,
  writeColumns,
} from './writes.js';
