import { CellStatus, DataType, parseDataType } from '@inferflow/matrix';
import { type ScoringColumn, type ScoringTable, ScoringTable_Origin } from '@inferflow/proto';
import { LoggingError } from '../errors.js';

/** Cells of one column in one part of a request. */
interface ColumnPart {
  readonly firstRow: number;
  readonly rows: number;
  /** 1 + table row per row; null = the row itself, or the only one. */
  readonly rowOf: readonly number[] | null;
  readonly tableRows: number;
  readonly statuses: Uint8Array;
  readonly width: number;
  /** Start of each value, and the end of the last; null where all are `width` long. */
  readonly offsets: Uint32Array | null;
  readonly values: Uint8Array;
}

const nothing = new Uint8Array(0);

/** One column of a logged request, over all of its parts. Values are views of the records' bytes. */
export class ScoringColumnCells {
  readonly name: string;
  readonly dataType: DataType;
  readonly origin: ScoringTable_Origin;
  /** '' unless a component wrote it. */
  readonly component: string;
  readonly #parts: ColumnPart[] = [];
  #last = 0;

  constructor(name: string, dataType: DataType, origin: ScoringTable_Origin, component: string) {
    this.name = name;
    this.dataType = dataType;
    this.origin = origin;
    this.component = component;
  }

  /** Adds the cells of another part. @throws LoggingError INFERFLOW_LOGGING_MESSAGE_INVALID when they contradict themselves */
  add(table: ScoringTable, column: ScoringColumn, firstRow: number, rows: number): void {
    const { statuses, width, values } = column;
    let offsets: Uint32Array | null = null;
    if (width === 0 && column.lengths.length > 0) {
      offsets = new Uint32Array(column.lengths.length + 1);
      for (let index = 0; index < column.lengths.length; index++)
        offsets[index + 1] = (offsets[index] as number) + (column.lengths[index] as number);
    }
    const end = offsets === null ? (values.length === 0 ? 0 : width * table.rows) : (offsets[offsets.length - 1] as number);
    const isWhole =
      (statuses.length === 1 || statuses.length === table.rows) &&
      end === values.length &&
      (offsets === null || offsets.length === table.rows + 1) &&
      (table.rowOf.length === 0 || table.rowOf.length === rows) &&
      table.rowOf.every((row) => row <= table.rows);
    if (table.rows > 0 && !isWhole)
      throw new LoggingError('INFERFLOW_LOGGING_MESSAGE_INVALID', `column "${this.name}" of a ScoringLog contradicts itself`);
    const rowOf = table.rowOf.length === 0 ? null : table.rowOf;
    this.#parts.push({ firstRow, rows, rowOf, tableRows: table.rows, statuses, width, offsets, values });
  }

  /** Where a cell's value came from, or why it has none. */
  status(row: number): number {
    const part = this.#partOf(row);
    const at = part === null ? -1 : tableRow(part, row);
    if (part === null || at < 0) return CellStatus.skipped;
    return part.statuses[part.statuses.length === 1 ? 0 : at] as number;
  }

  /** Bytes of a cell; empty without a value. Valid as long as the request. */
  bytes(row: number): Uint8Array {
    const part = this.#partOf(row);
    const at = part === null ? -1 : tableRow(part, row);
    if (part === null || at < 0) return nothing;
    if ((part.statuses[part.statuses.length === 1 ? 0 : at] as number) >= 8 || part.values.length === 0) return nothing;
    const { offsets, width, values } = part;
    return offsets === null
      ? values.subarray(at * width, (at + 1) * width)
      : values.subarray(offsets[at] as number, offsets[at + 1] as number);
  }

  hasValue(row: number): boolean {
    return this.status(row) < 8;
  }

  #partOf(row: number): ColumnPart | null {
    for (let tried = 0; tried < this.#parts.length; tried++) {
      const part = this.#parts[this.#last] as ColumnPart;
      if (row >= part.firstRow && row < part.firstRow + part.rows) return part;
      this.#last = (this.#last + 1) % this.#parts.length;
    }
    return null;
  }
}

function tableRow(part: ColumnPart, row: number): number {
  const own = row - part.firstRow;
  if (part.tableRows === 0) return -1;
  if (part.rowOf !== null) return (part.rowOf[own] as number) - 1;
  return part.tableRows === 1 ? 0 : own < part.tableRows ? own : -1;
}

/** The columns of one matrix of a logged request. */
export class ScoringColumns {
  readonly all: ScoringColumnCells[] = [];
  readonly #byKey = new Map<string, ScoringColumnCells>();

  /** Adds a table of a part. @throws LoggingError INFERFLOW_LOGGING_MESSAGE_INVALID */
  add(table: ScoringTable, firstRow: number, rows: number): void {
    for (const column of table.columns) {
      const key = `${table.origin} ${table.component}\0${column.name}`;
      let cells = this.#byKey.get(key);
      if (cells === undefined) {
        const dataType = column.dataType === 'Unknown' ? DataType.Unknown : parseDataType(column.dataType);
        if (dataType === undefined)
          throw new LoggingError(
            'INFERFLOW_LOGGING_MESSAGE_INVALID',
            `column "${column.name}" of a ScoringLog is of no known type: ${column.dataType}`,
          );
        cells = new ScoringColumnCells(column.name, dataType, table.origin, table.component);
        this.#byKey.set(key, cells);
        this.all.push(cells);
      }
      cells.add(table, column, firstRow, rows);
    }
  }

  /** The column of this name that the given component wrote. */
  ofComponent(component: string, name: string): ScoringColumnCells | undefined {
    return this.#byKey.get(`${ScoringTable_Origin.COMPONENT} ${component}\0${name}`);
  }

  /** All columns of this name: those of components first, in the order of the graph. */
  named(name: string): readonly ScoringColumnCells[] {
    const found = this.all.filter((column) => column.name === name);
    return found.sort((left, right) => rank(left.origin) - rank(right.origin));
  }
}

function rank(origin: ScoringTable_Origin): number {
  return origin === ScoringTable_Origin.COMPONENT ? 0 : origin === ScoringTable_Origin.CONSTANT ? 1 : 2;
}
