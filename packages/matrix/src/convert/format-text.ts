import type { ByteBuffer } from '../byte-buffer.js';
import { DataType, dataTypeInfo } from '../data-type.js';
import type { TextStyle } from '../text-column.js';
import { appendFloat32, appendFloat64, type FloatNotation } from './float-text.js';
import { e4m3Values, e5m2Values, halfValues } from './half-fp8.js';

/** Notation of floats in a text style. */
export function floatNotationOf(style: TextStyle): FloatNotation {
  return style === 'key' ? 'plain' : 'scientific';
}

/**
 * Appends the text of a cell. False, and nothing appended, when the length does not fit the type.
 * Elements of vectors are joined with commas. A string vector is decoded with `decodeStringVectors`, else taken as it lies.
 */
export function appendText(
  buffer: ByteBuffer,
  type: DataType,
  bytes: Uint8Array,
  view: DataView,
  start: number,
  length: number,
  notation: FloatNotation,
  decodeStringVectors: boolean,
): boolean {
  const { elementBytes, elementType, isVector } = dataTypeInfo(type);
  if (elementBytes === 0) {
    if (type === DataType.StringVector && decodeStringVectors && appendStringVector(buffer, bytes, view, start, length)) return true;
    appendBytes(buffer, bytes, start, length);
    return true;
  }
  if (isVector ? length % elementBytes !== 0 : length !== elementBytes) return false;
  const end = start + length;
  for (let at = start; at < end; at += elementBytes) {
    if (at > start) {
      buffer.ensure(1);
      buffer.bytes[buffer.end++] = 44;
    }
    appendElement(buffer, elementType, view, at, notation);
  }
  return true;
}

function appendElement(buffer: ByteBuffer, type: DataType, view: DataView, at: number, notation: FloatNotation): void {
  switch (type) {
    case DataType.FP8E5M2:
      appendFloat32(buffer, e5m2Values[view.getUint8(at)] as number, notation);
      return;
    case DataType.FP8E4M3:
      appendFloat32(buffer, e4m3Values[view.getUint8(at)] as number, notation);
      return;
    case DataType.FP16:
      appendFloat32(buffer, halfValues()[view.getUint16(at, true)] as number, notation);
      return;
    case DataType.FP32:
      appendFloat32(buffer, view.getFloat32(at, true), notation);
      return;
    case DataType.FP64:
      appendFloat64(buffer, view.getFloat64(at, true), notation);
      return;
    case DataType.Int8:
      appendInteger(buffer, view.getInt8(at));
      return;
    case DataType.Int16:
      appendInteger(buffer, view.getInt16(at, true));
      return;
    case DataType.Int32:
      appendInteger(buffer, view.getInt32(at, true));
      return;
    case DataType.Int64:
      appendInteger64(buffer, view.getInt32(at + 4, true), view.getUint32(at, true), view, at, true);
      return;
    case DataType.Uint8:
      appendInteger(buffer, view.getUint8(at));
      return;
    case DataType.Uint16:
      appendInteger(buffer, view.getUint16(at, true));
      return;
    case DataType.Uint32:
      appendInteger(buffer, view.getUint32(at, true));
      return;
    case DataType.Uint64:
      appendInteger64(buffer, view.getUint32(at + 4, true), view.getUint32(at, true), view, at, false);
      return;
    case DataType.Bool:
      appendAscii(buffer, view.getUint8(at) !== 0 ? 'true' : 'false');
      return;
    default:
  }
}

function appendInteger64(buffer: ByteBuffer, high: number, low: number, view: DataView, at: number, isSigned: boolean): void {
  const value = high * 4294967296 + low;
  if (Number.isSafeInteger(value)) appendInteger(buffer, value);
  else appendAscii(buffer, (isSigned ? view.getBigInt64(at, true) : view.getBigUint64(at, true)).toString());
}

function appendInteger(buffer: ByteBuffer, value: number): void {
  buffer.ensure(20);
  const bytes = buffer.bytes;
  let rest = Math.abs(value);
  if (value < 0) bytes[buffer.end++] = 45;
  let count = 1;
  for (let probe = rest; probe >= 10; probe = Math.floor(probe / 10)) count++;
  for (let at = buffer.end + count - 1; at >= buffer.end; at--) {
    const next = Math.floor(rest / 10);
    bytes[at] = 48 + rest - next * 10;
    rest = next;
  }
  buffer.end += count;
}

function appendAscii(buffer: ByteBuffer, text: string): void {
  buffer.ensure(text.length);
  for (let index = 0; index < text.length; index++) buffer.bytes[buffer.end++] = text.charCodeAt(index);
}

function appendBytes(buffer: ByteBuffer, bytes: Uint8Array, start: number, length: number): void {
  buffer.ensure(length);
  if (length > 48) buffer.bytes.set(bytes.subarray(start, start + length), buffer.end);
  else for (let index = 0; index < length; index++) buffer.bytes[buffer.end + index] = bytes[start + index] as number;
  buffer.end += length;
}

/** n little-endian u16 lengths, then the n texts: n is the one count at which lengths and texts fill the cell exactly. −1 = no such count. */
export function stringVectorCount(view: DataView, start: number, length: number): number {
  if (length === 0) return 0;
  let texts = 0;
  for (let count = 1; count * 2 <= length; count++) {
    texts += view.getUint16(start + count * 2 - 2, true);
    if (count * 2 + texts === length) return count;
    if (count * 2 + texts > length) return -1;
  }
  return -1;
}

function appendStringVector(buffer: ByteBuffer, bytes: Uint8Array, view: DataView, start: number, length: number): boolean {
  const count = stringVectorCount(view, start, length);
  if (count < 0) return false;
  let at = start + count * 2;
  for (let index = 0; index < count; index++) {
    if (index > 0) appendAscii(buffer, ',');
    const textLength = view.getUint16(start + index * 2, true);
    appendBytes(buffer, bytes, at, textLength);
    at += textLength;
  }
  return true;
}
