import { convertBytes, type DataType, dataTypeInfo } from '@inferflow/matrix';
import type { FeatureColumn } from './feature-column.js';

// Precision falls from left to right; a query may ask for less, never for the same or more.
const RANKS: Readonly<Record<string, number>> = { FP64: 4, FP32: 3, FP16: 2, FP8E4M3: 1, FP8E5M2: 1 };

/** Whether values of one type can be asked for in another: floats of lower precision, scalar as scalar and vector as vector. */
export function canQuantise(from: DataType, to: DataType): boolean {
  const source = dataTypeInfo(from);
  const target = dataTypeInfo(to);
  const sourceRank = rankOf(source.elementType);
  const targetRank = rankOf(target.elementType);
  return source.isVector === target.isVector && sourceRank > 0 && targetRank > 0 && sourceRank > targetRank;
}

function rankOf(elementType: DataType): number {
  return RANKS[dataTypeInfo(elementType).name.replace('DataType', '')] ?? 0;
}

/** The column in the lower precision, its default included, so that every value of an answer has one width. */
export function quantiseColumn(column: FeatureColumn, from: DataType, to: DataType): FeatureColumn {
  const source = dataTypeInfo(from);
  const target = dataTypeInfo(to);
  // A column of scalars is converted like one long vector.
  const bytes = convertBytes(source.vectorType, target.vectorType, column.bytes, false);
  if (bytes === null) throw new RangeError(`${source.name} cannot be converted to ${target.name}`);
  const scale = target.elementBytes / source.elementBytes;
  return Object.freeze({
    bytes,
    width: column.width * scale,
    ends: column.ends === null ? null : column.ends.map((end) => end * scale),
  });
}
