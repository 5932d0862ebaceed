import { DataType, dataTypeInfo } from '../data-type.js';
import { e4m3Values, e5m2Values, halfValues } from './half-fp8.js';
import { parseBool, parseFloat64, parseInteger64 } from './parse-number.js';

/** One cell as a number: the first element of a vector; text is parsed (`true` and `false` are 1 and 0). NaN when there is nothing to read. */
export function readNumber(type: DataType, bytes: Uint8Array, view: DataView, start: number, length: number): number {
  const { elementBytes, elementType } = dataTypeInfo(type);
  if (elementBytes === 0) return readText(type, bytes, start, length);
  if (length < elementBytes) return Number.NaN;
  switch (elementType) {
    case DataType.FP8E5M2:
      return e5m2Values[view.getUint8(start)] as number;
    case DataType.FP8E4M3:
      return e4m3Values[view.getUint8(start)] as number;
    case DataType.FP16:
      return halfValues()[view.getUint16(start, true)] as number;
    case DataType.FP32:
      return view.getFloat32(start, true);
    case DataType.FP64:
      return view.getFloat64(start, true);
    case DataType.Int8:
      return view.getInt8(start);
    case DataType.Int16:
      return view.getInt16(start, true);
    case DataType.Int32:
      return view.getInt32(start, true);
    case DataType.Int64:
      return view.getInt32(start + 4, true) * 4294967296 + view.getUint32(start, true);
    case DataType.Uint8:
      return view.getUint8(start);
    case DataType.Uint16:
      return view.getUint16(start, true);
    case DataType.Uint32:
      return view.getUint32(start, true);
    case DataType.Uint64:
      return view.getUint32(start + 4, true) * 4294967296 + view.getUint32(start, true);
    default:
      return view.getUint8(start) !== 0 ? 1 : 0;
  }
}

function readText(type: DataType, bytes: Uint8Array, start: number, length: number): number {
  if (type !== DataType.String || length === 0) return Number.NaN;
  const value = parseFloat64(bytes, start, start + length);
  if (value !== undefined) return value;
  const truth = parseBool(bytes, start, start + length);
  return truth === undefined ? Number.NaN : truth ? 1 : 0;
}

/** One cell as an integer: 64-bit types exactly, floats truncated, what is not finite or not a number 0n. */
export function readBigint(type: DataType, bytes: Uint8Array, view: DataView, start: number, length: number): bigint {
  const { elementBytes, elementType } = dataTypeInfo(type);
  if (elementBytes === 8 && length >= 8) {
    if (elementType === DataType.Int64) return view.getBigInt64(start, true);
    if (elementType === DataType.Uint64) return view.getBigUint64(start, true);
  }
  if (type === DataType.String) {
    const exact = parseInteger64(bytes, start, start + length, true) ?? parseInteger64(bytes, start, start + length, false);
    if (exact !== undefined) return exact;
  }
  const value = readNumber(type, bytes, view, start, length);
  return Number.isFinite(value) ? BigInt(Math.trunc(value)) : 0n;
}
