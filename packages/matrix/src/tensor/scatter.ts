import type { Block } from '../block.js';
import { CellStatus } from '../cell-status.js';
import { MatrixError } from '../errors.js';
import { copyBytes } from '../short-ranges.js';

/*
 * A gather the other way round, here into slots 2 and 0 of three. Nothing pads a tensor:
 *
 *   fixed   tensor   slot 2 | slot 0 | slot 2 | slot 0 | …                             row 0, row 1, …
 *           block    slot 0 | slot 1 | slot 2                                          per row, each cell at row × stride + offsets[slot]
 *   texts   tensor   u32 length | bytes of slot 2 | u32 length | bytes of slot 0 | …   row 0, row 1, …
 *           block    start, length in the cells; the bytes in the heap
 *
 * Where the slots are all of the block's, in its order, a tensor row is a block row, and all rows are one copy.
 */

/**
 * Places a row-major tensor into fixed slots of a block: tensor row r → block row `toRow + r`. `widths[i]` are the bytes of slot `slots[i]`
 * in each tensor row, in order; the tensor starts at `tensor[at]`. The block takes a copy.
 * @throws {MatrixError} INFERFLOW_MATRIX_LENGTH_MISMATCH when a width is not the slot's, INFERFLOW_MATRIX_OUT_OF_RANGE when rows or bytes do not reach.
 */
export function scatterFixed(
  block: Block,
  slots: readonly number[],
  widths: readonly number[],
  tensor: Uint8Array,
  at: number,
  tensorRows: number,
  toRow: number,
  status: CellStatus,
): void {
  const { shape } = block;
  let rowBytes = 0;
  let isWholeRow = slots.length === shape.slots.length;
  for (let index = 0; index < slots.length; index++) {
    const slot = slots[index] as number;
    if (shape.slots[slot]?.isVariable !== false || shape.widths[slot] !== widths[index]) {
      throw new MatrixError(
        'INFERFLOW_MATRIX_LENGTH_MISMATCH',
        `column "${shape.slots[slot]?.name}" holds ${shape.widths[slot]} bytes per row, the tensor brings ${widths[index]}`,
        shape.slots[slot]?.name,
      );
    }
    if (slot !== index) isWholeRow = false;
    rowBytes += widths[index] as number;
  }
  if (toRow < 0 || toRow + tensorRows > block.rowCount || at + tensorRows * rowBytes > tensor.length) {
    throw new MatrixError(
      'INFERFLOW_MATRIX_OUT_OF_RANGE',
      `a tensor of ${tensorRows} rows does not fit a block of ${block.rowCount} rows at row ${toRow}`,
    );
  }
  const bytes = block.memory.bytes;
  if (isWholeRow) {
    copyBytes(tensor, at, at + tensorRows * rowBytes, bytes, toRow * shape.stride);
    block.markRows(toRow, toRow + tensorRows, status);
    return;
  }
  let from = at;
  for (let row = toRow; row < toRow + tensorRows; row++) {
    for (let index = 0; index < slots.length; index++) {
      const slot = slots[index] as number;
      const width = widths[index] as number;
      let put = row * shape.stride + (shape.offsets[slot] as number);
      for (const end = from + width; from < end; from++) bytes[put++] = tensor[from] as number;
      block.markCell(row, slot, status);
    }
  }
}

/**
 * Places a BYTES tensor (each element a u32 length and its bytes; one element per slot and row) into variable slots. False, and the rows
 * `failed`, when the lengths do not fit `tensor[at] … tensor[end − 1]` exactly.
 */
export function scatterTexts(
  block: Block,
  slots: readonly number[],
  tensor: Uint8Array,
  at: number,
  end: number,
  tensorRows: number,
  toRow: number,
  status: CellStatus,
): boolean {
  if (!fitsExactly(tensor, at, end, tensorRows * slots.length)) {
    for (let row = toRow; row < Math.min(toRow + tensorRows, block.rowCount); row++)
      for (const slot of slots) block.markCell(row, slot, CellStatus.failed);
    return false;
  }
  let from = at;
  for (let row = toRow; row < toRow + tensorRows; row++) {
    for (let index = 0; index < slots.length; index++) {
      const length = lengthAt(tensor, from);
      block.setBytes(row, slots[index] as number, tensor, from + 4, from + 4 + length, status);
      from += 4 + length;
    }
  }
  return true;
}

function lengthAt(tensor: Uint8Array, at: number): number {
  return (
    ((tensor[at] as number) |
      ((tensor[at + 1] as number) << 8) |
      ((tensor[at + 2] as number) << 16) |
      ((tensor[at + 3] as number) << 24)) >>>
    0
  );
}

function fitsExactly(tensor: Uint8Array, at: number, end: number, elements: number): boolean {
  let from = at;
  for (let element = 0; element < elements; element++) {
    if (from + 4 > end) return false;
    from += 4 + lengthAt(tensor, from);
  }
  return from === end;
}
