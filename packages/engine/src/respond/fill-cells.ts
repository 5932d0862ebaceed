import { hasValue, type Matrix, refSlot, type Source, type TextStyle } from '@inferflow/matrix';
import { isValidUtf8, type ScoreTable } from '@inferflow/proto/hot';
import type { AnswerColumn } from '../compile/answer-columns.js';

/*
 * Cell (row, column) of an answer is a range of bytes that stand somewhere already: ranges[2 × (row × columns + column)] is its start in
 * sources[column], and the number after it its length, 0 where there is no value.
 *
 *   bytes, fixed slot       sources[column] = block.memory   start = block row × stride + offset, length = width
 *   bytes, variable slot    sources[column] = block.heap     start and length are the two u32 at that place in the block row
 *   texts                   sources[column] = bytes of the column's text (see text-column.ts of matrix), start and length its ranges[2 × row]
 */

const nothing = new Uint8Array(0);

/** Points a table of byte strings at the stored bytes of some columns. Nothing is copied. */
export function fillBytes(table: ScoreTable, matrix: Matrix, columns: readonly AnswerColumn[]): void {
  table.open(matrix.rowCount, columns.length);
  for (let column = 0; column < columns.length; column++) fillColumn(table, column, matrix, (columns[column] as AnswerColumn).source);
}

function fillColumn(table: ScoreTable, column: number, matrix: Matrix, source: Source | null): void {
  const { ranges, columnCount, rowCount } = table;
  const step = columnCount * 2;
  const block = source === null ? null : matrix.blockOf(source.first);
  if (source === null || block === null) {
    table.sources[column] = nothing;
    for (let row = 0, at = column * 2; row < rowCount; row++, at += step) ranges[at + 1] = 0;
    return;
  }
  const slot = refSlot(source.first);
  const { shape, memory, statusAt } = block;
  const slotCount = shape.slots.length;
  const isVariable = shape.slots[slot]?.isVariable === true;
  const offset = shape.offsets[slot] as number;
  const width = shape.widths[slot] as number;
  const isComplete = block.withoutValue === 0;
  table.sources[column] = isVariable ? block.heap : memory.bytes;
  for (let row = 0, at = column * 2; row < rowCount; row++, at += step) {
    const blockRow = block.blockRowOf(row);
    if (blockRow < 0 || (!isComplete && !hasValue(memory.bytes[statusAt + blockRow * slotCount + slot] as number))) {
      ranges[at + 1] = 0;
      continue;
    }
    const start = blockRow * shape.stride + offset;
    if (isVariable) {
      ranges[at] = memory.view.getUint32(start, true);
      ranges[at + 1] = memory.view.getUint32(start + 4, true);
    } else {
      ranges[at] = start;
      ranges[at + 1] = width;
    }
  }
}

/** Rows whose answer lacks a text because its bytes are none, with what to say about it. */
export interface UnreadableTexts {
  readonly rows: number[];
  readonly reasons: string[];
}

/**
 * Points a table of texts at the text of some columns: given in the request, or derived once per stored value. Bytes that are no text
 * are left out, or nobody could decode the answer; they are returned, null when there are none.
 */
export function fillTexts(table: ScoreTable, matrix: Matrix, columns: readonly AnswerColumn[], style: TextStyle): UnreadableTexts | null {
  const { rowCount } = matrix;
  table.open(rowCount, columns.length);
  const { ranges } = table;
  const step = columns.length * 2;
  let unreadable: UnreadableTexts | null = null;
  for (let column = 0; column < columns.length; column++) {
    const { source, rawTextOf, name } = columns[column] as AnswerColumn;
    const text = source === null ? null : matrix.text(source, style);
    const bytes = text?.bytes ?? nothing;
    table.sources[column] = bytes;
    for (let row = 0, at = column * 2; row < rowCount; row++, at += step) {
      const start = text?.ranges[row * 2] ?? 0;
      const length = text?.ranges[row * 2 + 1] ?? 0;
      ranges[at] = start;
      ranges[at + 1] = length;
      if (rawTextOf === null || isValidUtf8(bytes, start, start + length)) continue;
      ranges[at + 1] = 0;
      unreadable ??= { rows: [], reasons: [] };
      unreadable.rows.push(row);
      unreadable.reasons.push(`${rawTextOf}: conversion: the value of "${name}" is no valid UTF-8 text and cannot be answered as one`);
    }
  }
  return unreadable;
}
