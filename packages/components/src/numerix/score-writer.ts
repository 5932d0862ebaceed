import { type Block, CellStatus, type ColumnWriter } from '@inferflow/matrix';
import { computeValueBytes } from './compute-call.js';

const bytes = new Uint8Array(computeValueBytes);
const view = new DataView(bytes.buffer);

/** Writes results into the score column, in the column's type; with `compat` the FP32 bytes themselves, whatever the type says. */
export class ScoreWriter {
  readonly #isRaw: boolean;
  #writer: ColumnWriter | null = null;
  #block: Block | null = null;
  #slot = 0;

  constructor(compat: boolean) {
    this.#isRaw = compat;
  }

  bind(writer: ColumnWriter, block: Block, slot: number): void {
    this.#writer = writer;
    this.#block = block;
    this.#slot = slot;
  }

  put(row: number, value: number): void {
    if (!this.#isRaw) {
      this.#writer?.setNumber(row, value);
      return;
    }
    view.setFloat32(0, value, true);
    this.#block?.setBytes(row, this.#slot, bytes, 0, computeValueBytes, CellStatus.fresh);
  }

  /** Puts an answered value: FP32 or FP64 bytes, or a number as text. False, and the cell failed, when it is neither. */
  putAnswered(row: number, source: Uint8Array, start: number, end: number, isText: boolean): boolean {
    const value = start < 0 ? undefined : isText ? numberOf(source, start, end) : floatOf(source, start, end);
    if (value === undefined) {
      this.fail(row);
      return false;
    }
    this.put(row, value);
    return true;
  }

  fail(row: number): void {
    this.#block?.markCell(row, this.#slot, CellStatus.failed);
  }

  skip(row: number): void {
    this.#block?.markCell(row, this.#slot, CellStatus.skipped);
  }
}

const wide = new Uint8Array(8);
const wideView = new DataView(wide.buffer);

function floatOf(source: Uint8Array, start: number, end: number): number | undefined {
  const length = end - start;
  if (length !== 4 && length !== 8) return undefined;
  for (let index = 0; index < length; index++) wide[index] = source[start + index] as number;
  return length === 4 ? wideView.getFloat32(0, true) : wideView.getFloat64(0, true);
}

function numberOf(source: Uint8Array, start: number, end: number): number | undefined {
  const text = new TextDecoder().decode(source.subarray(start, end)).trim();
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) && text.toLowerCase() !== 'nan' ? undefined : value;
}
