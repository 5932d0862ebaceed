import type { BlockShape } from './block-shape.js';
import { CellStatus, cellStatusCount } from './cell-status.js';
import { MatrixError } from './errors.js';
import { type Memory, MemoryPool, noMemory } from './memory-pool.js';
import { copyBytes, fillRange } from './short-ranges.js';

/** What a block needs beside its rows. */
export interface BlockOptions {
  /** Rows of the matrix, when the block keeps a row map (matrix row → block row). Absent = no map. */
  readonly rowMapRows?: number;
  /** First size of the heap for variable cells, bytes. It grows from the pool. @default 64 per variable cell */
  readonly heapBytes?: number;
  /**
   * The heap is this message (request ids and texts are never copied). Its owner keeps it as it is while the block lives; without `heapMemory`
   * that is somebody else, who may be another block.
   */
  readonly externalHeap?: Uint8Array;
  /**
   * What `externalHeap` lies in, of the same pool, when the block is its owner: given back, or abandoned, with the block's own memory. Still the
   * caller's when opening throws.
   */
  readonly heapMemory?: Memory | null;
}

/**
 * The cells one writer produces in one request: rows × slots, row-major, one status byte per cell.
 *
 *     memory = rows … | void row | status plane … | void status | row map | heap
 *
 * The void row is always zeros and `skipped`: matrix rows that have no block row read it, so no reader branches on them.
 * A block owns its memory until `release`. One writer, then many readers; `memory` changes when the heap grows.
 */
export class Block {
  shape!: BlockShape;
  rowCount = 0;
  memory!: Memory;
  /** Byte position of the status plane: one byte per cell, row-major. */
  statusAt = 0;
  /** End of the used heap, a position in `heap`. */
  heapEnd = 0;
  /** Word position of the row map in `memory.words`; −1 = same row, or row 0 when there is one row. */
  rowMapAt = -1;
  /** Length of the row map. */
  rowMapRows = 0;
  /** Cells that hold no value. */
  withoutValue = 0;
  /** Cells per status code. Kept by the marks; nobody scans the plane to count. */
  readonly counts = new Int32Array(cellStatusCount);
  /** Blocks of constants serve many requests: a matrix never releases them. */
  isShared = false;
  #pool: MemoryPool | null = null;
  #externalHeap: Uint8Array | null = null;
  #externalHeapView: DataView | null = null;
  #heapMemory: Memory | null = null;
  // Rows outside [touchedFrom, touchedTo) are as created, so marking them needs no look at the plane.
  #touchedFrom = 0;
  #touchedTo = 0;

  /** A block with all cells `unwritten` and zero. */
  static create(pool: MemoryPool, shape: BlockShape, rowCount: number, options?: BlockOptions): Block {
    return new Block().open(pool, shape, rowCount, options);
  }

  /** Takes memory for a new life of this object, so that a pooled owner makes no garbage. Only for a new or released block. */
  open(pool: MemoryPool, shape: BlockShape, rowCount: number, options?: BlockOptions): Block {
    if (this.#pool !== null) throw new MatrixError('INFERFLOW_MATRIX_RELEASED', 'a block is opened again before it was released');
    const slotCount = shape.slots.length;
    const cells = rowCount * slotCount;
    const rowMapRows = options?.rowMapRows ?? 0;
    const externalHeap = options?.externalHeap ?? null;
    const statusAt = (rowCount + 1) * shape.stride;
    const mapAt = align4(statusAt + cells + slotCount);
    const heapAt = mapAt + rowMapRows * 4;
    const heapBytes = externalHeap !== null ? 0 : (options?.heapBytes ?? shape.variableSlots * rowCount * heapBytesPerCell);
    const memory = pool.acquire(heapAt + heapBytes);
    this.#pool = pool;
    this.#externalHeap = externalHeap;
    this.#externalHeapView = null;
    this.#heapMemory = options?.heapMemory ?? null;
    this.shape = shape;
    this.rowCount = rowCount;
    this.memory = memory;
    this.statusAt = statusAt;
    this.rowMapRows = rowMapRows;
    this.rowMapAt = rowMapRows > 0 ? mapAt >>> 2 : -1;
    this.heapEnd = externalHeap !== null ? externalHeap.length : heapAt;
    fillRange(memory.bytes, 0, 0, statusAt);
    fillRange(memory.bytes, CellStatus.unwritten, statusAt, statusAt + cells);
    fillRange(memory.bytes, CellStatus.skipped, statusAt + cells, statusAt + cells + slotCount);
    if (rowMapRows > 0) fillRange(memory.words, -1, this.rowMapAt, this.rowMapAt + rowMapRows);
    this.counts.fill(0);
    this.counts[CellStatus.unwritten] = cells;
    this.withoutValue = cells;
    this.isShared = false;
    this.#touchedFrom = rowCount;
    this.#touchedTo = 0;
    return this;
  }

  /** Gives the memory back. Nothing may read the block afterwards. */
  release(pool: MemoryPool): void {
    if (this.#pool === null) throw new MatrixError('INFERFLOW_MATRIX_RELEASED', 'a block is released twice');
    const isAbandoned = this.#pool === uncounted;
    const { memory } = this;
    const heapMemory = this.#heapMemory;
    this.#pool = null;
    this.#externalHeap = null;
    this.#externalHeapView = null;
    this.#heapMemory = null;
    if (isAbandoned) return;
    // The object waits for its next life, and must not keep what the pool lets go.
    this.memory = noMemory;
    pool.release(memory);
    if (heapMemory !== null) pool.release(heapMemory);
  }

  /**
   * Leaves the memory to the garbage collector instead of giving it back: a writer that is late may still use the block, and what it needs
   * from here on is no longer counted. Nobody else may.
   */
  abandon(): void {
    if (this.#pool === null) return;
    this.#pool.abandon(this.memory);
    if (this.#heapMemory !== null) this.#pool.abandon(this.#heapMemory);
    this.#pool = uncounted;
  }

  /** False after `release`. */
  get isOpen(): boolean {
    return this.#pool !== null;
  }

  /** The bytes that variable cells point into: the block's own memory, or the message given when it was opened. */
  get heap(): Uint8Array {
    return this.#externalHeap ?? this.memory.bytes;
  }

  /** A view of `heap`. */
  get heapView(): DataView {
    const external = this.#externalHeap;
    if (external === null) return this.memory.view;
    this.#externalHeapView ??= new DataView(external.buffer, external.byteOffset, external.byteLength);
    return this.#externalHeapView;
  }

  /**
   * Sets the status of whole rows whose bytes a bulk writer has put (or that have no value: then the bytes become zeros).
   * Rows are half-open: from … to−1.
   */
  markRows(from: number, to: number, status: CellStatus): void {
    if (!(from >= 0 && to <= this.rowCount)) throw this.#outside(from >= 0 ? to - 1 : from);
    if (to <= from) return;
    const slotCount = this.shape.slots.length;
    const first = this.statusAt + from * slotCount;
    const last = this.statusAt + to * slotCount;
    const bytes = this.memory.bytes;
    if (to <= this.#touchedFrom || from >= this.#touchedTo) {
      this.#recount(CellStatus.unwritten, status, last - first);
    } else {
      for (let at = first; at < last; at++) this.#recount(bytes[at] as number, status, 1);
    }
    this.#touch(from, to);
    bytes.fill(status, first, last);
    if (status >= 8) bytes.fill(0, from * this.shape.stride, to * this.shape.stride);
  }

  /** Sets the status of one cell; without a value its bytes become zeros. */
  markCell(row: number, slot: number, status: CellStatus): void {
    this.#check(row, slot);
    const at = this.statusAt + row * this.shape.slots.length + slot;
    const bytes = this.memory.bytes;
    const before = bytes[at] as number;
    if (before !== status) {
      this.#recount(before, status, 1);
      bytes[at] = status;
    }
    if (row < this.#touchedFrom) this.#touchedFrom = row;
    if (row >= this.#touchedTo) this.#touchedTo = row + 1;
    if (status >= 8) {
      const start = row * this.shape.stride + (this.shape.offsets[slot] as number);
      bytes.fill(0, start, start + (this.shape.widths[slot] as number));
    }
  }

  /**
   * Writes one cell. A fixed slot wants exactly its width: otherwise the cell is `failed` and the answer false. A variable slot
   * copies into the heap, which grows from the pool when full (`memory` changes then).
   * @throws {MatrixError} INFERFLOW_MATRIX_TYPE_MISMATCH for a variable slot of a block whose heap is a message: use `setRange`.
   */
  setBytes(row: number, slot: number, source: Uint8Array, from: number, to: number, status: CellStatus): boolean {
    this.#check(row, slot);
    if (status >= 8) {
      this.markCell(row, slot, status);
      return true;
    }
    const length = to - from;
    const at = row * this.shape.stride + (this.shape.offsets[slot] as number);
    if (this.shape.slots[slot]?.isVariable === true) {
      const start = this.reserveHeap(length);
      copyBytes(source, from, to, this.memory.bytes, start);
      const view = this.memory.view;
      view.setUint32(at, start, true);
      view.setUint32(at + 4, length, true);
    } else {
      if (length !== this.shape.widths[slot]) {
        this.markCell(row, slot, CellStatus.failed);
        return false;
      }
      copyBytes(source, from, to, this.memory.bytes, at);
    }
    this.markCell(row, slot, status);
    return true;
  }

  /** Points a variable cell at bytes that are in the heap already (`heap[start] … heap[start + length − 1]`). */
  setRange(row: number, slot: number, start: number, length: number, status: CellStatus): void {
    this.#check(row, slot);
    if (this.shape.slots[slot]?.isVariable !== true) {
      throw new MatrixError(
        'INFERFLOW_MATRIX_TYPE_MISMATCH',
        `column "${this.shape.slots[slot]?.name}" has a fixed width; setRange needs a variable one`,
      );
    }
    if (start < 0 || length < 0 || start + length > this.heap.length) {
      throw new MatrixError(
        'INFERFLOW_MATRIX_OUT_OF_RANGE',
        `a cell of column "${this.shape.slots[slot]?.name}" points outside the heap of its block`,
      );
    }
    const at = row * this.shape.stride + (this.shape.offsets[slot] as number);
    const view = this.memory.view;
    view.setUint32(at, start, true);
    view.setUint32(at + 4, length, true);
    this.markCell(row, slot, status);
  }

  /** Room for `length` bytes in the block's own heap; returns its start. May replace `memory`. */
  reserveHeap(length: number): number {
    if (this.#externalHeap !== null) {
      throw new MatrixError(
        'INFERFLOW_MATRIX_TYPE_MISMATCH',
        'the heap of this block is a message that it does not own; point cells into it with setRange',
      );
    }
    const start = this.heapEnd;
    const end = start + length;
    if (end > this.memory.bytes.length) this.#grow(end);
    this.heapEnd = end;
    return start;
  }

  status(row: number, slot: number): CellStatus {
    this.#check(row, slot);
    return this.memory.bytes[this.statusAt + row * this.shape.slots.length + slot] as CellStatus;
  }

  /** Position of the cell's bytes in {@link cellSource}. */
  cellStart(row: number, slot: number): number {
    this.#check(row, slot);
    const at = row * this.shape.stride + (this.shape.offsets[slot] as number);
    return this.shape.slots[slot]?.isVariable === true ? this.memory.view.getUint32(at, true) : at;
  }

  /** Bytes of the cell: the width of a fixed slot, the stored length of a variable one. */
  cellLength(row: number, slot: number): number {
    this.#check(row, slot);
    if (this.shape.slots[slot]?.isVariable !== true) return this.shape.widths[slot] as number;
    return this.memory.view.getUint32(row * this.shape.stride + (this.shape.offsets[slot] as number) + 4, true);
  }

  /** Where {@link cellStart} points: the rows for a fixed slot, the heap for a variable one. */
  cellSource(slot: number): Uint8Array {
    return this.shape.slots[slot]?.isVariable === true ? this.heap : this.memory.bytes;
  }

  /** The block row of a matrix row; −1 = it has none. */
  blockRowOf(matrixRow: number): number {
    if (this.rowMapAt >= 0) {
      if (matrixRow < 0 || matrixRow >= this.rowMapRows) return -1;
      const row = this.memory.words[this.rowMapAt + matrixRow] as number;
      return row < this.rowCount ? row : -1;
    }
    if (this.rowCount === 1) return 0;
    return matrixRow >= 0 && matrixRow < this.rowCount ? matrixRow : -1;
  }

  /**
   * Puts one entry of the row map; −1 = the matrix row has no block row. For cold code and tests: a writer that has the whole map sets
   * `memory.words` from `rowMapAt` on.
   */
  mapRow(matrixRow: number, blockRow: number): void {
    if (this.rowMapAt < 0 || matrixRow < 0 || matrixRow >= this.rowMapRows) throw this.#outside(matrixRow);
    this.memory.words[this.rowMapAt + matrixRow] = blockRow;
  }

  /**
   * Turns to another shape of the same slots in the same order, in which fixed ones may have become variable. Every cell keeps its bytes
   * and its status. Replaces `memory`. Only its writer may, before anyone reads.
   * @throws {MatrixError} INFERFLOW_MATRIX_TYPE_MISMATCH for other slots, for a variable one that became fixed, or a foreign heap.
   */
  reshape(shape: BlockShape): void {
    const { shape: before, memory: old, statusAt: oldStatusAt, rowMapAt: oldMapAt, rowCount, rowMapRows } = this;
    if (!canTurnInto(before, shape) || this.#externalHeap !== null) {
      throw new MatrixError(
        'INFERFLOW_MATRIX_TYPE_MISMATCH',
        'a block can only turn to a shape of the same slots, fixed ones made variable',
      );
    }
    const slotCount = shape.slots.length;
    const pool = this.#pool as MemoryPool;
    const statusAt = (rowCount + 1) * shape.stride;
    const mapAt = align4(statusAt + (rowCount + 1) * slotCount);
    const heapAt = mapAt + rowMapRows * 4;
    // Room for all that moves from the rows to the heap.
    const memory = pool.acquire(heapAt + (rowCount + 1) * before.stride + (this.heapEnd - oldStatusAt));
    memory.bytes.fill(0, 0, statusAt);
    memory.bytes.set(old.bytes.subarray(oldStatusAt, oldStatusAt + (rowCount + 1) * slotCount), statusAt);
    if (rowMapRows > 0) memory.words.set(old.words.subarray(oldMapAt, oldMapAt + rowMapRows), mapAt >>> 2);
    this.shape = shape;
    this.memory = memory;
    this.statusAt = statusAt;
    this.rowMapAt = rowMapRows > 0 ? mapAt >>> 2 : -1;
    this.heapEnd = heapAt;
    for (let row = 0; row < rowCount; row++) {
      for (let slot = 0; slot < slotCount; slot++) {
        const status = memory.bytes[statusAt + row * slotCount + slot] as CellStatus;
        if (status >= 8) continue;
        const cell = row * before.stride + (before.offsets[slot] as number);
        const isVariable = before.slots[slot]?.isVariable === true;
        const start = isVariable ? old.view.getUint32(cell, true) : cell;
        const length = isVariable ? old.view.getUint32(cell + 4, true) : (before.widths[slot] as number);
        this.setBytes(row, slot, old.bytes, start, start + length, status);
      }
    }
    pool.release(old);
  }

  #grow(end: number): void {
    const pool = this.#pool as MemoryPool;
    const old = this.memory;
    const next = pool.acquire(Math.max(end, old.bytes.length * 2));
    next.bytes.set(old.bytes.subarray(0, this.heapEnd));
    this.memory = next;
    pool.release(old);
  }

  #recount(before: number, after: number, cells: number): void {
    const counts = this.counts;
    counts[before] = (counts[before] as number) - cells;
    counts[after] = (counts[after] as number) + cells;
    if (before >= 8) this.withoutValue -= cells;
    if (after >= 8) this.withoutValue += cells;
  }

  #touch(from: number, to: number): void {
    if (from < this.#touchedFrom) this.#touchedFrom = from;
    if (to > this.#touchedTo) this.#touchedTo = to;
  }

  /** As an unsigned integer only a whole number from 0 on stays what it is: half a row would be written across two, none into the first. */
  #check(row: number, slot: number): void {
    if (row >>> 0 !== row || row >= this.rowCount || slot < 0 || slot >= this.shape.slots.length) throw this.#outside(row);
  }

  #outside(row: number): MatrixError {
    // What is no number may be a value of the request.
    if (!Number.isInteger(row)) {
      const found = typeof row === 'number' ? String(row) : typeof row;
      return new MatrixError('INFERFLOW_MATRIX_OUT_OF_RANGE', `a row is a whole number, 0 to ${this.rowCount - 1}; found ${found}`);
    }
    return new MatrixError(
      'INFERFLOW_MATRIX_OUT_OF_RANGE',
      `row ${row} or its slot is outside a block of ${this.rowCount} rows × ${this.shape.slots.length} slots`,
    );
  }
}

function canTurnInto(before: BlockShape, after: BlockShape): boolean {
  if (before.slots.length !== after.slots.length) return false;
  return before.slots.every(({ name, type, isVariable }, slot) => {
    const other = after.slots[slot];
    if (other === undefined || other.name !== name || other.type !== type) return false;
    return other.isVariable || (!isVariable && before.widths[slot] === after.widths[slot]);
  });
}

/** Where blocks that were abandoned grow. Keeps nothing. */
const uncounted = new MemoryPool({ maxIdleBytes: 0 });

function align4(position: number): number {
  return (position + 3) & ~3;
}

/** First size of the heap. */
const heapBytesPerCell = 64;
