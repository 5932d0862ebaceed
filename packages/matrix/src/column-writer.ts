import type { Block } from './block.js';
import { CellStatus } from './cell-status.js';
import { type EncodableValue, encodeScalar, encodeValue } from './convert/encode-value.js';
import { DataType, type DataTypeInfo, dataTypeInfo } from './data-type.js';

const scratch = new Uint8Array(8);
const scratchView = new DataView(scratch.buffer);
const encoder = new TextEncoder();

/** Hears why cells of a {@link ColumnWriter} failed. */
export interface CellFailures {
  /** `reason` '' = the value did not fit the column's type or width. */
  cellFailed(slot: number, row: number, reason: string): void;
}

/**
 * Writes one slot of a block cell by cell, in the slot's type. A value that the type cannot hold, or of the wrong width, leaves the
 * cell `failed`; the answer says whether it was written. Bulk writers use the block itself.
 */
export class ColumnWriter {
  #block: Block | null = null;
  #slot = 0;
  #info: DataTypeInfo = dataTypeInfo(DataType.Unknown);
  /** The status of values written from here on. @default fresh */
  writtenStatus: CellStatus = CellStatus.fresh;

  readonly #failures: CellFailures | null;

  constructor(block?: Block, slot?: number, failures: CellFailures | null = null) {
    this.#failures = failures;
    if (block !== undefined) this.bind(block, slot ?? 0);
  }

  /** Writes into another slot; one writer object serves many runs. */
  bind(block: Block, slot: number): this {
    this.#block = block;
    this.#slot = slot;
    this.#info = dataTypeInfo(block.shape.slots[slot]?.type ?? DataType.Unknown);
    this.writtenStatus = CellStatus.fresh;
    return this;
  }

  /** Lets go of the block at the end of a run. */
  unbind(): void {
    this.#block = null;
  }

  /** A number in the slot's type: integers saturate and truncate, text slots get its shortest digits. NaN is a value. */
  setNumber(row: number, value: number): boolean {
    if (this.#info.isText) return this.setText(row, String(value));
    if (this.#info.isVector) return this.setValue(row, [value]);
    return this.#putScalar(row, value);
  }

  /** An integer in the slot's type; it wraps like every integer conversion. */
  setBigint(row: number, value: bigint): boolean {
    if (this.#info.isText) return this.setText(row, value.toString());
    if (this.#info.isVector) return this.setValue(row, [value]);
    return this.#putScalar(row, value);
  }

  /** Text into a text slot; into another, the value that the text means there. */
  setText(row: number, value: string): boolean {
    if (this.#info.dataType === DataType.String || this.#info.dataType === DataType.Unknown)
      return this.setBytes(row, encoder.encode(value));
    return this.setValue(row, value);
  }

  /** The cell's bytes as they are. */
  setBytes(row: number, value: Uint8Array): boolean {
    return this.#put(row, value, value.byteLength);
  }

  /** Any value, vectors included. */
  setValue(row: number, value: EncodableValue): boolean {
    let bytes: Uint8Array;
    try {
      bytes = encodeValue(this.#info.dataType, value);
    } catch {
      return this.#unfit(row);
    }
    return this.setBytes(row, bytes);
  }

  /** No value, on purpose. */
  setNull(row: number): void {
    (this.#block as Block).markCell(row, this.#slot, CellStatus.null);
  }

  /** The value could not be had. `reason` is told to the caller: a sentence without values of the request. */
  fail(row: number, reason = 'the value could not be had'): void {
    (this.#block as Block).markCell(row, this.#slot, CellStatus.failed);
    this.#failures?.cellFailed(this.#slot, row, reason);
  }

  /** One number per row, from row 0. */
  setAll(values: ArrayLike<number>): void {
    for (let row = 0; row < values.length; row++) this.setNumber(row, values[row] as number);
  }

  #putScalar(row: number, value: number | bigint): boolean {
    if (!encodeScalar(this.#info.dataType, value, scratchView, 0)) return this.#unfit(row);
    return this.#put(row, scratch, this.#info.elementBytes);
  }

  #put(row: number, bytes: Uint8Array, length: number): boolean {
    if ((this.#block as Block).setBytes(row, this.#slot, bytes, 0, length, this.writtenStatus)) return true;
    this.#failures?.cellFailed(this.#slot, row, '');
    return false;
  }

  #unfit(row: number): false {
    (this.#block as Block).markCell(row, this.#slot, CellStatus.failed);
    this.#failures?.cellFailed(this.#slot, row, '');
    return false;
  }
}
