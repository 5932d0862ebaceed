/** One column (or run of adjacent slots of one type) to be converted, row by row. Reused: the owner sets the fields before each call. */
export interface ConvertJob {
  /** Bytes that hold the cells. */
  source: Uint8Array;
  sourceView: DataView;
  /** Per row, the position that `sourceOffset` counts from. */
  starts: Int32Array;
  sourceOffset: number;
  /** Per row, the bytes of a text cell; only read when the source is text. */
  lengths: Int32Array | null;
  /** Rows from … to−1, indices of `starts`. */
  from: number;
  to: number;
  /** Elements per row, adjacent in source and target. */
  elements: number;
  target: Uint8Array;
  targetView: DataView;
  /** Position of the first element of row `from`; row r is written at `targetAt + (r − from) × targetStride`. */
  targetAt: number;
  targetStride: number;
  /** Set to 1 for each row with a cell that did not convert; may be null. */
  failedRows: Uint8Array | null;
}

/** Converts a column; answers the number of cells that did not convert, which are written as zeros. */
export type ConvertColumn = (job: ConvertJob) => number;

/** A job with nothing in it, to be filled and kept by its owner. */
export function createConvertJob(): ConvertJob {
  const nothing = new Uint8Array(0);
  const view = new DataView(nothing.buffer);
  return {
    source: nothing,
    sourceView: view,
    starts: new Int32Array(0),
    sourceOffset: 0,
    lengths: null,
    from: 0,
    to: 0,
    elements: 1,
    target: nothing,
    targetView: view,
    targetAt: 0,
    targetStride: 0,
    failedRows: null,
  };
}
