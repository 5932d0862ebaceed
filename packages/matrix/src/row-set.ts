import type { Slate } from './slate.js';

/** A selection of rows that a component works on; position p stands for matrix row `rows[p]`. */
export interface RowSet {
  readonly count: number;
  /** Matrix row per position; null = 0 … count−1. */
  readonly rows: Int32Array | null;
  /** Slate matrix row per position; null when there is no slate. */
  readonly slateOf: Int32Array | null;
}

/** All rows of a matrix with `count` rows. */
export function allRows(count: number): RowSet {
  return { count, rows: null, slateOf: null };
}

/** The targets of all slates, slate after slate: target columns are read through `rows`, slate columns through `slateOf`. */
export function rowsOfSlates(slate: Slate): RowSet {
  const slates = slate.offsets.length - 1;
  const count = slate.offsets[slates] ?? 0;
  const slateOf = new Int32Array(count);
  for (let index = 0; index < slates; index++) slateOf.fill(index, slate.offsets[index], slate.offsets[index + 1]);
  return { count, rows: slate.targets, slateOf };
}
