export {
  readEnd,
  readFixed32,
  readLength,
  readSigned32,
  readSigned64,
  readTag,
  readVarint,
  SATURATED,
  skipField,
} from '../wire/read.js';
export { isValidUtf8, putUtf8, readUtf8, utf8Size } from '../wire/utf8.js';
export {
  lengthFieldSize,
  putBytes,
  putFixed32,
  putFixed64,
  putFloat32,
  putFloat64,
  putLength,
  putSigned32,
  putTag,
  putVarint,
  signed32Size,
  tagSize,
  varintSize,
} from '../wire/write.js';
export {
  COMPUTE_PATH,
  ComputeAnswer,
  type ComputeRequestHead,
  type ComputeRequestTemplate,
  compileComputeRequest,
  computeRequestSize,
  computeRowSize,
  putComputeHead,
  putComputeRow,
  putComputeTail,
} from './compute.js';
export { TOO_MANY_ROWS, WalkScratch, walkFeatureRows } from './feature-answer.js';
export { type AnsweredFeature, countFeatureRows, findFeatureRows, readFeatureSchema } from './feature-answer-head.js';
export { WasmWalk } from './feature-answer-wasm.js';
export {
  encodeFeatureQueryHead,
  type FeatureQueryHead,
  keyPartSize,
  putKeyHead,
  putKeyPart,
  putShortKey,
  RETRIEVE_FEATURES_PATH,
  SHORT_KEY_PART,
} from './feature-query.js';
export {
  compileInferRequest,
  type InferRequestHead,
  type InferRequestTemplate,
  inferRequestSize,
  MODEL_INFER_PATH,
  putInferHead,
  putRawInputHead,
} from './infer-request.js';
export { InferAnswer, MAX_RANK } from './infer-response.js';
export { InferflowRequestScan, NamedTextsScan, placeTexts } from './inferflow-request.js';
export { encodeHeaderRow, InferflowResponseBody } from './inferflow-response.js';
export { encodeOutputSchemas, type OutputColumn } from './output-schema.js';
export { PositionList } from './position-list.js';
export {
  FeatureScan,
  IndexList,
  PredictKind,
  PredictRequestScan,
  placedCells,
  placeSlate,
  placeTarget,
  RequestOptionFlags,
} from './predict-request.js';
export { PredictResponseBody } from './predict-response.js';
export { ComponentStatus, cellCountFields, encodeAbsentColumns, QualityWriter } from './quality.js';
export { measureScoreRows, putScoreRows, ScoreTable } from './score-table.js';
export { RawScratch, readTypedContents } from './typed-contents.js';
export { compileWalk, type WalkColumn, WalkKind, type WalkLayout, type WalkSpec, type WalkStatuses } from './walk-spec.js';
