import { lengthFieldSize, putBytes, putLength, putVarint, varintSize } from '../wire/write.js';

/*
 * Rows of an answer: of `TargetScore`, `PairScore`, `SlateScore`, or of `ComponentData`, whose field numbers the caller gives.
 *
 *   tag of `field`, length of the row
 *     | tag of `errorField`, length, text (where there is an error) | per column: tag of `cellField`, length, bytes
 *
 * Measured first, so that the lengths in front are known, then written in one go.
 */

/**
 * Rows of byte strings that leave as an answer: cell (row, column) is `sources[column]` from `ranges[2 × (row × columns + column)]`,
 * as long as the entry after it says. Filled by the engine, reused from answer to answer; the sources must stay as they are until
 * the answer is written.
 */
export class ScoreTable {
  rowCount = 0;
  columnCount = 0;
  sources: Uint8Array[] = [];
  ranges = new Int32Array(0);
  /** UTF-8 text per row, null where there is none; null when no row has one. */
  errors: (Uint8Array | null)[] | null = null;
  /** Bytes of each row's message, set by {@link measureScoreRows}. */
  rowSizes = new Int32Array(0);

  /** Makes room. The old content is undefined afterwards. */
  open(rowCount: number, columnCount: number): void {
    this.rowCount = rowCount;
    this.columnCount = columnCount;
    this.errors = null;
    const cells = rowCount * columnCount * 2;
    if (this.ranges.length < cells) this.ranges = new Int32Array(cells);
    if (this.rowSizes.length < rowCount) this.rowSizes = new Int32Array(rowCount);
    if (this.sources.length !== columnCount) this.sources.length = columnCount;
  }

  /** Lets go of the sources, and of memory that one large answer needed. */
  close(): void {
    this.sources.fill(empty);
    this.errors = null;
    this.rowCount = 0;
    if (this.ranges.length > 1 << 18) this.ranges = new Int32Array(0);
  }
}

const empty = new Uint8Array(0);
/** Ids and scores are mostly shorter: copied on the spot. */
const shortCell = 32;

/**
 * Bytes of all rows as the repeated message field `field`, a number below 16: cells in a field below 16, the error (where there is one) in
 * `errorField`. `errorField` 0 = rows have no place for an error.
 */
export function measureScoreRows(table: ScoreTable, field: number, errorField: number): number {
  const { rowCount, columnCount, ranges, rowSizes, errors } = table;
  let total = 0;
  let at = 1;
  for (let row = 0; row < rowCount; row++) {
    let size = 0;
    for (let column = 0; column < columnCount; column++, at += 2) {
      const length = ranges[at] as number;
      size += 1 + varintSize(length) + length;
    }
    const error = errorField > 0 && errors !== null ? errors[row] : null;
    if (error !== null && error !== undefined && error.length > 0) size += lengthFieldSize(errorField, error.length);
    rowSizes[row] = size;
    total += lengthFieldSize(field, size);
  }
  return total;
}

/** Writes what {@link measureScoreRows} measured; returns the next position. */
export function putScoreRows(
  target: Uint8Array,
  start: number,
  table: ScoreTable,
  field: number,
  cellField: number,
  errorField: number,
): number {
  const { rowCount, columnCount, ranges, rowSizes, errors, sources } = table;
  // Field numbers below 16 are one byte with their wire type, and so are nearly all lengths.
  const rowTag = field * 8 + 2;
  const cellTag = cellField * 8 + 2;
  let at = start;
  let cell = 0;
  for (let row = 0; row < rowCount; row++) {
    const size = rowSizes[row] as number;
    target[at++] = rowTag;
    if (size < 0x80) target[at++] = size;
    else at = putVarint(target, at, size);
    const error = errorField > 0 && errors !== null ? errors[row] : null;
    if (error !== null && error !== undefined && error.length > 0) {
      at = putLength(target, at, errorField, error.length);
      at = putBytes(target, at, error, 0, error.length);
    }
    for (let column = 0; column < columnCount; column++, cell += 2) {
      const source = sources[column] as Uint8Array;
      const from = ranges[cell] as number;
      const length = ranges[cell + 1] as number;
      target[at++] = cellTag;
      if (length < 0x80) target[at++] = length;
      else at = putVarint(target, at, length);
      if (length > shortCell) at = putBytes(target, at, source, from, from + length);
      else for (let position = from; position < from + length; position++) target[at++] = source[position] as number;
    }
  }
  return at;
}
