export type { CallOptions } from './call.js';
export { createInferflowClient, type InferflowClient, type PredictCallOptions } from './client.js';
export type { CallReport, InferflowClientOptions, RequestHeaders } from './client-options.js';
export type { RequestValues } from './encode-feature.js';
export { ClientError, ClientErrorCode, type Problem } from './errors.js';
export type { Features, FeatureTypes } from './feature-table.js';
export type { FeatureType, FeatureTypeName, FeatureValue, NumberArray } from './feature-type.js';
export type { ModelScoreRequest, ModelScoreResult, ModelScoreRow, ScoreEntity } from './model-score.js';
export type { OutputColumn, OutputTypes, ScoreValue } from './output-columns.js';
export type { Pair, PairWiseRequest, PointWiseRequest, Slate, SlateWiseRequest, Target } from './predict-request.js';
export type {
  PairWiseResult,
  PointWiseResult,
  RowFault,
  ScoredPair,
  ScoredSlate,
  ScoredTarget,
  SlateWiseResult,
} from './predict-result.js';
export type { CellQuality, ComponentQuality, ComponentStatus, Quality } from './quality.js';
