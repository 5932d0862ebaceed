import { DataType, dataTypeInfo } from '@inferflow/matrix';

/** Name of a value's type: `FP32`, `Int64`, `String`, `FP32Vector` and so on. */
export type FeatureTypeName = Exclude<Extract<keyof typeof DataType, string>, 'Unknown'>;

/** Declared type of a feature. A vector's length (elements) may be stated; otherwise it is taken from the values. */
export type FeatureType = FeatureTypeName | { readonly type: FeatureTypeName; readonly length: number };

/** A feature's value. `null` and `undefined` mean that there is none. */
export type FeatureValue =
  | string
  | number
  | bigint
  | boolean
  | readonly string[]
  | readonly number[]
  | readonly bigint[]
  | readonly boolean[]
  | NumberArray
  | null
  | undefined;

/** Typed arrays are vectors of their element type. */
export type NumberArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array;

/** A type with its vector length: 0 for scalars and where it is not known yet. */
export interface ResolvedType {
  readonly dataType: DataType;
  readonly length: number;
}

/** Reads a declared type. A text is what is wrong with it. */
export function resolveFeatureType(type: FeatureType): ResolvedType | string {
  const name = typeof type === 'object' && type !== null ? type.type : type;
  const dataType = Object.hasOwn(DataType, name) ? DataType[name] : DataType.Unknown;
  if (dataType === DataType.Unknown) {
    return 'unknown type; expected a name such as FP32, Int64, String or FP32Vector';
  }
  if (typeof type !== 'object') {
    return { dataType, length: 0 };
  }
  if (!dataTypeInfo(dataType).isVector) {
    return `a length was given for the scalar type ${name}`;
  }
  if (!Number.isInteger(type.length) || type.length < 1) {
    return 'length must be a whole number of elements, at least 1';
  }
  return { dataType, length: type.length };
}

const arrayTypes: readonly (readonly [new (length: number) => NumberArray, DataType])[] = [
  [Float32Array, DataType.FP32Vector],
  [Float64Array, DataType.FP64Vector],
  [Int8Array, DataType.Int8Vector],
  [Int16Array, DataType.Int16Vector],
  [Int32Array, DataType.Int32Vector],
  [BigInt64Array, DataType.Int64Vector],
  [Uint8Array, DataType.Uint8Vector],
  [Uint16Array, DataType.Uint16Vector],
  [Uint32Array, DataType.Uint32Vector],
  [BigUint64Array, DataType.Uint64Vector],
];

/**
 * The type that holds a value without loss: String, FP64 for a number, Int64 for
 * a bigint, Bool; a vector of it for an array; the array's own element type for
 * a typed array. Unknown for an empty array and for anything else.
 */
export function inferDataType(value: FeatureValue): DataType {
  switch (typeof value) {
    case 'string':
      return DataType.String;
    case 'number':
      return DataType.FP64;
    case 'bigint':
      return DataType.Int64;
    case 'boolean':
      return DataType.Bool;
    default:
  }
  if (Array.isArray(value)) {
    return dataTypeInfo(value.length === 0 ? DataType.Unknown : inferDataType(value[0])).vectorType;
  }
  for (const [array, dataType] of arrayTypes) {
    if (value instanceof array) {
      return dataType;
    }
  }
  return DataType.Unknown;
}
