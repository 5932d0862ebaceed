import { CellStatus } from '@inferflow/matrix';
import { InferAnswer, readUtf8 } from '@inferflow/proto/hot';
import type { Chunk } from '../chunks.js';
import { createFailure, type Failure } from '../failure.js';
import type { OutputReader } from './output-reader.js';
import type { ModelRoute, ModelRun, PredatorPlan } from './predator-run.js';

// Answers are read synchronously: one decoder serves all.
const answer = new InferAnswer();
const longestVersion = 64;

/** Puts what a model answered into the rows of one run, and marks what it did not answer. */
export class ScorePlacer {
  readonly #plan: PredatorPlan;
  readonly #reader: OutputReader;
  /** Slots and widths of each output's scores. */
  #slots: number[][] = [];
  #widths: number[][] = [];
  #slotsFor: Int32Array | null = null;
  #run: ModelRun | null = null;
  #service = '';
  #modelName = '';

  constructor(plan: PredatorPlan) {
    this.#plan = plan;
    this.#reader = plan.createReader();
  }

  /** Starts with a run. Nobody is asked about a slate without targets: its cells are skipped. */
  bind(run: ModelRun, { backend, modelName }: Pick<ModelRoute, 'backend' | 'modelName'>): void {
    this.#run = run;
    this.#service = backend.description;
    this.#modelName = modelName;
    const { slots, block } = run.writes.scores;
    if (this.#slotsFor !== slots) {
      this.#slotsFor = slots;
      let score = 0;
      this.#slots = this.#plan.scoresOf.map((count) => {
        score += count;
        return [...slots.subarray(score - count, score)];
      });
      this.#widths = this.#slots.map((own) => own.map((slot) => block.shape.widths[slot] as number));
    }
    const offsets = run.slate?.offsets;
    if (offsets === undefined) return;
    for (let slate = 0; slate + 1 < offsets.length; slate++) {
      if (offsets[slate] === offsets[slate + 1]) block.markRows(slate, slate + 1, CellStatus.skipped);
    }
  }

  unbind(): void {
    this.#run = null;
    this.#reader.close();
  }

  /**
   * Places a chunk's rows, which begin at row `firstModelRow` of the answer. Returns null when at least one output could be used, else why
   * none could.
   */
  place(chunk: Chunk, message: Uint8Array, firstModelRow: number): Failure | null {
    if (!answer.read(message, 0, message.length))
      return this.failChunk(chunk, this.#failure('malformed', 'the answer could not be decoded'));
    const versionEnd = Math.min(answer.modelVersionEnd, answer.modelVersionStart + longestVersion);
    this.#run?.calls.noteModel(this.#modelName, readUtf8(message, answer.modelVersionStart, versionEnd));
    let placed = 0;
    let failure: Failure | null = null;
    for (let output = 0; output < this.#reader.outputs.length; output++) {
      this.#reader.problem = '';
      if (this.#reader.open(output, message, answer) && this.#reader.rows > 0) {
        placed++;
        this.#placeOutput(chunk, output, firstModelRow);
      } else {
        failure = this.#failure('shape', this.#reader.problem === '' ? 'the answer has no rows' : this.#reader.problem);
        this.#failOutput(output, chunk.firstRow, chunk.lastRow, failure);
      }
    }
    return placed > 0 ? null : failure;
  }

  /** Marks a chunk that has no answer; returns its failure. */
  failChunk(chunk: Chunk, failure: Failure): Failure {
    for (let output = 0; output < this.#slots.length; output++) this.#failCells(output, chunk.firstRow, chunk.lastRow);
    this.#failRows(chunk.firstRow, chunk.lastRow, failure);
    return failure;
  }

  /** Puts an output's rows where they belong and fails those that are not there. */
  #placeOutput(chunk: Chunk, output: number, firstModelRow: number): void {
    const { mode, broadcasts } = this.#plan;
    const { rows } = this.#reader;
    if (mode === 'per_slate') {
      this.#copy(output, 0, 1, chunk.firstRow);
      return;
    }
    if (broadcasts && rows === 1 && firstModelRow === 0 && chunk.modelRows > 1) {
      for (let row = chunk.firstRow; row < chunk.lastRow; row++) this.#copy(output, 0, 1, row);
      return;
    }
    const wanted = chunk.lastRow - chunk.firstRow;
    const given = Math.max(0, Math.min(rows - firstModelRow, wanted));
    this.#copy(output, firstModelRow, given, chunk.firstRow);
    if (given === wanted) return;
    const failure = this.#failure('shape', `the answer has ${rows} rows, fewer than were asked for`);
    this.#failOutput(output, chunk.firstRow + given, chunk.lastRow, failure);
  }

  #copy(output: number, fromRow: number, count: number, toRow: number): void {
    const { block } = (this.#run as ModelRun).writes.scores;
    this.#reader.place(block, this.#slots[output] as number[], this.#widths[output] as number[], fromRow, count, toRow);
    if (this.#reader.holdsNaN(fromRow, count)) this.#failNaN(output, fromRow, count, toRow);
  }

  /** NaN is no score: nothing can be ranked by it. */
  #failNaN(output: number, fromRow: number, count: number, toRow: number): void {
    const { block } = (this.#run as ModelRun).writes.scores;
    const failure = this.#failure('malformed', `output "${this.#reader.outputs[output]?.name ?? ''}" holds NaN`);
    for (let row = 0; row < count; row++) {
      if (this.#reader.failNaN(block, this.#slots[output] as number[], fromRow + row, toRow + row)) {
        this.#failRows(toRow + row, toRow + row + 1, failure);
      }
    }
  }

  #failOutput(output: number, from: number, to: number, failure: Failure): void {
    this.#failCells(output, from, to);
    this.#failRows(from, to, failure);
  }

  #failCells(output: number, from: number, to: number): void {
    const { block } = (this.#run as ModelRun).writes.scores;
    for (let row = from; row < to; row++) for (const slot of this.#slots[output] as number[]) block.markCell(row, slot, CellStatus.failed);
  }

  /** Block rows → positions of the row set: themselves, or the targets of slates. */
  #failRows(from: number, to: number, failure: Failure): void {
    const run = this.#run as ModelRun;
    const offsets = run.slate?.offsets;
    if (offsets === undefined) run.failRows(from, to, failure);
    else run.failRows(offsets[from] as number, offsets[to] as number, failure);
  }

  #failure(reason: Failure['reason'], message: string): Failure {
    return createFailure(reason, `${this.#service}: ${message}`, this.#plan.deps.componentName);
  }
}
