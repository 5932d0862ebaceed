export { Block, type BlockOptions } from './block.js';
export { type BlockShape, createBlockShape, inlineVectors, type Slot, type SlotSpec } from './block-shape.js';
export { CellStatus, cellStatusCount, cellStatusName, hasValue } from './cell-status.js';
export { BoundColumnReader, type ColumnReader } from './column-reader.js';
export { type CellFailures, ColumnWriter } from './column-writer.js';
export { bytesToText, convertBytes, textToBytes } from './convert/convert-bytes.js';
export { type ConvertColumn, type ConvertJob, createConvertJob } from './convert/convert-job.js';
export { type DecodedValue, decodeValue, type EncodableScalar, type EncodableValue, encodeValue } from './convert/encode-value.js';
export { resolveConversion } from './convert/resolve-conversion.js';
export {
  DataType,
  type DataTypeFamily,
  type DataTypeInfo,
  dataTypeInfo,
  dataTypes,
  parseDataType,
  v2ElementBytes,
} from './data-type.js';
export { MatrixError, type MatrixErrorCode } from './errors.js';
export { IdentityTable } from './identity-table.js';
export { type ColumnRef, columnRef, isSlateRef, Layout, NONE, refBlock, refSlot, type Source, slateRef, sourceOf } from './layout.js';
export { Matrix } from './matrix.js';
export { type Memory, MemoryPool, type MemoryPoolOptions } from './memory-pool.js';
export { murmur3 } from './murmur3.js';
export { allRows, type RowSet, rowsOfSlates } from './row-set.js';
export { createSlate, type Slate } from './slate.js';
export { joinByteTexts, splitByteTexts } from './tensor/byte-texts.js';
export { DefaultedRow } from './tensor/defaulted-row.js';
export type { GatherSpec } from './tensor/gather-plan.js';
export { compileGather, GatherProgram } from './tensor/gather-program.js';
export { scatterFixed, scatterTexts } from './tensor/scatter.js';
export type { TextColumn, TextStyle } from './text-column.js';
