import type { Block } from './block.js';
import { ByteBuffer } from './byte-buffer.js';
import { CellStatus } from './cell-status.js';
import { createConvertJob } from './convert/convert-job.js';
import { decoderOf } from './convert/decode-numbers.js';
import { appendText } from './convert/format-text.js';
import { readBigint, readNumber } from './convert/read-number.js';
import { DataType, dataTypeInfo } from './data-type.js';
import { refSlot, type Source } from './layout.js';
import type { Matrix } from './matrix.js';

/** Reads one column row by row. A flyweight: it holds no values, and `row` is a position of the rows it was bound to. */
export interface ColumnReader {
  /** The value as a number: numbers and booleans as they are, the first element of a vector, text parsed; NaN without a value. */
  number(row: number): number;
  /** The value as an integer, floats truncated; 0n without a value. */
  bigint(row: number): bigint;
  /** The value as text, as in answers; '' without a value. */
  text(row: number): string;
  /** The cell's own bytes, a view that is valid until the run ends; empty without a value. */
  bytes(row: number): Uint8Array;
  status(row: number): CellStatus;
  hasValue(row: number): boolean;
  /** All rows, rounded to FP32; zeros where there is no value. */
  toFloat32Array(target?: Float32Array): Float32Array;
  /** All rows; zeros where there is no value. */
  toFloat64Array(target?: Float64Array): Float64Array;
}

const nothing = new Uint8Array(0);
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const textBuffer = new ByteBuffer();
// Used within one call, never across.
const job = createConvertJob();
let float64 = new Float64Array(0);

/** A reader that is bound again for each run, so that runs make no garbage. */
export class BoundColumnReader implements ColumnReader {
  #first: Block | null = null;
  #firstSlot = 0;
  #otherwise: Block | null = null;
  #otherwiseSlot = 0;
  #rows: Int32Array | null = null;
  #count = 0;
  #starts = new Int32Array(0);
  // The cell that the last `#locate` found.
  #block: Block | null = null;
  #slot = 0;
  #blockRow = -1;

  /**
   * Reads a source of a matrix. `rows` maps positions to matrix rows (`rows` or `slateOf` of a row set); null = row is row.
   * Columns that are not there read as cells without value.
   */
  bind(matrix: Matrix, source: Source, rows: Int32Array | null, count: number = rows?.length ?? matrix.rowCount): this {
    this.#first = matrix.blockOf(source.first);
    this.#firstSlot = refSlot(source.first);
    this.#otherwise = matrix.blockOf(source.otherwise);
    this.#otherwiseSlot = refSlot(source.otherwise);
    this.#rows = rows;
    this.#count = count;
    return this;
  }

  /** Lets go of the blocks at the end of a run. */
  unbind(): void {
    this.#first = null;
    this.#otherwise = null;
    this.#block = null;
    this.#rows = null;
    this.#count = 0;
  }

  /** Rows that `toFloat64Array` covers. */
  get count(): number {
    return this.#count;
  }

  number(row: number): number {
    if (!this.#locate(row)) return Number.NaN;
    const block = this.#block as Block;
    const isVariable = block.shape.slots[this.#slot]?.isVariable === true;
    const type = block.shape.slots[this.#slot]?.type ?? DataType.Unknown;
    const start = block.cellStart(this.#blockRow, this.#slot);
    const length = block.cellLength(this.#blockRow, this.#slot);
    return readNumber(type, isVariable ? block.heap : block.memory.bytes, isVariable ? block.heapView : block.memory.view, start, length);
  }

  bigint(row: number): bigint {
    if (!this.#locate(row)) return 0n;
    const block = this.#block as Block;
    const isVariable = block.shape.slots[this.#slot]?.isVariable === true;
    const type = block.shape.slots[this.#slot]?.type ?? DataType.Unknown;
    const start = block.cellStart(this.#blockRow, this.#slot);
    const length = block.cellLength(this.#blockRow, this.#slot);
    return readBigint(type, isVariable ? block.heap : block.memory.bytes, isVariable ? block.heapView : block.memory.view, start, length);
  }

  text(row: number): string {
    if (!this.#locate(row)) return '';
    const block = this.#block as Block;
    const isVariable = block.shape.slots[this.#slot]?.isVariable === true;
    const type = block.shape.slots[this.#slot]?.type ?? DataType.Unknown;
    textBuffer.reset();
    appendText(
      textBuffer,
      type,
      isVariable ? block.heap : block.memory.bytes,
      isVariable ? block.heapView : block.memory.view,
      block.cellStart(this.#blockRow, this.#slot),
      block.cellLength(this.#blockRow, this.#slot),
      'scientific',
      true,
    );
    return decoder.decode(textBuffer.bytes.subarray(0, textBuffer.end));
  }

  bytes(row: number): Uint8Array {
    if (!this.#locate(row)) return nothing;
    const block = this.#block as Block;
    const start = block.cellStart(this.#blockRow, this.#slot);
    return block.cellSource(this.#slot).subarray(start, start + block.cellLength(this.#blockRow, this.#slot));
  }

  status(row: number): CellStatus {
    if (this.#locate(row)) return (this.#block as Block).status(this.#blockRow, this.#slot);
    return (
      this.#statusOf(this.#first, this.#firstSlot, row) ?? this.#statusOf(this.#otherwise, this.#otherwiseSlot, row) ?? CellStatus.unwritten
    );
  }

  hasValue(row: number): boolean {
    return this.#locate(row);
  }

  toFloat32Array(target: Float32Array = new Float32Array(this.#count)): Float32Array {
    if (this.#count > float64.length) float64 = new Float64Array(this.#count);
    if (this.#decodeColumn(float64)) {
      for (let row = 0; row < this.#count; row++) target[row] = float64[row] as number;
      return target;
    }
    for (let row = 0; row < this.#count; row++) target[row] = this.#locate(row) ? this.number(row) : 0;
    return target;
  }

  toFloat64Array(target: Float64Array = new Float64Array(this.#count)): Float64Array {
    if (this.#decodeColumn(target)) return target;
    for (let row = 0; row < this.#count; row++) target[row] = this.#locate(row) ? this.number(row) : 0;
    return target;
  }

  /** A fixed column without a second one is decoded in one loop: what has no value is zeros already. */
  #decodeColumn(target: Float64Array): boolean {
    const block = this.#first;
    const slot = block?.shape.slots[this.#firstSlot];
    if (block === null || slot === undefined || slot.isVariable || this.#otherwise !== null) return false;
    const { elementType, elementBytes } = dataTypeInfo(slot.type);
    const decode = decoderOf(elementType, false);
    if (decode === null || (block.shape.widths[this.#firstSlot] as number) < elementBytes) return false;
    if (this.#starts.length < this.#count) this.#starts = new Int32Array(this.#count);
    for (let position = 0; position < this.#count; position++) {
      const blockRow = block.blockRowOf(this.#rows === null ? position : (this.#rows[position] as number));
      this.#starts[position] = (blockRow < 0 ? block.rowCount : blockRow) * block.shape.stride;
    }
    job.source = block.memory.bytes;
    job.sourceView = block.memory.view;
    job.starts = this.#starts;
    job.sourceOffset = block.shape.offsets[this.#firstSlot] as number;
    decode(job, 0, this.#count, target);
    return true;
  }

  /** Finds the cell of a position; false when it has no value. */
  #locate(position: number): boolean {
    const row = this.#rows === null ? position : (this.#rows[position] as number);
    return this.#find(this.#first, this.#firstSlot, row) || this.#find(this.#otherwise, this.#otherwiseSlot, row);
  }

  #find(block: Block | null, slot: number, row: number): boolean {
    if (block === null) return false;
    const blockRow = block.blockRowOf(row);
    if (blockRow < 0 || block.status(blockRow, slot) >= 8) return false;
    this.#block = block;
    this.#slot = slot;
    this.#blockRow = blockRow;
    return true;
  }

  #statusOf(block: Block | null, slot: number, position: number): CellStatus | null {
    if (block === null) return null;
    const blockRow = block.blockRowOf(this.#rows === null ? position : (this.#rows[position] as number));
    return blockRow < 0 ? CellStatus.skipped : block.status(blockRow, slot);
  }
}
