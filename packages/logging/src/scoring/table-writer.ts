import { type Block, dataTypeInfo } from '@inferflow/matrix';
import type { ProtoWriter } from './proto-writer.js';
import type { UserIdentity } from './user-identity.js';

/** Values of `ScoringTable.Origin`. */
export const TableOrigin = { rows: 1, context: 2, constant: 3, component: 4, header: 5 } as const;

/** Which part of a block becomes a table. */
export interface TableSource {
  readonly block: Block;
  readonly origin: (typeof TableOrigin)[keyof typeof TableOrigin];
  readonly component: string;
  readonly slots: readonly number[];
}

const cellsPerPause = 2048;
const hashesPerPause = 128;

/** Name of a type as the log spells it. */
export function scoringTypeName(type: number): string {
  return dataTypeInfo(type as Parameters<typeof dataTypeInfo>[0]).name.replace('DataType', '');
}

/** Writes blocks as `ScoringTable`s: the rows that a part of the request needs, each value once. Buffers are reused. */
export class TableWriter {
  #numbers = new Int32Array(256);
  #used = new Int32Array(256);
  #rowOf = new Int32Array(256);

  /** The steps of one table: rows from … to−1 of the matrix. */
  *write(
    writer: ProtoWriter,
    field: number,
    source: TableSource,
    from: number,
    to: number,
    identity: UserIdentity,
  ): Generator<void, void, void> {
    const { block } = source;
    const used = this.#choose(block, from, to);
    const table = writer.open(field);
    writer.number(1, source.origin);
    writer.text(2, source.component);
    writer.number(3, used);
    this.#writeRowOf(writer, to - from, used);
    let cells = 0;
    for (const slot of source.slots) {
      const { name, isVariable } = block.shape.slots[slot] as (typeof block.shape.slots)[number];
      const hidden = isVariable && identity.covers(name) ? yield* this.#hide(block, slot, used, identity) : null;
      this.#writeColumn(writer, block, slot, used, hidden);
      cells += used + 16;
      if (cells >= cellsPerPause) {
        cells = 0;
        yield;
      }
    }
    writer.close(table);
  }

  /** Numbers the block rows that are used, in the order of their first use. */
  #choose(block: Block, from: number, to: number): number {
    const rows = to - from;
    if (this.#numbers.length < block.rowCount) this.#numbers = new Int32Array(block.rowCount * 2);
    if (this.#used.length < Math.max(rows, 1)) this.#used = new Int32Array(rows * 2);
    if (this.#rowOf.length < rows) this.#rowOf = new Int32Array(rows * 2);
    this.#numbers.fill(0, 0, block.rowCount);
    let used = 0;
    for (let row = 0; row < rows; row++) {
      const blockRow = block.blockRowOf(from + row);
      if (blockRow < 0) {
        this.#rowOf[row] = 0;
        continue;
      }
      if (this.#numbers[blockRow] === 0) {
        this.#used[used++] = blockRow;
        this.#numbers[blockRow] = used;
      }
      this.#rowOf[row] = this.#numbers[blockRow] as number;
    }
    return used;
  }

  #writeRowOf(writer: ProtoWriter, rows: number, used: number): void {
    if (used === 0) return;
    let isPlain = used === rows;
    for (let row = 0; isPlain && row < rows; row++) isPlain = this.#rowOf[row] === row + 1;
    let isOne = used === 1;
    for (let row = 0; isOne && row < rows; row++) isOne = this.#rowOf[row] === 1;
    if (isPlain || isOne) return;
    const list = writer.open(4);
    for (let row = 0; row < rows; row++) writer.packed(this.#rowOf[row] as number);
    writer.close(list);
  }

  #writeColumn(writer: ProtoWriter, block: Block, slot: number, used: number, hidden: readonly Uint8Array[] | null): void {
    const { name, type, isVariable } = block.shape.slots[slot] as (typeof block.shape.slots)[number];
    const column = writer.open(5);
    writer.text(1, name);
    writer.text(2, scoringTypeName(type));
    const hasValues = this.#writeStatuses(writer, block, slot, used);
    if (!isVariable) writer.number(4, block.shape.widths[slot] as number);
    if (hasValues) {
      if (hidden !== null) this.#writeCells(writer, hidden);
      else if (isVariable) this.#writeVariable(writer, block, slot, used);
      else this.#writeFixed(writer, block, slot, used);
    }
    writer.close(column);
  }

  /** Returns whether any cell has a value. */
  #writeStatuses(writer: ProtoWriter, block: Block, slot: number, used: number): boolean {
    if (used === 0) return false;
    const bytes = writer.open(3);
    const { out } = writer;
    out.ensure(used);
    const first = block.status(this.#used[0] as number, slot);
    let isUniform = true;
    let hasValues = false;
    for (let row = 0; row < used; row++) {
      const status = block.status(this.#used[row] as number, slot);
      out.bytes[out.end + row] = status;
      if (status !== first) isUniform = false;
      if (status < 8) hasValues = true;
    }
    out.end += isUniform ? 1 : used;
    writer.close(bytes);
    return hasValues;
  }

  #writeFixed(writer: ProtoWriter, block: Block, slot: number, used: number): void {
    const { shape, memory } = block;
    const width = shape.widths[slot] as number;
    const offset = shape.offsets[slot] as number;
    const values = writer.open(6);
    const { out } = writer;
    out.ensure(width * used);
    const { bytes } = out;
    let at = out.end;
    for (let row = 0; row < used; row++) {
      let from = (this.#used[row] as number) * shape.stride + offset;
      for (const end = at + width; at < end; ) bytes[at++] = memory.bytes[from++] as number;
    }
    out.end = at;
    writer.close(values);
  }

  #writeVariable(writer: ProtoWriter, block: Block, slot: number, used: number): void {
    const lengths = writer.open(5);
    for (let row = 0; row < used; row++) writer.packed(lengthOf(block, this.#used[row] as number, slot));
    writer.close(lengths);
    const values = writer.open(6);
    const source = block.cellSource(slot);
    for (let row = 0; row < used; row++) {
      const blockRow = this.#used[row] as number;
      const length = lengthOf(block, blockRow, slot);
      if (length > 0) writer.out.append(source, block.cellStart(blockRow, slot), length);
    }
    writer.close(values);
  }

  /** Cells as the log may show them. A hash costs microseconds. */
  *#hide(block: Block, slot: number, used: number, identity: UserIdentity): Generator<void, readonly Uint8Array[], void> {
    const source = block.cellSource(slot);
    const cells: Uint8Array[] = [];
    for (let row = 0; row < used; row++) {
      const blockRow = this.#used[row] as number;
      const start = block.cellStart(blockRow, slot);
      cells.push(identity.bytesOf(source.subarray(start, start + lengthOf(block, blockRow, slot))));
      if (row % hashesPerPause === hashesPerPause - 1) yield;
    }
    return cells;
  }

  #writeCells(writer: ProtoWriter, cells: readonly Uint8Array[]): void {
    const lengths = writer.open(5);
    for (const cell of cells) writer.packed(cell.length);
    writer.close(lengths);
    const values = writer.open(6);
    for (const cell of cells) writer.out.append(cell, 0, cell.length);
    writer.close(values);
  }
}

function lengthOf(block: Block, row: number, slot: number): number {
  return block.status(row, slot) < 8 ? block.cellLength(row, slot) : 0;
}
