export { type DecodedLog, type DecodeOptions, decodeBlobs, decodeLog, type LogHeader, readLogHeader } from './decode-log.js';
export type { DecodedCell, FloatStyle } from './decoded-cell.js';
export { type ParsedEnvelope, type ParsedLog, parseEnvelope, parseLog } from './parse-log.js';
