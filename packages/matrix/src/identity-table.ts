import { MatrixError } from './errors.js';
import type { RowSet } from './row-set.js';
import { fillRange } from './short-ranges.js';
import type { TextColumn } from './text-column.js';

/*
 *   rows of the set   A   B   A   –   C          the same key twice, one with an empty part
 *   rowToUnique       0   1   0  −1   2
 *   firstRow          0   1   4                  per identity, the position that had it first: its bytes are read there
 *   #slots            hash & mask → identity, −1 = free; the next place where that one is taken
 */

const noColumns: readonly TextColumn[] = [];

/**
 * Keys → unique identities. A row's key is one text per column; two rows have the same identity only if all parts are equal, whatever
 * characters they hold, because parts are compared one by one. Rows with an empty part get −1.
 * Built again for each use; its arrays are reused.
 */
export class IdentityTable {
  uniqueCount = 0;
  /** Per RowSet position, the identity or −1. May be longer than the row set. */
  rowToUnique: Int32Array = new Int32Array(0);
  /** Per identity, the first RowSet position that has it. */
  firstRow: Int32Array = new Int32Array(0);
  /** Per identity, a 32-bit hash of its parts: the same in all tables of a process. */
  hashes: Int32Array = new Int32Array(0);
  #rowHashes = new Int32Array(0);
  #slots = new Int32Array(0);
  #columns: readonly TextColumn[] = noColumns;
  #rows: Int32Array | null = null;

  /** Finds the identities of all rows, numbered in the order of their first rows. The columns must live as long as parts are read. */
  build(columns: readonly TextColumn[], rows: RowSet): void {
    const count = rows.count;
    this.#columns = columns;
    this.#rows = rows.rows;
    this.uniqueCount = 0;
    this.#resize(count);
    const { rowToUnique } = this;
    if (columns.length === 0) {
      fillRange(rowToUnique, -1, 0, count);
      return;
    }
    fillRange(this.#rowHashes, seed, 0, count);
    fillRange(rowToUnique, 0, 0, count);
    for (let part = 0; part < columns.length; part++) this.#hashColumn(columns[part] as TextColumn, rows.rows, count);
    for (let position = 0; position < count; position++) {
      if (rowToUnique[position] === 0) rowToUnique[position] = this.#find(position, this.#rowHashes[position] as number);
    }
  }

  /** Length of part `part` of an identity, bytes. */
  partLength(unique: number, part: number): number {
    return this.#column(part).ranges[this.#row(this.firstRow[unique] as number) * 2 + 1] as number;
  }

  /** Start of part `part` of an identity in {@link partSource}. */
  partStart(unique: number, part: number): number {
    return this.#column(part).ranges[this.#row(this.firstRow[unique] as number) * 2] as number;
  }

  /** The bytes that hold part `part` of every identity. */
  partSource(part: number): Uint8Array {
    return this.#column(part).bytes;
  }

  /** Where part `part` of all identities is, in {@link partSource}: start and length per matrix row, of which {@link rowOf} says the one. */
  partRanges(part: number): Int32Array {
    return this.#column(part).ranges;
  }

  /** The matrix row whose key an identity is. */
  rowOf(unique: number): number {
    return this.#row(this.firstRow[unique] as number);
  }

  /** Parts per identity. */
  get partCount(): number {
    return this.#columns.length;
  }

  /** Lets go of the columns at the end of a run. */
  clear(): void {
    this.#columns = noColumns;
    this.#rows = null;
    this.uniqueCount = 0;
  }

  #row(position: number): number {
    return this.#rows === null ? position : (this.#rows[position] as number);
  }

  #column(part: number): TextColumn {
    const column = this.#columns[part];
    if (column === undefined)
      throw new MatrixError('INFERFLOW_MATRIX_OUT_OF_RANGE', `an identity has ${this.#columns.length} parts, there is no part ${part}`);
    return column;
  }

  #resize(count: number): void {
    if (this.rowToUnique.length < count) {
      this.rowToUnique = new Int32Array(count);
      this.firstRow = new Int32Array(count);
      this.hashes = new Int32Array(count);
      this.#rowHashes = new Int32Array(count);
    }
    let size = 16;
    while (size < count * 2) size *= 2;
    // A table much larger than this build needs would have to be cleared each time.
    if (this.#slots.length < size || this.#slots.length > size * 8) this.#slots = new Int32Array(size);
    this.#slots.fill(-1);
  }

  /** Mixes one part of every row into the row's hash; a row with an empty part gets −1. */
  #hashColumn(column: TextColumn, rows: Int32Array | null, count: number): void {
    const { bytes, view, ranges } = column;
    const { rowToUnique } = this;
    const hashes = this.#rowHashes;
    for (let position = 0; position < count; position++) {
      const row = rows === null ? position : (rows[position] as number);
      const length = ranges[row * 2 + 1] as number;
      if (length === 0) rowToUnique[position] = -1;
      else hashes[position] = hashBytes(bytes, view, ranges[row * 2] as number, length, hashes[position] as number);
    }
  }

  #find(position: number, hash: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const unique = slots[slot] as number;
      if (unique < 0) {
        const added = this.uniqueCount++;
        slots[slot] = added;
        this.firstRow[added] = position;
        this.hashes[added] = hash;
        return added;
      }
      if (this.hashes[unique] === hash && this.#equals(position, unique)) return unique;
    }
  }

  #equals(position: number, unique: number): boolean {
    const row = this.#row(position);
    const other = this.#row(this.firstRow[unique] as number);
    for (let part = 0; part < this.#columns.length; part++) {
      const { ranges, bytes, view } = this.#columns[part] as TextColumn;
      const length = ranges[row * 2 + 1] as number;
      if (length !== ranges[other * 2 + 1]) return false;
      const start = ranges[row * 2] as number;
      const otherStart = ranges[other * 2] as number;
      if (start === otherStart) continue;
      let index = 0;
      for (; index + 4 <= length; index += 4)
        if (view.getInt32(start + index, true) !== view.getInt32(otherStart + index, true)) return false;
      for (; index < length; index++) if (bytes[start + index] !== bytes[otherStart + index]) return false;
    }
    return true;
  }
}

/** Another one in every process: ids come from outside, and nobody should know which of them collide. */
const seed = (Math.random() * 0x1_0000_0000) | 0;

/** Four bytes a step; the length goes in first, so that parts cannot run into each other. */
function hashBytes(bytes: Uint8Array, view: DataView, start: number, length: number, before: number): number {
  let hash = Math.imul(before ^ length, 0x01000193);
  const words = start + (length & ~3);
  let at = start;
  for (; at < words; at += 4) {
    hash = Math.imul(hash ^ view.getInt32(at, true), 0x5bd1e995);
    hash ^= hash >>> 15;
  }
  let tail = 0;
  for (; at < start + length; at++) tail = (tail << 8) | (bytes[at] as number);
  hash = Math.imul(hash ^ tail, 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
