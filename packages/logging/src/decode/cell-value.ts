import { DataType } from '@inferflow/matrix';
import { isValidUtf8, readUtf8 } from '@inferflow/proto/hot';
import { type LogType, normalisedTypeName } from '../schema/log-type.js';
import type { DecodedCell, FloatStyle } from './decoded-cell.js';
import { parsePythonJson } from './python-json.js';
import { roundSix } from './round-six.js';

/** The value of a cell's bytes in its type, as readers of the log see it. Bytes that do not fit are null; odd texts become hex. */
export function decodeCell(type: LogType, bytes: Uint8Array, floats: FloatStyle): DecodedCell {
  if (type.isVector) return decodeVector(type, bytes, floats);
  if (type.isBytes) return decodeBytes(bytes);
  if (type.isText) return textOrHex(bytes);
  if (type.width < 0) return parsePythonJson(bytes) ?? hex(bytes);
  if (bytes.length !== type.width) {
    const isLenient = type.dataType === DataType.Uint8 || (type.width === 1 && type.dataType !== DataType.Int8);
    if (!isLenient || bytes.length === 0) return null;
  }
  return decodeNumber(type.dataType, new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength), 0, floats);
}

function decodeNumber(type: DataType, view: DataView, at: number, floats: FloatStyle): DecodedCell {
  switch (type) {
    case DataType.Int8:
      return view.getInt8(at);
    case DataType.Int16:
      return view.getInt16(at, true);
    case DataType.Int32:
      return view.getInt32(at, true);
    case DataType.Int64:
      return integer(view.getBigInt64(at, true));
    case DataType.Uint16:
      return view.getUint16(at, true);
    case DataType.Uint32:
      return view.getUint32(at, true);
    case DataType.Uint64:
      return integer(view.getBigUint64(at, true));
    case DataType.Bool:
      return view.getUint8(at) !== 0;
    case DataType.FP16:
      return float(halfValue(view.getUint16(at, true)), floats);
    case DataType.FP32:
      return float(view.getFloat32(at, true), floats);
    case DataType.FP64:
      return float(view.getFloat64(at, true), floats);
    default:
      // FP8 is handed on as its code.
      return view.getUint8(at);
  }
}

function integer(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function float(value: number, floats: FloatStyle): number {
  return floats === 'rounded' ? roundSix(value) : value;
}

function halfValue(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

function decodeBytes(bytes: Uint8Array): DecodedCell {
  if (bytes.length < 2) return null;
  const length = (bytes[0] as number) | ((bytes[1] as number) << 8);
  return textOrHex(bytes.subarray(2, 2 + length));
}

function textOrHex(bytes: Uint8Array): string {
  return isValidUtf8(bytes, 0, bytes.length) ? readUtf8(bytes, 0, bytes.length) : hex(bytes);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

// The first name that is part of the type's name decides.
const vectorElements: readonly (readonly [string, DataType, number])[] = [
  ['FP16', DataType.FP16, 2],
  ['FLOAT16', DataType.FP16, 2],
  ['FP32', DataType.FP32, 4],
  ['FLOAT32', DataType.FP32, 4],
  ['FP64', DataType.FP64, 8],
  ['FLOAT64', DataType.FP64, 8],
  ['UINT8', DataType.Uint8, 1],
  ['UINT16', DataType.Uint16, 2],
  ['UINT32', DataType.Uint32, 4],
  ['UINT64', DataType.Uint64, 8],
  ['INT8', DataType.Int8, 1],
  ['INT16', DataType.Int16, 2],
  ['INT32', DataType.Int32, 4],
  ['INT64', DataType.Int64, 8],
  ['BOOL', DataType.Bool, 1],
  ['FP8', DataType.FP8E4M3, 1],
];

function decodeVector(type: LogType, bytes: Uint8Array, floats: FloatStyle): DecodedCell {
  if (bytes.length === 0) return [];
  if (bytes[0] === 0x5b || bytes[0] === 0x7b) {
    const json = parsePythonJson(bytes);
    if (json !== undefined) return json;
  }
  const name = normalisedTypeName(type.text);
  const element = vectorElements.find(([part]) => name.includes(part));
  if (element === undefined) return hex(bytes);
  const [, dataType, width] = element;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: Math.floor(bytes.length / width) }, (_, index) => decodeNumber(dataType, view, index * width, floats));
}
