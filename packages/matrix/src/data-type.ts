/** The closed table of value types. The numbers are those of the Predict protocol and of the feature store's storage header. */
export const DataType = {
  Unknown: 0,
  FP8E5M2: 1,
  FP8E4M3: 2,
  FP16: 3,
  FP32: 4,
  FP64: 5,
  Int8: 6,
  Int16: 7,
  Int32: 8,
  Int64: 9,
  Uint8: 10,
  Uint16: 11,
  Uint32: 12,
  Uint64: 13,
  String: 14,
  Bool: 15,
  FP8E5M2Vector: 16,
  FP8E4M3Vector: 17,
  FP16Vector: 18,
  FP32Vector: 19,
  FP64Vector: 20,
  Int8Vector: 21,
  Int16Vector: 22,
  Int32Vector: 23,
  Int64Vector: 24,
  Uint8Vector: 25,
  Uint16Vector: 26,
  Uint32Vector: 27,
  Uint64Vector: 28,
  StringVector: 29,
  BoolVector: 30,
} as const;

/** One of the 31 value types, as its protocol number. */
export type DataType = (typeof DataType)[keyof typeof DataType];

/** What kind of value a type (or its elements) holds. */
export type DataTypeFamily = 'int' | 'uint' | 'float' | 'bool' | 'text' | 'unknown';

/** Everything fixed about one type. */
export interface DataTypeInfo {
  readonly dataType: DataType;
  /** Canonical name: `DataTypeFP32`, `DataTypeInt64Vector`. */
  readonly name: string;
  /** Name in the model server's protocol (`FP32`, `INT64`, `BYTES` for String, `BOOL`); null where that protocol has none (FP8, vectors, Unknown). */
  readonly v2Name: string | null;
  /** Bytes of one element; 0 = variable (String, StringVector, Unknown). */
  readonly elementBytes: number;
  readonly isVector: boolean;
  /** String and StringVector. */
  readonly isText: boolean;
  /** The type of one element; itself for a scalar. */
  readonly elementType: DataType;
  /** The vector of this type; itself for a vector, Unknown for Unknown. */
  readonly vectorType: DataType;
  readonly family: DataTypeFamily;
}

type Scalar = readonly [name: string, v2Name: string | null, elementBytes: number, family: DataTypeFamily];

// Index = protocol number. The vector of scalar n is n + 15.
const scalars: readonly Scalar[] = [
  ['Unknown', null, 0, 'unknown'],
  ['FP8E5M2', null, 1, 'float'],
  ['FP8E4M3', null, 1, 'float'],
  ['FP16', 'FP16', 2, 'float'],
  ['FP32', 'FP32', 4, 'float'],
  ['FP64', 'FP64', 8, 'float'],
  ['Int8', 'INT8', 1, 'int'],
  ['Int16', 'INT16', 2, 'int'],
  ['Int32', 'INT32', 4, 'int'],
  ['Int64', 'INT64', 8, 'int'],
  ['Uint8', 'UINT8', 1, 'uint'],
  ['Uint16', 'UINT16', 2, 'uint'],
  ['Uint32', 'UINT32', 4, 'uint'],
  ['Uint64', 'UINT64', 8, 'uint'],
  ['String', 'BYTES', 0, 'text'],
  ['Bool', 'BOOL', 1, 'bool'],
];
const vectorOffset = 15;

function describe(dataType: DataType): DataTypeInfo {
  const isVector = dataType > vectorOffset;
  const element = (isVector ? dataType - vectorOffset : dataType) as DataType;
  const [name, v2Name, elementBytes, family] = scalars[element] as Scalar;
  return Object.freeze({
    dataType,
    name: `DataType${name}${isVector ? 'Vector' : ''}`,
    v2Name: isVector ? null : v2Name,
    elementBytes,
    isVector,
    isText: family === 'text',
    elementType: element,
    vectorType: (element === 0 ? 0 : element + vectorOffset) as DataType,
    family,
  });
}

const table: readonly DataTypeInfo[] = Array.from({ length: 31 }, (_, number) => describe(number as DataType));

/** All 31 types, by number. */
export const dataTypes: readonly DataTypeInfo[] = Object.freeze(table);

/** The facts of a type; those of Unknown for a number outside the table. */
export function dataTypeInfo(type: DataType): DataTypeInfo {
  return table[type] ?? (table[0] as DataTypeInfo);
}

const spellings = new Map<string, DataType>([
  ['bytes', DataType.String],
  ['datatypebytes', DataType.String],
]);
for (const info of table) {
  const lower = info.name.toLowerCase();
  spellings.set(lower, info.dataType);
  spellings.set(lower.slice('datatype'.length), info.dataType);
}

/**
 * Reads a type's name as any of its consumers spells it, in any case: `DataTypeFP32`, `fp32`, `FP32`, `INT64`, `BYTES` (String), `FP32Vector`.
 * `BF16` is undefined: it exists only at the model server, and its cells are two raw bytes of type Unknown.
 */
export function parseDataType(text: string): DataType | undefined {
  return spellings.get(text.trim().toLowerCase());
}

/** Bytes of one element of a model server datatype (`FP32`, `BF16`, `UINT64`, …): 0 for `BYTES`, −1 for a name that protocol does not have. */
export function v2ElementBytes(v2: string): number {
  if (v2 === 'BF16') return 2;
  for (const [, name, elementBytes] of scalars) if (name === v2) return elementBytes;
  return -1;
}
