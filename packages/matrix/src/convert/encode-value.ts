import { ByteBuffer } from '../byte-buffer.js';
import { DataType, type DataTypeInfo, dataTypeInfo } from '../data-type.js';
import { MatrixError } from '../errors.js';
import { stringVectorCount } from './format-text.js';
import { floatBits, floatBitsToE4M3, floatBitsToE5M2, floatBitsToHalf } from './half-fp8.js';
import { appendParsed } from './parse-text.js';
import { readNumber } from './read-number.js';

/** A value that {@link encodeValue} takes. */
export type EncodableScalar = number | bigint | boolean | string;
/** A scalar, or a list for a vector type. */
export type EncodableValue = EncodableScalar | readonly EncodableScalar[];
/** A value that {@link decodeValue} gives: 64-bit integers as bigint. */
export type DecodedValue = number | bigint | boolean | string | readonly (number | bigint | boolean | string)[];

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/**
 * A typed value as its bytes on the wire. Numbers into integer types truncate and saturate, bigints wrap; a text into a number type is
 * parsed; vectors take lists (or the colon-separated text).
 * @throws {MatrixError} INFERFLOW_MATRIX_TYPE_MISMATCH when the value cannot be of that type.
 */
export function encodeValue(type: DataType, value: EncodableValue): Uint8Array {
  const info = dataTypeInfo(type);
  if (typeof value === 'string' && (type === DataType.String || type === DataType.Unknown)) return encoder.encode(value);
  if (typeof value === 'string' && type !== DataType.StringVector) return parsed(info, value);
  if (info.isVector) return encodeVector(info, Array.isArray(value) ? (value as readonly EncodableScalar[]) : [value as EncodableScalar]);
  if (type === DataType.String) return encoder.encode(String(value));
  const bytes = new Uint8Array(info.elementBytes);
  if (
    typeof value === 'object' ||
    typeof value === 'string' ||
    info.elementBytes === 0 ||
    !encodeScalar(type, value, new DataView(bytes.buffer), 0)
  )
    throw mismatch(info);
  return bytes;
}

function encodeVector(info: DataTypeInfo, values: readonly EncodableScalar[]): Uint8Array {
  if (info.dataType === DataType.StringVector) return encodeStringVector(values);
  const bytes = new Uint8Array(info.elementBytes * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    if (typeof value === 'string') bytes.set(parsed(dataTypeInfo(info.elementType), value), index * info.elementBytes);
    else if (!encodeScalar(info.elementType, value, view, index * info.elementBytes)) throw mismatch(info);
  });
  return bytes;
}

function encodeStringVector(values: readonly EncodableScalar[]): Uint8Array {
  const texts = values.map((value) => encoder.encode(String(value)));
  const bytes = new Uint8Array(texts.reduce((sum, text) => sum + text.length + 2, 0));
  const view = new DataView(bytes.buffer);
  let at = texts.length * 2;
  texts.forEach((text, index) => {
    if (text.length > 0xffff)
      throw new MatrixError('INFERFLOW_MATRIX_LENGTH_MISMATCH', `a text in a string vector has at most 65535 bytes, not ${text.length}`);
    view.setUint16(index * 2, text.length, true);
    bytes.set(text, at);
    at += text.length;
  });
  return bytes;
}

function parsed(info: DataTypeInfo, text: string): Uint8Array {
  const buffer = new ByteBuffer();
  const source = encoder.encode(text);
  if (!appendParsed(buffer, info.dataType, source, 0, source.length)) throw mismatch(info);
  return buffer.bytes.slice(0, buffer.end);
}

function mismatch(info: DataTypeInfo): MatrixError {
  return new MatrixError('INFERFLOW_MATRIX_TYPE_MISMATCH', `the value cannot be written as ${info.name}`);
}

/** Writes one scalar of a fixed-width type; false for text types. A JavaScript number has no NaN payload: NaN is the quiet one. */
export function encodeScalar(type: DataType, value: number | bigint | boolean, view: DataView, at: number): boolean {
  if (type === DataType.Int64 || type === DataType.Uint64) {
    view.setBigUint64(at, BigInt.asUintN(64, typeof value === 'bigint' ? value : saturated64(type, Number(value))), true);
    return true;
  }
  const { elementBytes, family } = dataTypeInfo(type);
  if ((family === 'int' || family === 'uint') && typeof value === 'bigint') {
    putInteger(view, at, elementBytes, Number(BigInt.asIntN(32, value)));
    return true;
  }
  const number = Number(value);
  switch (family) {
    case 'bool':
      view.setUint8(at, number !== 0 ? 1 : 0);
      return true;
    case 'float':
      putFloat(view, at, type, number);
      return true;
    case 'int':
    case 'uint': {
      const span = 2 ** (elementBytes * 8);
      const least = family === 'int' ? -span / 2 : 0;
      putInteger(view, at, elementBytes, Math.min(Math.max(number, least), least + span - 1));
      return true;
    }
    default:
      return false;
  }
}

function saturated64(type: DataType, value: number): bigint {
  if (Number.isNaN(value)) return 0n;
  const least = type === DataType.Int64 ? -(2 ** 63) : 0;
  const most = type === DataType.Int64 ? 0x7fffffffffffffffn : 0xffffffffffffffffn;
  if (value <= least) return BigInt(least);
  return value >= 2 ** (type === DataType.Int64 ? 63 : 64) ? most : BigInt(Math.trunc(value));
}

function putInteger(view: DataView, at: number, width: number, value: number): void {
  if (width === 1) view.setInt8(at, value);
  else if (width === 2) view.setInt16(at, value, true);
  else view.setInt32(at, value, true);
}

function putFloat(view: DataView, at: number, type: DataType, value: number): void {
  if (type === DataType.FP64) view.setFloat64(at, value, true);
  else if (type === DataType.FP32) view.setFloat32(at, value, true);
  else if (type === DataType.FP16) view.setUint16(at, floatBitsToHalf(floatBits(value)), true);
  else view.setUint8(at, type === DataType.FP8E4M3 ? floatBitsToE4M3(floatBits(value)) : floatBitsToE5M2(floatBits(value)));
}

/** The value that bytes from the wire hold; null when their length does not fit the type. Unknown types have no value. */
export function decodeValue(type: DataType, bytes: Uint8Array): DecodedValue | null {
  const info = dataTypeInfo(type);
  if (type === DataType.String) return decoder.decode(bytes);
  if (type === DataType.StringVector) return decodeStringVector(bytes);
  if (info.elementBytes === 0) return null;
  if (info.isVector ? bytes.length % info.elementBytes !== 0 : bytes.length !== info.elementBytes) return null;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (!info.isVector) return decodeScalar(info, bytes, view, 0);
  return Array.from({ length: bytes.length / info.elementBytes }, (_, index) => decodeScalar(info, bytes, view, index * info.elementBytes));
}

function decodeScalar(info: DataTypeInfo, bytes: Uint8Array, view: DataView, at: number): number | bigint | boolean {
  if (info.elementType === DataType.Int64) return view.getBigInt64(at, true);
  if (info.elementType === DataType.Uint64) return view.getBigUint64(at, true);
  const value = readNumber(info.elementType, bytes, view, at, info.elementBytes);
  return info.family === 'bool' ? value !== 0 : value;
}

function decodeStringVector(bytes: Uint8Array): readonly string[] | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = stringVectorCount(view, 0, bytes.length);
  if (count < 0) return null;
  let at = count * 2;
  return Array.from({ length: count }, (_, index) => {
    const length = view.getUint16(index * 2, true);
    at += length;
    return decoder.decode(bytes.subarray(at - length, at));
  });
}
