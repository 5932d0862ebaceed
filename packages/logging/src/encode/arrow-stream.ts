import { GrowingBytes } from './growing-bytes.js';

// An Arrow IPC stream of binary columns, its FlatBuffers written front to back: tables point forward to what they hold.

const messageVersion5 = 4;
const headerSchema = 1;
const headerBatch = 3;
const typeBinary = 4;
const bytesPerPause = 256 * 1024;

const schemas = new Map<number, Uint8Array>();

/** One encoded column: values without a validity bit are null. */
export interface ArrowColumn {
  /** `rows + 1` offsets into `data`. */
  readonly offsets: Int32Array;
  readonly data: Uint8Array;
  /** One bit a row, least significant first. */
  readonly validity: Uint8Array;
  readonly nulls: number;
}

/** A complete stream: schema, one record batch, end marker, in steps. Columns are named by their index. */
export function* arrowStream(columns: readonly ArrowColumn[], rows: number, isNullable: boolean): Generator<void, Uint8Array, void> {
  const key = columns.length * 2 + (isNullable ? 1 : 0);
  let schema = schemas.get(key);
  if (schema === undefined) {
    schema = schemaMessage(columns.length, isNullable);
    if (schemas.size < 256) schemas.set(key, schema);
  }
  const target = new GrowingBytes(
    schema.length + columns.length * 96 + columns.reduce((sum, column) => sum + column.data.length + rows * 5 + 24, 256),
  );
  target.append(schema, 0, schema.length);
  yield;
  yield* appendBatch(target, columns, rows);
  target.appendUint32(0xffffffff);
  target.appendUint32(0);
  return target.bytes.subarray(0, target.end);
}

function padded(length: number): number {
  return (length + 7) & ~7;
}

/** Starts a message; returns where its metadata starts. The table `Message` is at 16, its header offset to be set. */
function beginMessage(target: GrowingBytes, headerType: number, bodyLength: number): number {
  target.appendUint32(0xffffffff);
  target.appendUint32(0);
  const base = target.end;
  target.appendZeros(40);
  const { view } = target;
  view.setUint32(base, 16, true);
  // vtable: version, header type, header, body length
  for (const [index, value] of [12, 20, 16, 18, 4, 8].entries()) view.setUint16(base + 4 + index * 2, value, true);
  view.setInt32(base + 16, 12, true);
  view.setUint32(base + 20, 40 - 20, true);
  view.setBigInt64(base + 24, BigInt(bodyLength), true);
  view.setInt16(base + 32, messageVersion5, true);
  view.setUint8(base + 34, headerType);
  return base;
}

function endMetadata(target: GrowingBytes, base: number): void {
  target.appendZeros(padded(target.end - base) - (target.end - base));
  target.view.setUint32(base - 4, target.end - base, true);
}

function schemaMessage(columns: number, isNullable: boolean): Uint8Array {
  const target = new GrowingBytes(256 + columns * 48);
  const base = beginMessage(target, headerSchema, 0);
  const at = (): number => target.end - base;
  // The header offset points past a vtable that lies first.
  const put16 = (...values: number[]): void => {
    for (const value of values) {
      target.ensure(2);
      target.view.setUint16(target.end, value, true);
      target.end += 2;
    }
  };
  put16(8, 8, 0, 4);
  target.view.setUint32(base + 20, at() - 20, true);
  target.appendUint32(8);
  target.appendUint32(4);
  const vector = at();
  target.appendUint32(columns);
  target.appendZeros(columns * 4);
  put16(16, 20, 4, 16, 17, 8, 0, 12);
  const fieldVtable = at() - 16;
  const fields: number[] = [];
  for (let index = 0; index < columns; index++) {
    fields.push(at());
    target.view.setUint32(base + vector + 4 + index * 4, at() - (vector + 4 + index * 4), true);
    target.appendUint32(at() - fieldVtable);
    target.appendZeros(12);
    target.appendByte(isNullable ? 1 : 0);
    target.appendByte(typeBinary);
    target.appendZeros(2);
  }
  put16(4, 4);
  const binary = at();
  target.appendUint32(4);
  const children = at();
  target.appendUint32(0);
  fields.forEach((field, index) => {
    const name = String(index);
    const { view } = target;
    view.setUint32(base + field + 4, at() - (field + 4), true);
    view.setUint32(base + field + 8, binary - (field + 8), true);
    view.setUint32(base + field + 12, children - (field + 12), true);
    target.appendUint32(name.length);
    for (let character = 0; character < name.length; character++) target.appendByte(name.charCodeAt(character));
    target.appendByte(0);
    target.align(4);
  });
  endMetadata(target, base);
  return target.toBytes();
}

function* appendBatch(target: GrowingBytes, columns: readonly ArrowColumn[], rows: number): Generator<void, void, void> {
  const bitmapBytes = (rows + 7) >> 3;
  let bodyLength = 0;
  for (const column of columns)
    bodyLength += (column.nulls > 0 ? padded(bitmapBytes) : 0) + padded((rows + 1) * 4) + padded(column.data.length);
  const base = beginMessage(target, headerBatch, bodyLength);
  const at = (): number => target.end - base;
  target.ensure(128 + columns.length * 64);
  const tableVtable = at();
  for (const value of [10, 20, 8, 4, 16, 0]) {
    target.view.setUint16(target.end, value, true);
    target.end += 2;
  }
  target.appendZeros(padded(at()) - at());
  const table = at();
  target.view.setUint32(base + 20, table - 20, true);
  target.appendUint32(table - tableVtable);
  // nodes, length, buffers
  target.appendZeros(16);
  target.view.setBigInt64(base + table + 8, BigInt(rows), true);
  // Structs of 64-bit numbers are aligned to 8, their count lies before them.
  const nodes = at();
  target.view.setUint32(base + table + 4, nodes - (table + 4), true);
  target.appendUint32(columns.length);
  for (const column of columns) put64Pair(target, rows, column.nulls);
  target.appendZeros(4);
  const buffers = at();
  target.view.setUint32(base + table + 16, buffers - (table + 16), true);
  target.appendUint32(columns.length * 3);
  let offset = 0;
  for (const column of columns) {
    for (const length of [column.nulls > 0 ? bitmapBytes : 0, (rows + 1) * 4, column.data.length]) {
      put64Pair(target, offset, length);
      offset += padded(length);
    }
  }
  endMetadata(target, base);
  let sincePause = 0;
  for (const { validity, offsets, data, nulls } of columns) {
    sincePause += offsets.byteLength + data.length;
    if (sincePause > bytesPerPause) {
      sincePause = 0;
      yield;
    }
    if (nulls > 0) appendPadded(target, validity, bitmapBytes);
    appendPadded(target, new Uint8Array(offsets.buffer, offsets.byteOffset, (rows + 1) * 4), (rows + 1) * 4);
    appendPadded(target, data, data.length);
  }
}

function put64Pair(target: GrowingBytes, first: number, second: number): void {
  target.ensure(16);
  const { view, end } = target;
  view.setUint32(end, first, true);
  view.setUint32(end + 4, 0, true);
  view.setUint32(end + 8, second, true);
  view.setUint32(end + 12, 0, true);
  target.end = end + 16;
}

function appendPadded(target: GrowingBytes, bytes: Uint8Array, length: number): void {
  target.append(bytes, 0, length);
  target.appendZeros(padded(length) - length);
}
