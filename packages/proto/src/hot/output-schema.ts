import { putUtf8, utf8Size } from '../wire/utf8.js';
import { lengthFieldSize, putLength, putTag, putVarint, tagSize, varintSize } from '../wire/write.js';
import { PredictKind } from './predict-request.js';

/*
 * Output columns in an answer, encoded once per plan and request schema.
 *
 *   PointWiseResponse     «0a column»
 *   PairWise-, SlateWise  «1a column of targets» | «22 column of pairs or slates»
 *   column                0a name | 10 data_type | a0 06 width (where the configuration states one)
 */

/** One column of an answer. */
export interface OutputColumn {
  readonly name: string;
  /** Number of the `DataType` enum. */
  readonly dataType: number;
  /** Elements of a vector where the configuration states it, else 0. */
  readonly width: number;
}

/**
 * The output schemas of an answer as encoded fields: `target_output_schema`, then for pairs and slates theirs. For compile time.
 * An empty list leaves its schema out.
 */
export function encodeOutputSchemas(kind: PredictKind, targets: readonly OutputColumn[], slates: readonly OutputColumn[]): Uint8Array {
  const isPointWise = kind === PredictKind.pointWise;
  const targetField = isPointWise ? 1 : 3;
  const size = sizeOf(targetField, targets) + (isPointWise ? 0 : sizeOf(4, slates));
  const bytes = new Uint8Array(size);
  const at = put(bytes, 0, targetField, targets);
  if (!isPointWise) put(bytes, at, 4, slates);
  return bytes;
}

const WIDTH_FIELD = 100;

function columnSize(column: OutputColumn): number {
  const name = utf8Size(column.name);
  return (
    (name > 0 ? lengthFieldSize(1, name) : 0) +
    (column.dataType > 0 ? 1 + varintSize(column.dataType) : 0) +
    (column.width > 0 ? tagSize(WIDTH_FIELD) + varintSize(column.width) : 0)
  );
}

function sizeOf(field: number, columns: readonly OutputColumn[]): number {
  let size = 0;
  for (const column of columns) size += lengthFieldSize(field, columnSize(column));
  return size;
}

function put(target: Uint8Array, start: number, field: number, columns: readonly OutputColumn[]): number {
  let at = start;
  for (const column of columns) {
    at = putLength(target, at, field, columnSize(column));
    const name = utf8Size(column.name);
    if (name > 0) {
      at = putLength(target, at, 1, name);
      at = putUtf8(target, at, column.name);
    }
    if (column.dataType > 0) {
      at = putTag(target, at, 2, 0);
      at = putVarint(target, at, column.dataType);
    }
    if (column.width > 0) {
      at = putTag(target, at, WIDTH_FIELD, 0);
      at = putVarint(target, at, column.width);
    }
  }
  return at;
}
