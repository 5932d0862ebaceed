import { DataType, dataTypeInfo, type EncodableValue, encodeValue } from '@inferflow/matrix';
import type { FeatureValue } from './rank-request.js';

const encoder = new TextEncoder();

/** The type that a value is sent as when nobody says otherwise. */
export function inferDataType(value: FeatureValue): DataType {
  if (typeof value === 'string' || value instanceof Uint8Array) return DataType.String;
  if (typeof value === 'number') return DataType.FP32;
  if (typeof value === 'bigint') return DataType.Int64;
  if (typeof value === 'boolean') return DataType.Bool;
  if (value instanceof Float64Array) return DataType.FP64Vector;
  if (value instanceof Int8Array) return DataType.Int8Vector;
  if (value instanceof Int16Array) return DataType.Int16Vector;
  if (value instanceof Int32Array) return DataType.Int32Vector;
  if (value instanceof Uint16Array) return DataType.Uint16Vector;
  if (value instanceof Uint32Array) return DataType.Uint32Vector;
  switch (typeof value[0]) {
    case 'string':
      return DataType.StringVector;
    case 'bigint':
      return DataType.Int64Vector;
    case 'boolean':
      return DataType.BoolVector;
    default:
      return DataType.FP32Vector;
  }
}

/** A value as the bytes of a type. Raw bytes pass as they are. */
export function toTypedBytes(value: FeatureValue, type: DataType): Uint8Array {
  if (value instanceof Uint8Array) return value;
  const isScalar = typeof value !== 'object';
  const encodable: EncodableValue = isScalar ? value : (Array.from(value as ArrayLike<number>) as readonly number[]);
  if (!isScalar && !dataTypeInfo(type).isVector) return encodeValue(type, (encodable as readonly number[])[0] ?? 0);
  return encodeValue(type, encodable);
}

/** A value as the text that models with `request_values: "text"` read: vectors with colons between their elements. */
export function toTextBytes(value: FeatureValue): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value !== 'object') return encoder.encode(String(value));
  return encoder.encode(Array.from(value as ArrayLike<unknown>, String).join(':'));
}
