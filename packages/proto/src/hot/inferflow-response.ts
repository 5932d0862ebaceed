import { putUtf8, utf8Size } from '../wire/utf8.js';
import { lengthFieldSize, putBytes, putLength, putTag, putVarint, tagSize, varintSize } from '../wire/write.js';
import { QUALITY_FIELD } from './predict-response.js';
import { measureScoreRows, putScoreRows, ScoreTable } from './score-table.js';

/*
 * InferflowResponseProto as it is written, tags in hex.
 *
 *   0a the column names: «0a name»                     encoded once, see encodeHeaderRow
 *   «0a row: «0a text of column 0, 1, …»»              see score-table.ts
 *   a2 06 quality                                      see quality.ts
 *   «aa 06 row error: 08 row (0 left out) | 12 text»
 */

const ROW_ERRORS_FIELD = 101;

/** An `InferflowResponseProto` that is about to be written. Reused from answer to answer. */
export class InferflowResponseBody {
  /** The rows of text; their `errors` leave as `row_errors`. */
  readonly rows = new ScoreTable();
  byteLength = 0;
  #header: Uint8Array = empty;
  #quality: Uint8Array = empty;
  #qualityLength = -1;

  /** Fixes the content and measures it. `header` is made by {@link encodeHeaderRow}; quality as in `PredictResponseBody`. */
  measure(header: Uint8Array, quality: Uint8Array, qualityLength: number): number {
    this.#header = header;
    this.#quality = quality;
    this.#qualityLength = qualityLength;
    let size = header.length + measureScoreRows(this.rows, 1, 0);
    if (qualityLength >= 0) size += lengthFieldSize(QUALITY_FIELD, qualityLength);
    const errors = this.rows.errors;
    if (errors !== null) {
      for (let row = 0; row < this.rows.rowCount; row++) {
        const length = errors[row]?.length ?? 0;
        if (length > 0) size += lengthFieldSize(ROW_ERRORS_FIELD, rowErrorSize(row, length));
      }
    }
    this.byteLength = size;
    return size;
  }

  /** Writes the message; returns the next position. */
  write(target: Uint8Array, start: number): number {
    let at = putBytes(target, start, this.#header, 0, this.#header.length);
    at = putScoreRows(target, at, this.rows, 1, 1, 0);
    if (this.#qualityLength >= 0) {
      at = putLength(target, at, QUALITY_FIELD, this.#qualityLength);
      at = putBytes(target, at, this.#quality, 0, this.#qualityLength);
    }
    const errors = this.rows.errors;
    if (errors === null) return at;
    for (let row = 0; row < this.rows.rowCount; row++) {
      const error = errors[row];
      if (error === null || error === undefined || error.length === 0) continue;
      at = putLength(target, at, ROW_ERRORS_FIELD, rowErrorSize(row, error.length));
      if (row > 0) {
        at = putTag(target, at, 1, 0);
        at = putVarint(target, at, row);
      }
      at = putLength(target, at, 2, error.length);
      at = putBytes(target, at, error, 0, error.length);
    }
    return at;
  }

  /** Lets go of everything it points to. */
  close(): void {
    this.rows.close();
    this.#header = empty;
    this.#quality = empty;
  }
}

const empty = new Uint8Array(0);

function rowErrorSize(row: number, length: number): number {
  return (row > 0 ? tagSize(1) + varintSize(row) : 0) + lengthFieldSize(2, length);
}

/** The first line of an answer, the column names, as an encoded field. For compile time. */
export function encodeHeaderRow(names: readonly string[]): Uint8Array {
  let size = 0;
  for (const name of names) size += lengthFieldSize(1, utf8Size(name));
  const bytes = new Uint8Array(lengthFieldSize(1, size));
  let at = putLength(bytes, 0, 1, size);
  for (const name of names) {
    at = putLength(bytes, at, 1, utf8Size(name));
    at = putUtf8(bytes, at, name);
  }
  return bytes;
}
