import { DataType, dataTypeInfo, parseDataType } from '@inferflow/matrix';

/** Type of a score column, as a type and as the original's text for it. */
export interface ScoreColumnType {
  /** `Unknown` for BF16, whose cells are raw bytes. */
  readonly dataType: DataType;
  readonly typeText: string;
}

/**
 * Type of the column for a score of an output: the output's type if the score has dimensions `[1]` or none, else its vector type.
 * `typeText` is the original's: the type as written, or `DataType…Vector` around it.
 */
export function scoreColumnType(outputDataType: string, dims: readonly number[]): ScoreColumnType {
  const dataType = parseDataType(outputDataType) ?? DataType.Unknown;
  if (dims.length === 0 || (dims.length === 1 && dims[0] === 1)) return { dataType, typeText: outputDataType };
  return { dataType: dataTypeInfo(dataType).vectorType, typeText: `DataType${outputDataType}Vector` };
}
