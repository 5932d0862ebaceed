import { lengthFieldSize, putBytes, putLength, putUtf8, utf8Size } from '@inferflow/proto/hot';
import { GrpcError } from '@inferflow/transport';
import { decodedText } from './decoded-text.js';
import { identityOf } from './entity-table.js';
import { cellEnd, cellStart } from './feature-column.js';
import { KeyPositions, readKeyParts } from './query.js';
import type { RetrievalPlan } from './retrieval-plan.js';

const INVALID_ARGUMENT = 3;
const ROW_KEYS = 1;
const ROW_COLUMNS = 2;
const RESULT_ROWS = 4;
const DECODED_ROWS = 3;

// One call runs at a time and nothing is kept: scratch grows to the largest query seen.
const keys = new KeyPositions();
let tableRows = new Int32Array(256);
let rowSizes = new Int32Array(256);
/** Keys as a row carries them, where they cannot be copied from the message. */
const rewrittenKeys: (Uint8Array | null)[] = [];
let hasRewritten = false;
const keyParts: string[] = [];
const identityParts: string[] = [];

/** The keys of a message, found anew; valid until the next call. @internal */
export function findKeys(message: Uint8Array): KeyPositions {
  keys.find(message);
  return keys;
}

/**
 * Answers a query whose keys were just found: one row per key, in their order, all columns in each. The keys of a row are
 * copied as they came (`Keys` and the keys of a `Row` have one encoding).
 */
export function encodeResult(message: Uint8Array, plan: RetrievalPlan): Uint8Array {
  const { columns, resultHead } = plan;
  lookUp(message, plan);
  let fixedSize = 0;
  let hasVariable = false;
  for (const column of columns) {
    if (column.ends === null) fixedSize += lengthFieldSize(ROW_COLUMNS, column.width);
    else hasVariable = true;
  }
  let size = resultHead.length;
  for (let row = 0; row < keys.count; row++) {
    let rowSize = keysSize(row) + fixedSize;
    if (hasVariable) {
      const tableRow = tableRows[row]!;
      for (const column of columns)
        if (column.ends !== null) rowSize += lengthFieldSize(ROW_COLUMNS, cellEnd(column, tableRow) - cellStart(column, tableRow));
    }
    rowSizes[row] = rowSize;
    size += lengthFieldSize(RESULT_ROWS, rowSize);
  }
  const answer = new Uint8Array(size);
  answer.set(resultHead);
  let at = resultHead.length;
  for (let row = 0; row < keys.count; row++) {
    at = putLength(answer, at, RESULT_ROWS, rowSizes[row]!);
    at = putKeys(answer, at, message, row);
    const tableRow = tableRows[row]!;
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index]!;
      const start = cellStart(column, tableRow);
      const end = cellEnd(column, tableRow);
      at = putBytes(answer, putLength(answer, at, ROW_COLUMNS, end - start), column.bytes, start, end);
    }
  }
  return answer;
}

/** The same with every value as text. */
export function encodeDecodedResult(message: Uint8Array, plan: RetrievalPlan): Uint8Array {
  const { columns, types, decodedHead } = plan;
  lookUp(message, plan);
  const encoder = new TextEncoder();
  const rows: Uint8Array[][] = [];
  let size = decodedHead.length;
  for (let row = 0; row < keys.count; row++) {
    const tableRow = tableRows[row]!;
    const texts = columns.map((column, index) =>
      encoder.encode(decodedText(types[index]!, column.bytes.subarray(cellStart(column, tableRow), cellEnd(column, tableRow)))),
    );
    rows.push(texts);
    let rowSize = keysSize(row);
    for (const text of texts) rowSize += lengthFieldSize(ROW_COLUMNS, text.length);
    rowSizes[row] = rowSize;
    size += lengthFieldSize(DECODED_ROWS, rowSize);
  }
  const answer = new Uint8Array(size);
  answer.set(decodedHead);
  let at = decodedHead.length;
  for (const [row, texts] of rows.entries()) {
    at = putLength(answer, at, DECODED_ROWS, rowSizes[row]!);
    at = putKeys(answer, at, message, row);
    for (const text of texts) at = putBytes(answer, putLength(answer, at, ROW_COLUMNS, text.length), text, 0, text.length);
  }
  return answer;
}

/** Row of the table for each key. */
function lookUp(message: Uint8Array, { table, keyOrder }: RetrievalPlan): void {
  if (tableRows.length < keys.count) {
    tableRows = new Int32Array(keys.positions.length);
    rowSizes = new Int32Array(keys.positions.length);
  }
  hasRewritten = false;
  for (let row = 0; row < keys.count; row++) {
    keyParts.length = 0;
    if (!readKeyParts(message, keys.positions[row * 2]!, keys.positions[row * 2 + 1]!, keyParts)) rewriteKeys(row);
    if (keyParts.length < keyOrder.length) {
      throw new GrpcError(INVALID_ARGUMENT, `keys[${row}] has ${keyParts.length} cols, expected ${keyOrder.length}`);
    }
    if (keyOrder.length === 1) {
      tableRows[row] = table.rowOf(keyParts[keyOrder[0]!]!);
      continue;
    }
    identityParts.length = 0;
    for (const position of keyOrder) identityParts.push(keyParts[position]!);
    tableRows[row] = table.rowOf(identityOf(identityParts));
  }
}

/** Fields of a newer protocol must not pass for columns of the row: keys with any are written anew. */
function rewriteKeys(row: number): void {
  if (!hasRewritten) rewrittenKeys.length = 0;
  hasRewritten = true;
  let size = 0;
  for (const part of keyParts) size += lengthFieldSize(ROW_KEYS, utf8Size(part));
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const part of keyParts) at = putUtf8(bytes, putLength(bytes, at, ROW_KEYS, utf8Size(part)), part);
  rewrittenKeys[row] = bytes;
}

function keysSize(row: number): number {
  const rewritten = hasRewritten ? rewrittenKeys[row] : null;
  return rewritten ? rewritten.length : keys.positions[row * 2 + 1]! - keys.positions[row * 2]!;
}

function putKeys(answer: Uint8Array, at: number, message: Uint8Array, row: number): number {
  const rewritten = hasRewritten ? rewrittenKeys[row] : null;
  return rewritten
    ? putBytes(answer, at, rewritten, 0, rewritten.length)
    : putBytes(answer, at, message, keys.positions[row * 2]!, keys.positions[row * 2 + 1]!);
}
