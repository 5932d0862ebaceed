import { type Block, type ColumnWriter, type DataType, dataTypeInfo, type SlotSpec } from '@inferflow/matrix';
import { brokenContract } from './errors.js';
import { scalarWidth } from './reads.js';

/** A column that a component writes. */
export interface ColumnSpec {
  readonly name: string;
  readonly type: DataType;
  /** Bytes of every cell. @default the type's for scalars; `variable` for texts and vectors */
  readonly width?: number | 'variable';
}

/** One column. Made by {@link writeColumns}. */
export interface ColumnWrite {
  readonly kind: 'column';
  readonly columns: readonly [SlotSpec];
  readonly rows: WriteRows;
}

/** Several columns. Made by {@link writeColumns}. */
export interface ColumnsWrite {
  readonly kind: 'columns';
  readonly columns: readonly SlotSpec[];
  readonly rows: WriteRows;
}

/**
 * How many rows the component's block has. `rows`: one per row of its matrix, made before `execute`.
 * `own`: the component says so itself with `run.createBlock`, once.
 */
export type WriteRows = 'rows' | 'own';

/** One declared write. */
export type WriteSpec = ColumnWrite | ColumnsWrite;

/** What a component writes, by the names its code uses. All of it is one block. */
export type Writes = Readonly<Record<string, WriteSpec>>;

/** Several columns of the component's block. */
export interface ColumnsWriter {
  /** In declared order. */
  readonly columns: readonly ColumnWriter[];
  /** Slot in the block per declared column; fixed for a bound plan. */
  readonly slots: Int32Array;
  /** The component's block: rows, marks, heap. For bulk writers. */
  readonly block: Block;
}

/** What `run.writes` gives for a declaration. Bound to one run: not to be kept after it. */
export type BoundWrite<S extends WriteSpec> = S extends ColumnWrite ? ColumnWriter : S extends ColumnsWrite ? ColumnsWriter : never;

/** All writes of a component, bound. */
export type BoundWrites<W extends Writes> = { readonly [K in keyof W]: BoundWrite<W[K]> };

/** Writes one column, cell by cell or as a whole. */
export function writeColumns(column: ColumnSpec, options?: { readonly rows?: WriteRows }): ColumnWrite;
/** Writes several columns. */
export function writeColumns(columns: readonly ColumnSpec[], options?: { readonly rows?: WriteRows }): ColumnsWrite;
export function writeColumns(columns: ColumnSpec | readonly ColumnSpec[], options: { readonly rows?: WriteRows } = {}): WriteSpec {
  const rows = options.rows ?? 'rows';
  if (rows !== 'rows' && rows !== 'own') throw brokenContract('`rows` of what is written must be "rows" or "own"');
  if (isList(columns)) return Object.freeze({ kind: 'columns', columns: Object.freeze(columns.map(slotOf)), rows });
  return Object.freeze({ kind: 'column', columns: Object.freeze([slotOf(columns)] as const), rows });
}

/** Whether this was made by {@link writeColumns}, in this copy of the package or another. */
export function isWriteSpec(value: unknown): value is WriteSpec {
  return typeof value === 'object' && value !== null && 'rows' in value && 'columns' in value && Array.isArray(value.columns);
}

function isList(columns: ColumnSpec | readonly ColumnSpec[]): columns is readonly ColumnSpec[] {
  return Array.isArray(columns);
}

function slotOf(column: ColumnSpec): SlotSpec {
  if (typeof column?.name !== 'string' || column.name === '') throw brokenContract('a column that is written needs a name');
  if (dataTypeInfo(column.type).dataType !== column.type) {
    throw brokenContract(`column "${column.name}" is written as a type that there is not: take one of \`DataType\`, such as DataType.FP32`);
  }
  const width = column.width === 'variable' ? undefined : (column.width ?? scalarWidth(column.type));
  return Object.freeze(width === undefined ? { name: column.name, type: column.type } : { name: column.name, type: column.type, width });
}
