import { readEnd, readLength, readTag, skipField } from '../wire/read.js';
import { putUtf8, utf8Size } from '../wire/utf8.js';
import { lengthFieldSize, putBytes, putLength, varintSize } from '../wire/write.js';

/*
 * The two messages of numerix.Numerix/Compute, tags in hex; «…» may repeat.
 *
 *   NumerixRequestProto    0a data: «0a column name» | «12 row» | 1a compute_id | 22 data_type
 *                             └──── schema ────┘              └─────── tail ────────┘        constant, in the template
 *   NumerixResponseProto   0a data: «0a column name» | «12 row»        or  12 error: 0a message
 *
 *   row                    12 bytes: «0a value»  (answers of texts: 0a texts: «0a value»)
 *
 * The first value of a row is its id, in both directions; in a request the operands of the expression follow, in an answer its result.
 */

/** The method that evaluates an expression. */
export const COMPUTE_PATH = '/numerix.Numerix/Compute';

/** The constant part of a compute call. */
export interface ComputeRequestHead {
  /** Names of a row's values, the row id's first. */
  readonly schema: readonly string[];
  readonly computeId: string;
  /** Such as `fp32`. */
  readonly dataType: string;
}

/** A compiled `numerix.NumerixRequestProto`: everything but the rows. */
export interface ComputeRequestTemplate {
  /** Field 1 of the data: the schema. */
  readonly schema: Uint8Array;
  /** Fields 3 and 4 of the data. */
  readonly tail: Uint8Array;
}

/** Compiles a compute call. */
export function compileComputeRequest(head: ComputeRequestHead): ComputeRequestTemplate {
  return Object.freeze({
    schema: encodeTexts(head.schema.map((name) => [1, name])),
    tail: encodeTexts([[3, head.computeId] as const, [4, head.dataType] as const].filter(([, text]) => text !== '')),
  });
}

/** Bytes of one row that holds an id and `valueCount` values of `valueBytes` bytes each. */
export function computeRowSize(idLength: number, valueCount: number, valueBytes: number): number {
  const score = lengthFieldSize(2, rowListSize(idLength, valueCount, valueBytes));
  return lengthFieldSize(2, score);
}

function rowListSize(idLength: number, valueCount: number, valueBytes: number): number {
  return lengthFieldSize(1, idLength) + valueCount * (1 + varintSize(valueBytes) + valueBytes);
}

/** Bytes of the whole message whose rows take `rowsSize` bytes. */
export function computeRequestSize(template: ComputeRequestTemplate, rowsSize: number): number {
  return lengthFieldSize(1, template.schema.length + rowsSize + template.tail.length);
}

/** Writes the beginning of the message, up to where the rows start. */
export function putComputeHead(template: ComputeRequestTemplate, target: Uint8Array, at: number, rowsSize: number): number {
  const start = putLength(target, at, 1, template.schema.length + rowsSize + template.tail.length);
  return putBytes(target, start, template.schema, 0, template.schema.length);
}

/** Writes one row: the id `ids[idStart, idEnd)` and its values, which stand one after the other in `values` from `valuesAt` on. */
export function putComputeRow(
  target: Uint8Array,
  start: number,
  ids: Uint8Array,
  idStart: number,
  idEnd: number,
  values: Uint8Array,
  valuesAt: number,
  valueCount: number,
  valueBytes: number,
): number {
  const list = rowListSize(idEnd - idStart, valueCount, valueBytes);
  let at = putLength(target, start, 2, lengthFieldSize(2, list));
  at = putLength(target, at, 2, list);
  at = putBytes(target, putLength(target, at, 1, idEnd - idStart), ids, idStart, idEnd);
  for (let value = 0; value < valueCount; value++) {
    const from = valuesAt + value * valueBytes;
    at = putBytes(target, putLength(target, at, 1, valueBytes), values, from, from + valueBytes);
  }
  return at;
}

/** Writes the end of the message, behind the rows. */
export function putComputeTail(template: ComputeRequestTemplate, target: Uint8Array, at: number): number {
  return putBytes(target, at, template.tail, 0, template.tail.length);
}

const cellsPerRow = 5;

/**
 * A decoded `numerix.NumerixResponseProto`: the first two values of every row, its id and its result, as positions in the message. Reused
 * from answer to answer.
 */
export class ComputeAnswer {
  rowCount = 0;
  /** The service answered with an error: start and end of its text. Start −1: it did not. */
  errorStart = -1;
  errorEnd = -1;
  /** Per row: start and end of the result, whether it is text, start and end of the id. */
  #values = new Int32Array(32 * cellsPerRow);
  #maxRows = Number.POSITIVE_INFINITY;

  /** Reads a message; false if it is malformed, or has more than `maxRows` rows: one can be two bytes, and an answer many megabytes. */
  read(message: Uint8Array, start: number, end: number, maxRows: number = Number.POSITIVE_INFINITY): boolean {
    this.rowCount = 0;
    this.errorStart = -1;
    this.#maxRows = maxRows;
    let at = start;
    while (at < end) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      if (tag === 0x0a || tag === 0x12) {
        const length = readLength(message, readEnd, end);
        if (length < 0) return false;
        const from = readEnd;
        at = from + length;
        // One of the two: the last on the wire counts.
        if (tag === 0x0a) this.errorStart = -1;
        else this.rowCount = 0;
        if (!(tag === 0x0a ? this.#readRows(message, from, at) : this.#readError(message, from, at))) return false;
        continue;
      }
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      if (at < 0) return false;
    }
    return true;
  }

  /** Start of a row's value; −1 if the row has none. */
  valueStart(row: number): number {
    return this.#values[row * cellsPerRow] as number;
  }

  valueEnd(row: number): number {
    return this.#values[row * cellsPerRow + 1] as number;
  }

  /** Whether a row's value is text (the service was sent texts). */
  isText(row: number): boolean {
    return this.#values[row * cellsPerRow + 2] === 1;
  }

  /** Start of a row's id as the service gave it back; −1 if the row has no values at all. */
  idStart(row: number): number {
    return this.#values[row * cellsPerRow + 3] as number;
  }

  idEnd(row: number): number {
    return this.#values[row * cellsPerRow + 4] as number;
  }

  #readError(message: Uint8Array, start: number, end: number): boolean {
    // An error in several pieces is one error: one without a text adds nothing.
    if (this.errorStart < 0) {
      this.errorStart = start;
      this.errorEnd = start;
    }
    let at = start;
    while (at < end) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      if (tag === 0x0a) {
        const length = readLength(message, readEnd, end);
        if (length < 0) return false;
        this.errorStart = readEnd;
        at = readEnd + length;
        this.errorEnd = at;
        continue;
      }
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      if (at < 0) return false;
    }
    return true;
  }

  #readRows(message: Uint8Array, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      if (tag === 0x12) {
        const length = readLength(message, readEnd, end);
        if (length < 0) return false;
        at = readEnd + length;
        if (this.rowCount === this.#maxRows || !this.#readRow(message, readEnd, at)) return false;
        continue;
      }
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      if (at < 0) return false;
    }
    return true;
  }

  #readRow(message: Uint8Array, start: number, end: number): boolean {
    const row = this.rowCount++;
    if (this.#values.length < (row + 1) * cellsPerRow) {
      const next = new Int32Array(this.#values.length * 2);
      next.set(this.#values);
      this.#values = next;
    }
    this.#emptyRow(row);
    let at = start;
    let form = 0;
    let seen = 0;
    while (at < end) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      if (tag === 0x0a || tag === 0x12) {
        const length = readLength(message, readEnd, end);
        if (length < 0) return false;
        const from = readEnd;
        at = from + length;
        // A list in several pieces is one list; another kind of list replaces it.
        if (form !== tag) {
          if (form !== 0) this.#emptyRow(row);
          seen = 0;
          form = tag;
        }
        seen = this.#readList(message, from, at, row, seen, tag === 0x0a ? 1 : 0);
        if (seen < 0) return false;
        continue;
      }
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      if (at < 0) return false;
    }
    return true;
  }

  #emptyRow(row: number): void {
    for (let cell = row * cellsPerRow; cell < (row + 1) * cellsPerRow; cell++) this.#values[cell] = -1;
  }

  /** Returns how many values of the row have been seen so far, −1 if malformed. */
  #readList(message: Uint8Array, start: number, end: number, row: number, seenBefore: number, isText: 0 | 1): number {
    let seen = seenBefore;
    let at = start;
    while (at < end) {
      const tag = readTag(message, at, end);
      if (tag < 0) return -1;
      if (tag === 0x0a) {
        const length = readLength(message, readEnd, end);
        if (length < 0) return -1;
        const from = readEnd;
        at = from + length;
        const base = row * cellsPerRow;
        if (seen === 0) {
          this.#values[base + 3] = from;
          this.#values[base + 4] = at;
        } else if (seen === 1) {
          this.#values[base] = from;
          this.#values[base + 1] = at;
          this.#values[base + 2] = isText;
        }
        seen++;
        continue;
      }
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      if (at < 0) return -1;
    }
    return seen;
  }
}

function encodeTexts(texts: readonly (readonly [field: number, text: string])[]): Uint8Array {
  const target = new Uint8Array(texts.reduce((size, [field, text]) => size + lengthFieldSize(field, utf8Size(text)), 0));
  let at = 0;
  for (const [field, text] of texts) at = putUtf8(target, putLength(target, at, field, utf8Size(text)), text);
  return target;
}
