/**
 * Values of one feature, row after row, encoded as they go over the wire. Row 0 holds the default and answers for every key
 * that is not known; it also stands in every cell that no source filled.
 */
export interface FeatureColumn {
  readonly bytes: Uint8Array;
  /** Bytes of every value, 0 when they differ: then value r is `bytes[ends[r], ends[r + 1])`. */
  readonly width: number;
  readonly ends: Int32Array | null;
}

/** Position of the first byte of a value. */
export function cellStart(column: FeatureColumn, row: number): number {
  return column.ends === null ? row * column.width : column.ends[row]!;
}

/** Position behind the last byte of a value. */
export function cellEnd(column: FeatureColumn, row: number): number {
  return column.ends === null ? (row + 1) * column.width : column.ends[row + 1]!;
}

/** Fills a column while a store loads. */
export interface ColumnBuilder {
  /** Makes room for a row, which holds the default until it is set. */
  addRow(): void;
  set(row: number, value: Uint8Array): void;
  /** Packs the column; the builder must not be used afterwards. */
  build(): FeatureColumn;
}

/** A builder whose row 0, the default, is already there. `width` 0 = values of any length. */
export function createColumnBuilder(width: number, defaultBytes: Uint8Array): ColumnBuilder {
  const builder = width > 0 ? new FixedBuilder(width, defaultBytes) : new VariableBuilder(defaultBytes);
  builder.addRow();
  return builder;
}

class FixedBuilder implements ColumnBuilder {
  readonly #width: number;
  readonly #default: Uint8Array;
  #bytes = new Uint8Array(1024);
  #end = 0;

  constructor(width: number, defaultBytes: Uint8Array) {
    this.#width = width;
    this.#default = defaultBytes;
  }

  addRow(): void {
    if (this.#end + this.#width > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#end + this.#width, this.#bytes.length * 2));
      larger.set(this.#bytes);
      this.#bytes = larger;
    }
    this.#bytes.set(this.#default, this.#end);
    this.#end += this.#width;
  }

  set(row: number, value: Uint8Array): void {
    this.#bytes.set(value, row * this.#width);
  }

  build(): FeatureColumn {
    return Object.freeze({ bytes: this.#bytes.slice(0, this.#end), width: this.#width, ends: null });
  }
}

class VariableBuilder implements ColumnBuilder {
  readonly #default: Uint8Array;
  readonly #cells: Uint8Array[] = [];

  constructor(defaultBytes: Uint8Array) {
    this.#default = defaultBytes;
  }

  addRow(): void {
    this.#cells.push(this.#default);
  }

  set(row: number, value: Uint8Array): void {
    this.#cells[row] = value;
  }

  build(): FeatureColumn {
    const ends = new Int32Array(this.#cells.length + 1);
    for (const [row, cell] of this.#cells.entries()) ends[row + 1] = ends[row]! + cell.length;
    const bytes = new Uint8Array(ends[this.#cells.length]!);
    for (const [row, cell] of this.#cells.entries()) bytes.set(cell, ends[row]!);
    return Object.freeze({ bytes, width: 0, ends });
  }
}
