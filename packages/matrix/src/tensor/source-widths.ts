import type { Alternative, GatherPlan, PlannedSource } from './gather-plan.js';

/** Where the values are. */
export interface SourceCells {
  /** Elements of a source's value in a row; 0 without one. */
  elementsIn(source: number, row: number): number;
}

/*
 * How wide a source is in every row of a run. A scalar, a column of fixed width and a column that nobody writes say so themselves; only the cells
 * of a variable vector do, and a row may lack them, or have another length by mistake:
 *
 *   shape [7]     | scalar 1 | vector 4 | vector 2 |      what the shape leaves for the vectors: 6
 *
 *   one vector                  it has what is left, unless every value has another length: then the shape is wrong
 *   several                     as in the first row that has them all and fills the shape, else as in an earlier run, else as each has first
 *   one of them without value   it has what is left
 *   more                        what is left are zeros, however it is divided, as long as nothing behind has a value; else nobody can tell
 *
 * With an open dimension, and in compat, there is no sum to go by: as many as the first value has, else an equal share of the shape.
 */
export class SourceWidths {
  isUncertain = false;
  readonly #plan: GatherPlan;
  readonly #cells: SourceCells;
  #sources: readonly PlannedSource[] = [];
  #count = 0;
  #widths = new Int32Array(0);
  /** Sources of which only the cells know. */
  readonly #free: number[] = [];

  constructor(plan: GatherPlan, cells: SourceCells) {
    this.#plan = plan;
    this.#cells = cells;
  }

  of(source: number): number {
    return this.#widths[source] as number;
  }

  workOut(sources: readonly PlannedSource[], count: number): void {
    this.#sources = sources;
    this.#count = count;
    this.isUncertain = false;
    if (this.#widths.length < sources.length) this.#widths = new Int32Array(sources.length);
    if (this.#plan.isClosed) this.#divideShape();
    else this.#goByValues();
  }

  #divideShape(): void {
    this.#free.length = 0;
    let rest = this.#plan.shapeElements;
    for (let source = 0; source < this.#sources.length; source++) {
      const declared = this.#declaredOf(source);
      this.#widths[source] = declared;
      if (declared === 0) this.#free.push(source);
      rest -= declared;
    }
    const [only] = this.#free;
    if (only !== undefined && this.#free.length === 1 && rest > 0) this.#giveRest(only, rest);
    else if (this.#free.length > 0) this.#divide(rest);
  }

  /** Rows with another length are defaulted, but not all of them: then the shape is wrong. */
  #giveRest(source: number, rest: number): void {
    this.#widths[source] = rest;
    for (let row = 0; row < this.#count; row++) {
      const elements = this.#cells.elementsIn(source, row);
      if (elements === 0) continue;
      this.isUncertain = elements !== rest;
      if (!this.isUncertain) return;
    }
  }

  /** Of a closed shape: what is known without looking at a cell; 0 when it is not. */
  #declaredOf(source: number): number {
    const { first, otherwise } = this.#sources[source] as PlannedSource;
    if (this.#sources.length === 1) return this.#isScalar(first, otherwise) ? 1 : 0;
    if (first === null) return 1;
    const declared = declaredBy(first);
    return otherwise === null || declaredBy(otherwise) === declared ? declared : 0;
  }

  /** A scalar may be declared for a shape that it does not fill: then the model is to say so. Vectors fill theirs. */
  #isScalar(first: Alternative | null, otherwise: Alternative | null): boolean {
    return first !== null && !this.#isVector(first) && (otherwise === null || !this.#isVector(otherwise));
  }

  #isVector(alternative: Alternative): boolean {
    return alternative.isVector || this.#plan.parsesVectors(alternative);
  }

  /** Several vectors, or one beside other sources, whose elements are to be `rest` together. */
  #divide(rest: number): void {
    const free = this.#free;
    let unknown = 0;
    let seen = 0;
    for (const source of free) {
      const elements = this.#firstOf(source);
      this.#widths[source] = elements;
      seen += elements;
      if (elements === 0) unknown++;
    }
    if (unknown === 0 && (seen === rest || this.#fitRow(rest))) this.#plan.learnWidths(free, this.#widths);
    else if (!this.#plan.recallWidths(free, rest, this.#widths) && unknown > 0) this.#fill(rest - seen, unknown);
  }

  /** The widths of the first row in which all free sources together are what is wanted. */
  #fitRow(rest: number): boolean {
    for (let row = 0; row < this.#count; row++) {
      let sum = 0;
      for (const source of this.#free) {
        const elements = this.#cells.elementsIn(source, row);
        if (elements === 0) {
          sum = -1;
          break;
        }
        sum += elements;
      }
      if (sum !== rest) continue;
      for (const source of this.#free) this.#widths[source] = this.#cells.elementsIn(source, row);
      return true;
    }
    return false;
  }

  /** The first source without a value gets what is left; there must be nothing behind that it could shift. */
  #fill(left: number, unknown: number): void {
    const gap = this.#free.find((source) => this.#widths[source] === 0) as number;
    if (unknown > 1) this.isUncertain = this.#hasValueBehind(gap);
    this.#widths[gap] = Math.max(0, left);
  }

  #hasValueBehind(gap: number): boolean {
    for (let source = gap + 1; source < this.#sources.length; source++) {
      const hasValue = this.#free.includes(source) ? this.#widths[source] !== 0 : this.#firstOf(source) > 0;
      if (hasValue) return true;
    }
    return false;
  }

  /** No sum to go by. */
  #goByValues(): void {
    const { shapeElements } = this.#plan;
    let rest = shapeElements;
    let unknown = 0;
    for (let source = 0; source < this.#sources.length; source++) {
      const { first, otherwise } = this.#sources[source] as PlannedSource;
      let elements = this.#firstOf(source);
      if (elements === 0 && first !== null) elements = declaredBy(first);
      if (elements === 0 && otherwise !== null) elements = declaredBy(otherwise);
      if (elements === 0) unknown++;
      this.#widths[source] = elements;
      rest -= elements;
    }
    if (unknown === 0) return;
    const share = this.#sources.length === 1 ? shapeElements : rest / unknown;
    for (let source = 0; source < this.#sources.length; source++)
      if (this.#widths[source] === 0) this.#widths[source] = Number.isInteger(share) && share > 0 ? share : 1;
  }

  /** Elements of the first value of a source; 0 when no row has one. */
  #firstOf(source: number): number {
    for (let row = 0; row < this.#count; row++) {
      const elements = this.#cells.elementsIn(source, row);
      if (elements > 0) return elements;
    }
    return 0;
  }
}

function declaredBy(alternative: Alternative): number {
  if (alternative.elements > 0) return alternative.elements;
  return alternative.isVector ? 0 : 1;
}
