import type { Block } from './block.js';
import { ByteBuffer } from './byte-buffer.js';
import { appendText, floatNotationOf } from './convert/format-text.js';
import { DataType } from './data-type.js';
import { type ColumnRef, NONE, refSlot, type Source } from './layout.js';
import type { Matrix } from './matrix.js';
import { fillRange } from './short-ranges.js';

/*
 *   matrix row   0      1      2      3
 *   block row    1      0      1      –         rows 0 and 2 have one block row, so they have one text
 *   ranges       0, 7 | 7, 3 | 0, 7 | 0, 0      start, length
 *   bytes        | 7 bytes: block row 1 | 3 bytes: block row 0 |
 *
 * `bytes` is the block's heap where the cells are texts already and no other column has to fill in: nothing is copied. Else it is #buffer,
 * into which each block row is formatted when first met; #blockRanges remembers its range, start −1 = not met yet.
 */

/**
 * How a value is written as text.
 * `answer`: floats in scientific form from 1e6 upward and below 1e-4, vectors joined with commas, string vectors decoded.
 * `key`: floats as plain decimals, so that a key derived from a number is found. `compat-answer`, `compat-key`: as the original
 * writes them (keys in scientific form, string vectors with their binary length prefixes).
 */
export type TextStyle = 'answer' | 'key' | 'compat-answer' | 'compat-key';

/** The text of a column, per matrix row. */
export interface TextColumn {
  /** What the ranges point into: the request message for texts given in the request, else text derived once. */
  readonly bytes: Uint8Array;
  readonly view: DataView;
  /** Two entries per matrix row: start, length. Length 0 = no text. The array may be longer than that. */
  readonly ranges: Int32Array;
  readonly rowCount: number;
  /** The text of a row as a string; for cold code. */
  textAt(row: number): string;
}

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

/** A text column that belongs to a matrix and is reused with it. */
export class DerivedTextColumn implements TextColumn {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(new ArrayBuffer(0));
  ranges = new Int32Array(0);
  rowCount = 0;
  readonly #buffer = new ByteBuffer();
  #blockRanges = new Int32Array(0);
  #first: ColumnRef = NONE;
  #otherwise: ColumnRef = NONE;
  #style: TextStyle = 'answer';

  matches(source: Source, style: TextStyle): boolean {
    return this.#first === source.first && this.#otherwise === source.otherwise && this.#style === style;
  }

  textAt(row: number): string {
    if (row < 0 || row >= this.rowCount) return '';
    const start = this.ranges[row * 2] as number;
    const length = this.ranges[row * 2 + 1] as number;
    return length === 0 ? '' : decoder.decode(this.bytes.subarray(start, start + length));
  }

  derive(matrix: Matrix, source: Source, style: TextStyle): void {
    const rowCount = matrix.rowCount;
    this.#first = source.first;
    this.#otherwise = source.otherwise;
    this.#style = style;
    this.rowCount = rowCount;
    if (this.ranges.length < rowCount * 2) this.ranges = new Int32Array(rowCount * 2);
    const first = matrix.blockOf(source.first);
    const firstSlot = refSlot(source.first);
    const otherwise = matrix.blockOf(source.otherwise);
    if (first !== null && isStoredText(first, firstSlot)) {
      const empty = this.#pointIntoHeap(first, firstSlot);
      if (empty === 0 || otherwise === null) return;
    }
    this.#buffer.reset();
    fillRange(this.ranges, 0, 0, rowCount * 2);
    if (first !== null) this.#deriveWhereEmpty(first, firstSlot, style);
    if (otherwise !== null) this.#deriveWhereEmpty(otherwise, refSlot(source.otherwise), style);
    this.bytes = this.#buffer.bytes;
    this.view = this.#buffer.view;
  }

  /** Drops what it holds; called when the matrix is released. */
  clear(): void {
    this.bytes = empty;
    this.view = emptyView;
    this.rowCount = 0;
    this.#buffer.reset();
    this.#first = NONE;
    this.#otherwise = NONE;
    if (this.ranges.length > 1 << 17) this.ranges = new Int32Array(0);
  }

  /** Texts stored as bytes need no copy. Returns the rows without text. */
  #pointIntoHeap(block: Block, slot: number): number {
    const { view, bytes } = block.memory;
    const { stride } = block.shape;
    const offset = block.shape.offsets[slot] as number;
    const slots = block.shape.slots.length;
    const ranges = this.ranges;
    let withoutText = 0;
    for (let row = 0; row < this.rowCount; row++) {
      const blockRow = block.blockRowOf(row);
      let start = 0;
      let length = 0;
      if (blockRow >= 0 && (bytes[block.statusAt + blockRow * slots + slot] as number) < 8) {
        start = view.getUint32(blockRow * stride + offset, true);
        length = view.getUint32(blockRow * stride + offset + 4, true);
      }
      if (length === 0) withoutText++;
      ranges[row * 2] = start;
      ranges[row * 2 + 1] = length;
    }
    this.bytes = block.heap;
    this.view = block.heapView;
    return withoutText;
  }

  /** Formats each block row that a row without text needs, once, and points those rows at it. */
  #deriveWhereEmpty(block: Block, slot: number, style: TextStyle): void {
    const rows = block.rowCount;
    if (this.#blockRanges.length < rows * 2) this.#blockRanges = new Int32Array(rows * 2);
    const blockRanges = this.#blockRanges.fill(-1, 0, rows * 2);
    const ranges = this.ranges;
    for (let row = 0; row < this.rowCount; row++) {
      if (ranges[row * 2 + 1] !== 0) continue;
      const blockRow = block.blockRowOf(row);
      if (blockRow < 0) continue;
      if (blockRanges[blockRow * 2] === -1) {
        const start = this.#buffer.end;
        if (block.status(blockRow, slot) < 8) this.#append(block, blockRow, slot, style);
        blockRanges[blockRow * 2] = start;
        blockRanges[blockRow * 2 + 1] = this.#buffer.end - start;
      }
      ranges[row * 2] = blockRanges[blockRow * 2] as number;
      ranges[row * 2 + 1] = blockRanges[blockRow * 2 + 1] as number;
    }
  }

  #append(block: Block, blockRow: number, slot: number, style: TextStyle): void {
    const isVariable = block.shape.slots[slot]?.isVariable === true;
    const type = block.shape.slots[slot]?.type ?? DataType.Unknown;
    const start = block.cellStart(blockRow, slot);
    const length = block.cellLength(blockRow, slot);
    const bytes = isVariable ? block.heap : block.memory.bytes;
    const view = isVariable ? block.heapView : block.memory.view;
    appendText(this.#buffer, type, bytes, view, start, length, floatNotationOf(style), style === 'answer' || style === 'key');
  }
}

const empty = new Uint8Array(0);
const emptyView = new DataView(empty.buffer);

/** Variable String and raw cells are their own text. */
function isStoredText(block: Block, slot: number): boolean {
  const info = block.shape.slots[slot];
  return info?.isVariable === true && (info.type === DataType.String || info.type === DataType.Unknown);
}
