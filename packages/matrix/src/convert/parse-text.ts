import type { ByteBuffer } from '../byte-buffer.js';
import { DataType, dataTypeInfo } from '../data-type.js';
import { floatBits, floatBitsToE4M3, floatBitsToE5M2, floatBitsToHalf } from './half-fp8.js';
import { parseBool, parseFloat32, parseFloat64, parseInteger, parseInteger64 } from './parse-number.js';

/**
 * Appends the bytes that a text means in a type: texts as they are, numbers by their own grammar, vectors with elements separated by
 * `:`. False, and nothing appended, when the text is empty or does not parse.
 */
export function appendParsed(buffer: ByteBuffer, type: DataType, bytes: Uint8Array, start: number, end: number): boolean {
  if (end <= start) return false;
  const info = dataTypeInfo(type);
  if (info.isText) {
    appendTextBytes(buffer, bytes, start, end, type === DataType.StringVector);
    return true;
  }
  if (!info.isVector) return appendParsedScalar(buffer, type, bytes, start, end);
  const begin = buffer.end;
  for (let from = start; from <= end; ) {
    let to = from;
    while (to < end && bytes[to] !== colon) to++;
    if (!appendParsedScalar(buffer, info.elementType, bytes, from, to)) {
      buffer.end = begin;
      return false;
    }
    from = to + 1;
  }
  return true;
}

const colon = 58;
const comma = 44;

function appendTextBytes(buffer: ByteBuffer, bytes: Uint8Array, start: number, end: number, isVector: boolean): void {
  buffer.ensure(end - start);
  for (let at = start; at < end; at++) {
    const code = bytes[at] as number;
    buffer.bytes[buffer.end++] = isVector && code === colon ? comma : code;
  }
}

function appendParsedScalar(buffer: ByteBuffer, type: DataType, bytes: Uint8Array, start: number, end: number): boolean {
  const width = dataTypeInfo(type).elementBytes;
  if (width === 0) return false;
  buffer.ensure(width);
  if (!putParsed(buffer.view, buffer.end, type, bytes, start, end)) return false;
  buffer.end += width;
  return true;
}

/** Writes the bytes of one parsed scalar; false when the text does not parse in that type. Text types are not scalars here. */
function putParsed(view: DataView, at: number, type: DataType, bytes: Uint8Array, start: number, end: number): boolean {
  switch (type) {
    case DataType.FP64: {
      const value = parseFloat64(bytes, start, end);
      if (value === undefined) return false;
      if (Number.isNaN(value)) view.setBigUint64(at, textNaN64, true);
      else view.setFloat64(at, value, true);
      return true;
    }
    case DataType.FP32:
    case DataType.FP16:
    case DataType.FP8E4M3:
    case DataType.FP8E5M2: {
      const value = parseFloat32(bytes, start, end);
      if (value === undefined) return false;
      putFloatBits(view, at, type, Number.isNaN(value) ? 0x7fc00000 : floatBits(value));
      return true;
    }
    case DataType.Int64:
    case DataType.Uint64: {
      const value = parseInteger64(bytes, start, end, type === DataType.Int64);
      if (value === undefined) return false;
      view.setBigUint64(at, BigInt.asUintN(64, value), true);
      return true;
    }
    case DataType.Bool: {
      const value = parseBool(bytes, start, end);
      if (value === undefined) return false;
      view.setUint8(at, value ? 1 : 0);
      return true;
    }
    default:
      return putInteger(view, at, type, bytes, start, end);
  }
}

// What the original's parser makes of "NaN" in 64 bits.
const textNaN64 = 0x7ff8000000000001n;

function putFloatBits(view: DataView, at: number, type: DataType, bits: number): void {
  if (type === DataType.FP32) view.setUint32(at, bits, true);
  else if (type === DataType.FP16) view.setUint16(at, floatBitsToHalf(bits), true);
  else view.setUint8(at, type === DataType.FP8E4M3 ? floatBitsToE4M3(bits) : floatBitsToE5M2(bits));
}

function putInteger(view: DataView, at: number, type: DataType, bytes: Uint8Array, start: number, end: number): boolean {
  const { elementBytes, family } = dataTypeInfo(type);
  if (family !== 'int' && family !== 'uint') return false;
  const span = 2 ** (elementBytes * 8);
  const signed = family === 'int';
  const value = parseInteger(bytes, start, end, signed, signed ? -span / 2 : 0, signed ? span / 2 - 1 : span - 1);
  if (value === undefined) return false;
  if (elementBytes === 1) view.setUint8(at, value);
  else if (elementBytes === 2) view.setUint16(at, value, true);
  else view.setUint32(at, value, true);
  return true;
}
