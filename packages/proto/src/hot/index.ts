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
export { ComponentStatus, cellCountFields, QualityWriter } from './quality.js';
export { measureScoreRows, putScoreRows, ScoreTable } from './score-table.js';
