import { DataType, dataTypeInfo, decodeValue } from '@inferflow/matrix';
import type { SchemaElement } from 'hyparquet';
import { decodeCell } from '../decode/cell-value.js';
import type { DecodedCell } from '../decode/decoded-cell.js';
import type { LogFeature } from '../schema/log-schema.js';
import type { LogType } from '../schema/log-type.js';

type Primitive = Pick<SchemaElement, 'type' | 'converted_type'>;

const text: Primitive = { type: 'BYTE_ARRAY', converted_type: 'UTF8' };
const primitives: Readonly<Partial<Record<DataType, Primitive>>> = {
  [DataType.Int8]: { type: 'INT32', converted_type: 'INT_8' },
  [DataType.Int16]: { type: 'INT32', converted_type: 'INT_16' },
  [DataType.Int32]: { type: 'INT32' },
  [DataType.Int64]: { type: 'INT64' },
  [DataType.Uint8]: { type: 'INT32', converted_type: 'UINT_8' },
  [DataType.Uint16]: { type: 'INT32', converted_type: 'UINT_16' },
  // Every value fits, and every reader knows signed numbers.
  [DataType.Uint32]: { type: 'INT64' },
  [DataType.Uint64]: { type: 'INT64', converted_type: 'UINT_64' },
  [DataType.FP8E4M3]: { type: 'FLOAT' },
  [DataType.FP8E5M2]: { type: 'FLOAT' },
  [DataType.FP16]: { type: 'FLOAT' },
  [DataType.FP32]: { type: 'FLOAT' },
  [DataType.FP64]: { type: 'DOUBLE' },
  [DataType.Bool]: { type: 'BOOLEAN' },
  [DataType.String]: text,
};

/** What columns of integers hold: a text may say anything. */
const ranges: Readonly<Partial<Record<DataType, readonly [least: number | bigint, most: number | bigint]>>> = {
  [DataType.Int8]: [-128, 127],
  [DataType.Int16]: [-32_768, 32_767],
  [DataType.Int32]: [-(2 ** 31), 2 ** 31 - 1],
  [DataType.Int64]: [-(2n ** 63n), 2n ** 63n - 1n],
  [DataType.Uint8]: [0, 255],
  [DataType.Uint16]: [0, 65_535],
  [DataType.Uint32]: [0, 2 ** 32 - 1],
  [DataType.Uint64]: [0n, 2n ** 64n - 1n],
};

/** The Parquet column of a feature: a nullable value, or a list of them. */
export function columnElements({ name, type }: LogFeature): SchemaElement[] {
  const primitive = primitives[dataTypeInfo(type.dataType).elementType] ?? ({ type: 'BYTE_ARRAY' } as const);
  if (!type.isVector) return [{ name, repetition_type: 'OPTIONAL', ...primitive }];
  return [
    { name, repetition_type: 'OPTIONAL', num_children: 1, converted_type: 'LIST' },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', repetition_type: 'OPTIONAL', ...primitive },
  ];
}

/** A cell as the writer wants it; what does not fit the column's type is null. */
export function columnValue(type: LogType, bytes: Uint8Array | null): unknown {
  if (bytes === null || bytes.length === 0) return null;
  if (type.width < 0) return bytes;
  const { elementType, family } = dataTypeInfo(type.dataType);
  if (type.isVector && elementType === DataType.Unknown) return null;
  const isCoded = elementType === DataType.FP8E4M3 || elementType === DataType.FP8E5M2;
  const value = isCoded ? (decodeValue(type.dataType, bytes) as DecodedCell) : decodeCell(type, bytes, 'exact');
  if (!type.isVector) return fitted(elementType, family, value);
  return Array.isArray(value) ? value.map((element) => fitted(elementType, family, element)) : null;
}

/** A decoded value as the writer wants it; what does not fit the column's type is null. */
export function decodedValue(type: LogType, cell: DecodedCell): unknown {
  if (cell === null) return null;
  if (type.width < 0) return typeof cell === 'string' ? new TextEncoder().encode(cell) : null;
  const { elementType, family } = dataTypeInfo(type.dataType);
  const isCoded = elementType === DataType.FP8E4M3 || elementType === DataType.FP8E5M2;
  // Decoded rows hold such numbers as their byte.
  const element = (value: DecodedCell): unknown =>
    fitted(
      elementType,
      family,
      isCoded && typeof value === 'number' ? (decodeValue(elementType, Uint8Array.of(value)) as DecodedCell) : value,
    );
  if (!type.isVector) return element(cell);
  return Array.isArray(cell) && elementType !== DataType.Unknown ? cell.map(element) : null;
}

function fitted(type: DataType, family: string, value: DecodedCell): unknown {
  if (value === null) return null;
  if (family === 'text') return typeof value === 'string' ? value : JSON.stringify(value);
  if (family === 'bool') return typeof value === 'boolean' ? value : null;
  if (typeof value !== 'number' && typeof value !== 'bigint') return null;
  const range = ranges[type];
  if (range === undefined) return Number(value);
  if ((typeof value === 'number' && !Number.isInteger(value)) || value < range[0] || value > range[1]) return null;
  return type === DataType.Int64 || type === DataType.Uint64 || type === DataType.Uint32 ? BigInt(value) : Number(value);
}
