import { ByteBuffer } from '../byte-buffer.js';
import { DataType, dataTypeInfo, parseDataType } from '../data-type.js';
import type { TextStyle } from '../text-column.js';
import { createConvertJob } from './convert-job.js';
import { appendText, floatNotationOf } from './format-text.js';
import { appendParsed } from './parse-text.js';
import { resolveConversion } from './resolve-conversion.js';

// Doors for single values: tests, embedders, clients. They allocate; nothing per request comes through here.

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();

/** The converters take names with or without `DataType`, in any case, but no blanks and no `DataTypeBYTES`. */
function converterType(type: string | DataType): DataType | undefined {
  if (typeof type === 'number') return type;
  if (type !== type.trim() || /^datatypebytes$/i.test(type)) return undefined;
  const parsed = parseDataType(type);
  return parsed === DataType.Unknown ? undefined : parsed;
}

/**
 * One value from one type into another. Null when the types have no conversion or the bytes do not fit. A scalar longer than its type
 * is read from its start; the same type spelled alike is returned as it is. `compat`: exactly the original's results.
 */
export function convertBytes(from: string | DataType, to: string | DataType, bytes: Uint8Array, compat: boolean): Uint8Array | null {
  if (typeof from === typeof to && String(from).toLowerCase() === String(to).toLowerCase()) return bytes;
  const fromType = converterType(from);
  const toType = converterType(to);
  if (fromType === undefined || toType === undefined) return null;
  if (/^bytes$/i.test(String(from))) return null;
  const convert = resolveConversion(fromType, toType, compat);
  const source = dataTypeInfo(fromType);
  const target = dataTypeInfo(toType);
  if (convert === null || target.isText || (source.isText && source.isVector)) return null;
  const elements = source.isVector ? bytes.length / source.elementBytes : 1;
  if (!Number.isInteger(elements) || (source.elementBytes > 0 && bytes.length < elements * source.elementBytes)) return null;
  if (source.isText && bytes.length === 0) return null;
  const result = new Uint8Array(elements * target.elementBytes);
  const job = createConvertJob();
  job.source = bytes;
  job.sourceView = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  job.starts = new Int32Array(1);
  job.lengths = Int32Array.of(bytes.length);
  job.to = 1;
  job.elements = elements;
  job.target = result;
  job.targetView = new DataView(result.buffer);
  job.targetStride = result.length;
  return convert(job) === 0 ? result : null;
}

/**
 * The text of one value; null when the bytes do not fit the type. Styles `answer` and `compat-answer` agree here except for string
 * vectors, which only the first decodes.
 */
export function bytesToText(type: string | DataType, bytes: Uint8Array, style: TextStyle = 'answer'): string | null {
  const dataType = converterType(type);
  if (dataType === undefined) return null;
  const buffer = new ByteBuffer();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const decodes = style === 'answer' || style === 'key';
  if (!appendText(buffer, dataType, bytes, view, 0, bytes.length, floatNotationOf(style), decodes)) return null;
  return decoder.decode(buffer.bytes.subarray(0, buffer.end));
}

/** The bytes that a text means in a type (vectors separated by `:`); null when it is empty or does not parse. */
export function textToBytes(type: string | DataType, text: string): Uint8Array | null {
  const dataType = converterType(type);
  if (dataType === undefined || dataType === DataType.Unknown) return null;
  const buffer = new ByteBuffer();
  const source = encoder.encode(text);
  return appendParsed(buffer, dataType, source, 0, source.length) ? buffer.bytes.slice(0, buffer.end) : null;
}
