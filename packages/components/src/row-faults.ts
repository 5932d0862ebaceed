import type { Failure } from './failure.js';

/** Rows of one component's run that have no real result, by position in its row set. */
export interface RowFaults {
  /** Ranges of failed rows. They may overlap when a row failed for two reasons. */
  readonly count: number;
  from(index: number): number;
  /** Half-open. */
  to(index: number): number;
  failure(index: number): Failure;
  /** A `DefaultedRow` per position: why its model input holds defaults; null when none does. Longer than the row set. */
  readonly defaulted: Uint8Array | null;
  /** Model inputs filled by default. */
  readonly defaultedCells: number;
  clear(): void;
}

/** The list behind {@link RowFaults}: integers and shared failures, nothing per row. */
export class RowFaultList implements RowFaults {
  count = 0;
  defaultedCells = 0;
  #ranges = new Int32Array(16);
  readonly #failures: Failure[] = [];
  #marks = new Uint8Array(0);
  #hasMarks = false;

  from(index: number): number {
    return this.#ranges[index * 2] as number;
  }

  to(index: number): number {
    return this.#ranges[index * 2 + 1] as number;
  }

  failure(index: number): Failure {
    return this.#failures[index] as Failure;
  }

  get defaulted(): Uint8Array | null {
    return this.#hasMarks ? this.#marks : null;
  }

  /** Adds a range; one that continues the last range for the same failure extends it. */
  add(from: number, to: number, failure: Failure): void {
    if (to <= from) return;
    const last = this.count - 1;
    if (last >= 0 && this.#failures[last] === failure && this.#ranges[last * 2 + 1] === from) {
      this.#ranges[last * 2 + 1] = to;
      return;
    }
    if (this.#ranges.length < (this.count + 1) * 2) {
      const grown = new Int32Array(this.#ranges.length * 2);
      grown.set(this.#ranges);
      this.#ranges = grown;
    }
    this.#ranges[this.count * 2] = from;
    this.#ranges[this.count * 2 + 1] = to;
    this.#failures[this.count] = failure;
    this.count++;
  }

  /** Adds the rows marked in `rows` (one `DefaultedRow` per position) as having inputs filled by default. */
  addDefaulted(rows: Uint8Array, rowCount: number, cells: number): void {
    if (cells === 0) return;
    this.defaultedCells += cells;
    if (!this.#hasMarks) {
      if (this.#marks.length < rowCount) this.#marks = new Uint8Array(rowCount + 64);
      else this.#marks.fill(0);
      this.#hasMarks = true;
    }
    const marks = this.#marks;
    for (let position = 0; position < rowCount; position++) {
      const mark = rows[position] as number;
      if (mark > (marks[position] as number)) marks[position] = mark;
    }
  }

  clear(): void {
    this.count = 0;
    this.defaultedCells = 0;
    if (this.#failures.length > 0) this.#failures.length = 0;
    this.#hasMarks = false;
  }
}
