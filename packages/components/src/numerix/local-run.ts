import type { CompiledExpression } from '../backends.js';
import type { ComponentDeps } from '../define-component.js';
import { createFailure, type Failure } from '../failure.js';
import type { NumerixRun } from './numerix-component.js';
import { ScoreWriter } from './score-writer.js';

/** What is fixed about a component that computes in this process. */
export interface LocalPlan {
  readonly deps: ComponentDeps;
  readonly expression: CompiledExpression;
  readonly isWide: boolean;
  readonly valueCount: number;
}

type Floats = Float32Array<ArrayBuffer> | Float64Array<ArrayBuffer>;

/** Evaluates the expression of one compute component in this process; the private memory of a pooled run. */
export class LocalRun {
  readonly #plan: LocalPlan;
  readonly #scores: ScoreWriter;
  #table: Floats;
  #bytes: Uint8Array;
  #columns: Floats[] = [];
  #views: Floats[] = [];

  constructor(plan: LocalPlan) {
    this.#plan = plan;
    this.#scores = new ScoreWriter(plan.deps.compat);
    this.#table = this.#create(64 * Math.max(1, plan.valueCount));
    this.#bytes = new Uint8Array(this.#table.buffer);
    this.#columns = Array.from({ length: plan.valueCount }, () => this.#create(64));
  }

  /** Evaluates all rows at once, or slate by slate; whole-vector functions see exactly those rows. */
  execute(run: NumerixRun): void {
    const [slot] = run.writes.score.slots;
    this.#scores.bind(run.writes.score.columns[0] as (typeof run.writes.score.columns)[number], run.writes.score.block, slot as number);
    this.#read(run);
    if (run.slate === null) {
      if (run.rows.count === 0) return;
      const failure = this.#evaluate(run, 0, run.rows.count, 0, run.rows.count);
      if (failure !== null) run.failed(failure);
      return;
    }
    const { offsets } = run.slate;
    for (let slate = 0; slate + 1 < offsets.length; slate++) {
      const from = offsets[slate] as number;
      const to = offsets[slate + 1] as number;
      if (from === to) this.#scores.skip(slate);
      else this.#evaluate(run, from, to, slate, slate + 1);
    }
  }

  #evaluate(run: NumerixRun, from: number, to: number, firstRow: number, lastRow: number): Failure | null {
    const { expression, valueCount } = this.#plan;
    for (let value = 0; value < valueCount; value++) this.#views[value] = (this.#columns[value] as Floats).subarray(from, to);
    this.#views.length = valueCount;
    let results: Float32Array | Float64Array;
    try {
      results = expression.evaluate(this.#views, to - from);
    } catch (error) {
      // Numbers that do not work out (a division by zero) fail all rows that were computed together.
      const text = error instanceof Error ? error.message : 'the expression failed';
      for (let row = firstRow; row < lastRow; row++) this.#scores.fail(row);
      const failure = createFailure('rejected', text, this.#plan.deps.componentName);
      run.failRows(from, to, failure);
      return failure;
    }
    let failure: Failure | null = null;
    for (let row = firstRow; row < lastRow; row++) {
      if (this.#scores.put(row, results[row - firstRow] as number)) continue;
      failure ??= createFailure('rejected', 'the result of the expression is NaN', this.#plan.deps.componentName);
      if (run.slate === null) run.failRows(from + row - firstRow, from + row - firstRow + 1, failure);
      else run.failRows(from, to, failure);
    }
    return null;
  }

  #read(run: NumerixRun): void {
    const { valueCount } = this.#plan;
    const { count } = run.rows;
    if (this.#table.length < count * valueCount) {
      this.#table = this.#create(count * valueCount * 2);
      this.#bytes = new Uint8Array(this.#table.buffer);
    }
    if ((this.#columns[0]?.length ?? count) < count) this.#columns = this.#columns.map(() => this.#create(count * 2));
    run.reads.values.write(this.#bytes, 0, 0, count);
    for (let value = 0; value < valueCount; value++) {
      const column = this.#columns[value] as Floats;
      for (let row = 0; row < count; row++) column[row] = this.#table[row * valueCount + value] as number;
    }
  }

  #create(length: number): Floats {
    return this.#plan.isWide ? new Float64Array(length) : new Float32Array(length);
  }
}
