import type { EntityScoreData, Score } from '@inferflow/proto';
import { parseFloatText } from './float-text.js';
import type { FloatColumn } from './kernels.js';
import type { CompiledExpression } from './program.js';

/** The columns of a request; `failure` is the first value that could not be read. */
export interface ComputeTable {
  /** Those that the expression does not read are empty. */
  readonly columns: readonly FloatColumn[];
  readonly failure: string | null;
}

/**
 * Reads the rows of a request into the columns of an expression, in the mode of its first row.
 *
 * The first value of a row is its id and is never read as a number. A row that is shorter than the schema, of the other mode
 * or without data has zeros; values beyond the columns are ignored.
 */
export function readTable(data: EntityScoreData, isText: boolean, { precision, isRead }: CompiledExpression): ComputeTable {
  const columnCount = new Set(data.schema).size;
  const rowCount = data.entityScores.length;
  const create = (rows: number): FloatColumn => (precision === 'fp32' ? new Float32Array(rows) : new Float64Array(rows));
  // Values of what is not read are checked like the others, and go nowhere: a short row takes no memory for all it does not have.
  const unread = create(0);
  const columns = isRead.map((isNeeded) => (isNeeded ? create(rowCount) : unread));
  const width = precision === 'fp32' ? 4 : 8;
  for (let row = 0; row < rowCount; row++) {
    const format = data.entityScores[row]!.matrixFormat;
    if (format.case !== (isText ? 'stringData' : 'byteData')) continue;
    const { values } = format.value!;
    const end = Math.min(values.length, columnCount);
    for (let column = 1; column < end; column++) {
      const value = values[column]!;
      if (typeof value === 'string') {
        const number = parseFloatText(value, precision);
        if (number === undefined) {
          const kind = value === '' ? 'Empty' : 'Invalid';
          return { columns, failure: `Failed to parse string value '${value}' with error: ParseFloatError { kind: ${kind} }` };
        }
        columns[column]![row] = number;
      } else {
        if (value.length !== width) return { columns, failure: `Invalid byte length: expected ${width} bytes, got ${value.length} bytes` };
        const view = new DataView(value.buffer, value.byteOffset, width);
        columns[column]![row] = width === 4 ? view.getFloat32(0, true) : view.getFloat64(0, true);
      }
    }
  }
  return { columns, failure: null };
}

/** Id of a row, empty when the row is of the other mode. */
export function textId(score: Score): string {
  return (score.matrixFormat.case === 'stringData' ? score.matrixFormat.value.values[0] : undefined) ?? '';
}

/** Id of a row as bytes, empty when the row is of the other mode. */
export function byteId(score: Score): Uint8Array {
  return (score.matrixFormat.case === 'byteData' ? score.matrixFormat.value.values[0] : undefined) ?? new Uint8Array(0);
}
