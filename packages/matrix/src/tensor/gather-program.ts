import type { Block } from '../block.js';
import { ByteBuffer } from '../byte-buffer.js';
import { CellStatus } from '../cell-status.js';
import { type ConvertJob, createConvertJob } from '../convert/convert-job.js';
import { copyRows } from '../convert/resolve-conversion.js';
import { MatrixError } from '../errors.js';
import type { Layout } from '../layout.js';
import type { Matrix } from '../matrix.js';
import type { RowSet } from '../row-set.js';
import { copyBytes, fillRange } from '../short-ranges.js';
import { DefaultedRow } from './defaulted-row.js';
import { describeVariant } from './describe-gather.js';
import { CellStager } from './gather-cells.js';
import { GatherPlan, type GatherSpec, type PlannedSource, type Step, type Variant } from './gather-plan.js';

/*
 * A tensor row out of rows of blocks:
 *
 *   tensor row    | 40 cells of block 1           | 2 cells, given as text | 30 cells of block 2            | …
 *   step            run: starts[1][row] + offset    stage: #staged           run: starts[2][row] + offset
 *
 *   run     adjacent cells of one block, copied or converted where they stand; starts[row] = block row × stride, and a row that the block
 *           does not have starts at its void row of zeros
 *   stage   worked out cell by cell in `prepare`: a column of #staged, all rows one after the other
 *
 * Where one run is a whole block row, and tensor row = block row, all rows are one copy. Texts, and rows of different lengths, are staged
 * whole: #rowOffsets says where each begins.
 */

/**
 * Compiles a model input. Programs for several runs at once are made with {@link GatherProgram.fork}.
 * @throws {MatrixError} INFERFLOW_MATRIX_TYPE_MISMATCH for a type that model servers do not have.
 */
export function compileGather(spec: GatherSpec): GatherProgram {
  return new GatherProgram(new GatherPlan(spec));
}

/**
 * Assembles a row-major tensor from columns. One program serves one run at a time: `prepare`, then `byteLength` and `write` for any
 * ranges, as often as wanted, until the next `prepare`. The blocks must not change in between.
 */
export class GatherProgram {
  /** Per RowSet position a {@link DefaultedRow}: 0 where every input is real. May be longer than the row set. */
  defaultedRows: Uint8Array = new Uint8Array(0);
  /** Typed values of the last `prepare` that have another type in the tensor. */
  conversions = 0;
  /** The rows of the last `prepare` do not fill the shape, or nobody can tell which values belong where: they must not be sent. */
  misfits = false;
  readonly #plan: GatherPlan;
  readonly #job: ConvertJob = createConvertJob();
  readonly #staged = new ByteBuffer();
  readonly #stager: CellStager;
  readonly #blocks: (Block | null)[] = [];
  readonly #shapes: (Block['shape'] | null)[] = [];
  readonly #starts: Int32Array[] = [];
  readonly #isIdentity: boolean[] = [];
  readonly #touchesVoid: boolean[] = [];
  #variant: Variant | null = null;
  #stagedAt: number[] = [];
  #stepElements: number[] = [];
  // Rows of different lengths (texts) are staged whole: offsets into the staged bytes, rows + 1 entries.
  #rowOffsets: Int32Array | null = null;
  #offsets = new Int32Array(0);
  #rowBytes = 0;
  #elements = 0;
  #target: Uint8Array = emptyBytes;
  /** A view of `#target`. */
  #targetView: DataView = emptyView;

  constructor(plan: GatherPlan) {
    this.#plan = plan;
    this.#stager = new CellStager(plan, this.#staged);
    for (let index = 0; index < plan.blocks.length; index++) this.#starts.push(new Int32Array(0));
  }

  /** Another program for the same input, with its own state. */
  fork(): GatherProgram {
    return new GatherProgram(this.#plan);
  }

  /**
   * How the rows are made, in words: `copy`, `gather 3 runs`, `convert 2 columns`, `text`, …: from blocks as they were declared, or as
   * other layouts of the same columns lay them out.
   */
  describe(layout?: Layout, slateLayout?: Layout | null): string {
    return describeVariant(this.#plan, this.#plan.declared(layout, slateLayout));
  }

  /** Looks at the blocks of this run; returns how many inputs (row × feature) are filled by default. */
  prepare(matrix: Matrix, slateMatrix: Matrix | null, rows: RowSet): number {
    this.#bind(matrix, slateMatrix, rows);
    if (this.defaultedRows.length < rows.count) this.defaultedRows = new Uint8Array(rows.count);
    fillRange(this.defaultedRows, 0, 0, rows.count);
    this.#staged.reset();
    this.#rowOffsets = null;
    this.conversions = 0;
    this.misfits = false;
    const variant = this.#variant as Variant;
    this.#stager.bind(variant, this.#blocks, this.#starts, rows.count, this.defaultedRows);
    if (this.#plan.isText || this.#stager.isRagged()) return this.#prepareRows(rows.count);
    let defaulted = 0;
    this.#elements = 0;
    for (let index = 0; index < variant.steps.length; index++) {
      const step = variant.steps[index] as Step;
      let here: number;
      if (step.kind === 'run') {
        here = this.#countDefaulted(step, rows.count);
        this.#stepElements[index] = step.elements;
      } else {
        this.#stagedAt[index] = this.#staged.end;
        this.#stepElements[index] = this.#stager.elementsOf(step.source);
        here = this.#stager.stageColumn(step.source, this.#stepElements[index] as number);
      }
      if ((variant.sources[step.source] as PlannedSource).isConverted) this.conversions += rows.count * step.sources - here;
      defaulted += here;
      this.#elements += this.#stepElements[index] as number;
    }
    this.#rowBytes = this.#elements * this.#plan.elementBytes;
    const { isClosed, shapeElements } = this.#plan;
    if (isClosed && variant.hasVectors && rows.count > 0) this.misfits = this.#stager.isUncertain || this.#elements !== shapeElements;
    return defaulted;
  }

  /** Elements of every row; −1 when rows differ. Texts count one per feature. */
  elementsPerRow(): number {
    return this.#elements;
  }

  /** Bytes that `write` writes for these rows. */
  byteLength(_matrix: Matrix, _slateMatrix: Matrix | null, _rows: RowSet, from: number, to: number): number {
    return this.#lengthOf(from, to);
  }

  /**
   * Writes rows from … to−1, one after another.
   * @throws {MatrixError} INFERFLOW_MATRIX_OUT_OF_RANGE when there are no such rows, or they do not fit the target.
   */
  write(_matrix: Matrix, _slateMatrix: Matrix | null, rows: RowSet, from: number, to: number, target: Uint8Array, at: number): void {
    if (to > rows.count || from < 0)
      throw new MatrixError('INFERFLOW_MATRIX_OUT_OF_RANGE', `rows ${from} to ${to} are outside a set of ${rows.count} rows`);
    if (to <= from) return;
    if (at < 0 || at + this.#lengthOf(from, to) > target.length)
      throw new MatrixError(
        'INFERFLOW_MATRIX_OUT_OF_RANGE',
        `rows ${from} to ${to} do not fit a target of ${target.length} bytes at ${at}`,
      );
    if (this.#rowOffsets !== null) {
      target.set(this.#staged.bytes.subarray(this.#rowOffsets[from], this.#rowOffsets[to]), at);
      return;
    }
    const steps = (this.#variant as Variant).steps;
    const only = steps[0];
    if (steps.length === 1 && only !== undefined && this.#isWholeCopy(only)) {
      const block = this.#blocks[only.block] as Block;
      copyBytes(block.memory.bytes, from * this.#rowBytes, to * this.#rowBytes, target, at);
      return;
    }
    this.#viewOf(target);
    let put = at;
    for (let index = 0; index < steps.length; index++) {
      const bytes = (this.#stepElements[index] as number) * this.#plan.elementBytes;
      this.#writeStep(steps[index] as Step, index, from, to, target, put, bytes);
      put += bytes;
    }
  }

  /** Lets go of the blocks and the target at the end of a run. */
  clear(): void {
    for (let index = 0; index < this.#blocks.length; index++) this.#blocks[index] = null;
    this.#stager.unbind();
    this.#job.source = this.#job.target = this.#target = emptyBytes;
    this.#job.sourceView = this.#job.targetView = this.#targetView = emptyView;
  }

  #lengthOf(from: number, to: number): number {
    if (this.#rowOffsets !== null) return (this.#rowOffsets[to] as number) - (this.#rowOffsets[from] as number);
    return (to - from) * this.#rowBytes;
  }

  #prepareRows(count: number): number {
    if (this.#offsets.length < count + 1) this.#offsets = new Int32Array(count + 1);
    this.#rowOffsets = this.#offsets;
    const defaulted = this.#stager.stageRows(this.#offsets);
    for (const { isConverted } of (this.#variant as Variant).sources) if (isConverted) this.conversions += count;
    this.#elements = this.#plan.isText ? this.#plan.spec.sources.length : sameLength(this.#offsets, count, this.#plan.elementBytes);
    return defaulted;
  }

  #bind(matrix: Matrix, slateMatrix: Matrix | null, rows: RowSet): void {
    const entries = this.#plan.blocks;
    let same = this.#variant !== null;
    for (let index = 0; index < entries.length; index++) {
      const entry = entries[index] as (typeof entries)[number];
      const block = (entry.isSlate ? slateMatrix : matrix)?.blocks[entry.block] ?? null;
      this.#blocks[index] = block;
      this.#shapes[index] = block?.shape ?? null;
      if (same && this.#variant?.shapes[index] !== this.#shapes[index]) same = false;
      if (block !== null) this.#locateRows(index, block, entry.isSlate ? rows.slateOf : rows.rows, rows.count, entry.isSlate);
    }
    if (!same) this.#variant = this.#plan.variant(this.#shapes);
  }

  /** Start of the block row of each position; rows that the block does not have point at its void row of zeros. */
  #locateRows(index: number, block: Block, rows: Int32Array | null, count: number, isSlate: boolean): void {
    let starts = this.#starts[index] as Int32Array;
    if (starts.length < count) {
      starts = new Int32Array(count);
      this.#starts[index] = starts;
    }
    const stride = block.shape.stride;
    let isIdentity = true;
    let touchesVoid = false;
    for (let position = 0; position < count; position++) {
      const matrixRow = rows !== null ? (rows[position] as number) : isSlate ? -1 : position;
      let blockRow = block.blockRowOf(matrixRow);
      if (blockRow !== position) {
        isIdentity = false;
        if (blockRow < 0) {
          blockRow = block.rowCount;
          touchesVoid = true;
        }
      }
      starts[position] = blockRow * stride;
    }
    this.#isIdentity[index] = isIdentity;
    this.#touchesVoid[index] = touchesVoid;
  }

  #countDefaulted(step: Step, count: number): number {
    const block = this.#blocks[step.block] as Block;
    if (block.withoutValue === 0 && this.#touchesVoid[step.block] !== true) return 0;
    const starts = this.#starts[step.block] as Int32Array;
    const { bytes } = block.memory;
    const { stride } = block.shape;
    const slots = block.shape.slots.length;
    let defaulted = 0;
    for (let row = 0; row < count; row++) {
      const first = block.statusAt + ((starts[row] as number) / stride) * slots + step.firstSlot;
      for (let at = first; at < first + step.sources; at++) {
        const status = bytes[at] as number;
        if (status < CellStatus.missing) continue;
        defaulted++;
        const mark = status === CellStatus.missing || status === CellStatus.null ? DefaultedRow.absent : DefaultedRow.lost;
        if ((this.defaultedRows[row] as number) < mark) this.defaultedRows[row] = mark;
      }
    }
    return defaulted;
  }

  #isWholeCopy(step: Step): boolean {
    if (step.kind !== 'run' || !step.isCopy || this.#isIdentity[step.block] !== true) return false;
    return step.offset === 0 && step.sourceBytes === (this.#blocks[step.block] as Block).shape.stride;
  }

  #writeStep(step: Step, index: number, from: number, to: number, target: Uint8Array, at: number, bytes: number): void {
    const job = this.#job;
    job.target = target;
    job.targetView = this.#targetView;
    job.targetAt = at;
    job.targetStride = this.#rowBytes;
    job.from = from;
    job.to = to;
    if (step.kind === 'stage') {
      job.source = this.#staged.bytes;
      job.sourceView = this.#staged.view;
      job.sourceOffset = this.#stagedAt[index] as number;
      job.starts = this.#stager.rowStarts(bytes, to);
      copyRows(job, bytes);
      return;
    }
    const block = this.#blocks[step.block] as Block;
    job.source = block.memory.bytes;
    job.sourceView = block.memory.view;
    job.starts = this.#starts[step.block] as Int32Array;
    job.sourceOffset = step.offset;
    job.elements = step.elements;
    if (step.isCopy) copyRows(job, step.sourceBytes);
    else step.convert?.(job);
  }

  #viewOf(target: Uint8Array): void {
    if (target === this.#target) return;
    this.#targetView = new DataView(target.buffer, target.byteOffset, target.byteLength);
    this.#target = target;
  }
}

const emptyBytes = new Uint8Array(0);
const emptyView = new DataView(emptyBytes.buffer);

/** Elements per row when all rows are equally long, else −1. */
function sameLength(offsets: Int32Array, count: number, elementBytes: number): number {
  const first = count === 0 ? 0 : (offsets[1] as number) - (offsets[0] as number);
  for (let row = 1; row < count; row++) if ((offsets[row + 1] as number) - (offsets[row] as number) !== first) return -1;
  return first / elementBytes;
}
