export type { ExplainedBlock, ExplainedEdge, ExplainedPlan } from './compile/explain-plan.js';
export { createEngine } from './create-engine.js';
export type { ExpressionFunction, ExpressionFunctions } from './embed/expression-functions.js';
export type { FeatureFunction, FeatureFunctionQuery, FeatureRow } from './embed/feature-function.js';
export type { ModelCallInfo, ModelFunction, ModelFunctions, ModelInput, ModelOutput } from './embed/model-functions.js';
export type { CallInfo, CallOptions, Engine, EngineMethod, ToGrpcStatus } from './engine.js';
export { engineMethodPaths } from './engine.js';
export type { EngineDefaults, EngineLogger, EngineOptions } from './engine-options.js';
export type { EngineErrorCode, EngineErrorDetails, EngineErrorKind, Violation } from './errors.js';
export { EngineError, engineErrorKinds } from './errors.js';
export type {
  LoggedBlock,
  LoggedCalls,
  LoggedOutcome,
  LoggedPlan,
  LoggedRequest,
  LogTap,
  RequestDetails,
  RequestRecord,
} from './log-tap.js';
export type {
  FeatureValue,
  RankComponentQuality,
  RankedRow,
  RankedValue,
  RankQuality,
  RankRequest,
  RankResult,
  RankTarget,
} from './rank-request.js';
export type { Limits } from './request/limits.js';
