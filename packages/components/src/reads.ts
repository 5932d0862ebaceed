import type { ColumnReader, DataType } from '@inferflow/matrix';
import { dataTypeInfo } from '@inferflow/matrix';
import { brokenContract } from './errors.js';
import type { KeySet } from './key-set.js';
import type { TensorInput } from './tensor-input.js';

/** One column, cell by cell or as a whole. Made by {@link readColumn}. */
export interface ColumnRead {
  readonly kind: 'column';
  readonly columns: readonly [string];
}

/** Several columns. Made by {@link readColumns}. */
export interface ColumnsRead {
  readonly kind: 'columns';
  readonly columns: readonly string[];
}

/** Columns as one row-major tensor. Made by {@link readTensor}. */
export interface TensorRead {
  readonly kind: 'tensor';
  readonly columns: readonly string[];
  /** V2 name, such as `FP32`. */
  readonly type: string;
  /** Without the row dimension; −1 = worked out. */
  readonly shape: readonly number[];
}

/** Columns as keys. Made by {@link readKeys}. */
export interface KeysRead {
  readonly kind: 'keys';
  readonly columns: readonly string[];
}

/** One declared read. */
export type ReadSpec = ColumnRead | ColumnsRead | TensorRead | KeysRead;

/** What a component reads, by the names its code uses. */
export type Reads = Readonly<Record<string, ReadSpec>>;

/** What `run.reads` gives for a declaration. Bound to one run: not to be kept after it. */
export type BoundRead<S extends ReadSpec> = S extends ColumnRead
  ? ColumnReader
  : S extends ColumnsRead
    ? readonly ColumnReader[]
    : S extends TensorRead
      ? TensorInput
      : S extends KeysRead
        ? KeySet
        : never;

/** All reads of a component, bound. */
export type BoundReads<R extends Reads> = { readonly [K in keyof R]: BoundRead<R[K]> };

/** Reads one column: `number(row)`, `text(row)`, `status(row)`, `toFloat32Array()`, … A name that nobody writes reads as missing. */
export function readColumn(name: string): ColumnRead {
  checkNames([name], 'readColumn');
  return Object.freeze({ kind: 'column', columns: Object.freeze([name] as const) });
}

/** Reads several columns, as a list of readers in this order. */
export function readColumns(names: readonly string[]): ColumnsRead {
  checkNames(names, 'readColumns');
  return Object.freeze({ kind: 'columns', columns: Object.freeze([...names]) });
}

/** A tensor to read: columns in order, the V2 type to convert to, the shape of one row. */
export interface TensorReadOptions {
  readonly columns: readonly string[];
  readonly type: string;
  readonly shape: readonly number[];
}

/** Reads columns as one row-major tensor, converted, defaults filled in: the input of a model. */
export function readTensor(options: TensorReadOptions): TensorRead {
  checkNames(options.columns, 'readTensor');
  return Object.freeze({
    kind: 'tensor',
    columns: Object.freeze([...options.columns]),
    type: options.type,
    shape: Object.freeze([...options.shape]),
  });
}

/** Reads columns as the parts of a key: unique identities, and which rows have which. Rows with an empty part have none. */
export function readKeys(options: { readonly columns: readonly string[] }): KeysRead {
  checkNames(options.columns, 'readKeys');
  if (options.columns.length === 0) throw brokenContract('a key needs at least one column');
  return Object.freeze({ kind: 'keys', columns: Object.freeze([...options.columns]) });
}

/** Whether this was made by one of the functions above, in this copy of the package or another. */
export function isReadSpec(value: unknown): value is ReadSpec {
  return typeof value === 'object' && value !== null && 'kind' in value && 'columns' in value && Array.isArray(value.columns);
}

/** A name that is none would match no column of any request, or break all of them. */
function checkNames(names: unknown, where: string): void {
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return;
  throw brokenContract(`${where} was given something else than names of columns`);
}

/** Bytes of a scalar of this type; undefined for texts, vectors and raw bytes. */
export function scalarWidth(type: DataType): number | undefined {
  const info = dataTypeInfo(type);
  return info.isVector || info.isText || info.elementBytes === 0 ? undefined : info.elementBytes;
}
