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

  /** False, and the cell failed, for NaN: nothing can be ranked by it. */
  put(row: number, value: number): boolean {
    if (Number.isNaN(value)) {
      this.fail(row);
      return false;
    }
    if (!this.#isRaw) {
      this.#writer?.setNumber(row, value);
      return true;
    }
    view.setFloat32(0, value, true);
    this.#block?.setBytes(row, this.#slot, bytes, 0, computeValueBytes, CellStatus.fresh);
    return true;
  }

  /** Puts an answered value: FP32 bytes, as was asked for, or a number as text. False, and the cell failed, when it is neither. */
  putAnswered(row: number, source: Uint8Array, start: number, end: number, isText: boolean): boolean {
    const value = start < 0 ? undefined : isText ? numberOf(source, start, end) : floatOf(source, start, end);
    if (value === undefined) {
      this.fail(row);
      return false;
    }
    return this.put(row, value);
  }

  fail(row: number): void {
    this.#block?.markCell(row, this.#slot, CellStatus.failed);
  }

  skip(row: number): void {
    this.#block?.markCell(row, this.#slot, CellStatus.skipped);
  }
}

function floatOf(source: Uint8Array, start: number, end: number): number | undefined {
  if (end - start !== computeValueBytes) return undefined;
  for (let index = 0; index < computeValueBytes; index++) bytes[index] = source[start + index] as number;
  return view.getFloat32(0, true);
}

function numberOf(source: Uint8Array, start: number, end: number): number | undefined {
  const text = new TextDecoder().decode(source.subarray(start, end)).trim();
  const value = text === '' ? Number.NaN : Number(text);
  return Number.isNaN(value) ? undefined : value;
}
