import { type Block, CellStatus } from '@inferflow/matrix';
import { putVarint, varintSize } from '@inferflow/proto/hot';
import type { CellProgram } from './cell-program.js';
import type { GrowingBytes } from './growing-bytes.js';
import type { LogRows } from './log-rows.js';
import { RowPlan, type RowStep, StepKind } from './row-plan.js';

const plans = new WeakMap<CellProgram, RowPlan>();
const longest = 0xffff;
const longestInWords = 512;

/** Memory with both of its views. */
interface Bytes {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Writes rows of a request in the proto layout, each as one `features` field (5) of an InferflowLog. */
export class ProtoRows {
  #program: CellProgram | null = null;
  #plan: RowPlan | null = null;
  #hasAll = true;

  /** Takes a request whose `rows` are open. */
  open(program: CellProgram, rows: LogRows): void {
    let plan = plans.get(program);
    if (plan === undefined || !plan.fits(rows.blocks)) {
      plan = new RowPlan(program, rows.blocks);
      plans.set(program, plan);
    }
    this.#program = program;
    this.#plan = plan;
  }

  close(): void {
    this.#program = null;
    this.#plan = null;
  }

  /** Bytes of every row as a field; −1 where rows differ in length. */
  get rowBytes(): number {
    const plan = this.#plan as RowPlan;
    return plan.isFixed ? headerSize(plan.fixedBytes + 1) + plan.fixedBytes + 1 : -1;
  }

  /** Writes a row of {@link rowBytes}; returns where the next one starts. */
  put(target: Bytes, start: number, rows: LogRows, row: number): number {
    const plan = this.#plan as RowPlan;
    const length = plan.fixedBytes + 1;
    const flag = putHeader(target.bytes, start, length);
    let at = flag + 1;
    this.#hasAll = true;
    for (const step of plan.steps) {
      const block = rows.blocks[step.block] ?? null;
      const blockRow = block === null ? -1 : block.blockRowOf(row);
      if (block === null || blockRow < 0) {
        target.bytes.fill(0, at, at + step.width);
        this.#hasAll = false;
      } else {
        putRun(target, at, block.memory, blockRow * block.shape.stride + step.offset, step.width);
        this.#look(block, blockRow, step);
      }
      at += step.width;
    }
    target.bytes[flag] = this.#hasAll ? 1 : 0;
    return at;
  }

  /** Appends one row. Returns whether every value was there. */
  append(target: GrowingBytes, rows: LogRows, row: number): boolean {
    const plan = this.#plan as RowPlan;
    // The header's size depends on the row's length, which is known afterwards: room is left for the usual case.
    const guess = headerSize(plan.fixedBytes + 1);
    const start = target.end;
    target.ensure(guess + plan.fixedBytes + 1);
    target.end = start + guess + 1;
    this.#hasAll = true;
    for (const step of plan.steps) this.#write(target, rows, row, step);
    target.bytes[start + guess] = this.#hasAll ? 1 : 0;
    const length = target.end - start - guess;
    const header = headerSize(length);
    if (header !== guess) {
      target.ensure(header - guess);
      target.bytes.copyWithin(start + header, start + guess, target.end);
      target.end += header - guess;
    }
    putHeader(target.bytes, start, length);
    return this.#hasAll;
  }

  #write(target: GrowingBytes, rows: LogRows, row: number, step: RowStep): void {
    if (step.kind === StepKind.run) {
      this.#run(target, rows.blocks[step.block] ?? null, row, step);
      return;
    }
    const isThere = rows.load(step.feature, row);
    if (isThere && rows.isDefaulted) this.#hasAll = false;
    if (step.kind === StepKind.scalar) {
      if (isThere) target.append(rows.bytes, rows.start, step.width);
      else {
        target.appendZeros(step.width);
        this.#hasAll = false;
      }
      return;
    }
    if (isThere && rows.length <= longest) {
      target.ensure(rows.length + 2);
      target.view.setUint16(target.end, rows.length, true);
      target.end += 2;
      target.append(rows.bytes, rows.start, rows.length);
      return;
    }
    if (isThere) rows.unfit++;
    this.#absent(target, step.feature);
  }

  #absent(target: GrowingBytes, feature: number): void {
    const program = this.#program as CellProgram;
    this.#hasAll = false;
    target.ensure(5);
    if (program.isCompat && program.features[feature]?.type.isText === true) {
      // The text 0.0, as the original.
      target.bytes.set([3, 0, 0x30, 0x2e, 0x30], target.end);
      target.end += 5;
    } else target.appendZeros(2);
  }

  #run(target: GrowingBytes, block: Block | null, row: number, step: RowStep): void {
    const blockRow = block === null ? -1 : block.blockRowOf(row);
    if (block === null || blockRow < 0) {
      target.appendZeros(step.width);
      this.#hasAll = false;
      return;
    }
    const { bytes } = block.memory;
    // A cell without a value is zeros: what a missing scalar is logged as.
    target.append(bytes, blockRow * block.shape.stride + step.offset, step.width);
    this.#look(block, blockRow, step);
  }

  /** Whether every cell of a run was there. */
  #look(block: Block, blockRow: number, step: RowStep): void {
    const { bytes } = block.memory;
    if (!this.#hasAll || (block.withoutValue === 0 && block.counts[CellStatus.defaulted] === 0)) return;
    const from = block.statusAt + blockRow * block.shape.slots.length + step.slot;
    for (let at = from; at < from + step.slots; at++) {
      if ((bytes[at] as number) >= CellStatus.defaulted) {
        this.#hasAll = false;
        return;
      }
    }
  }
}

// Field 5 of InferflowLog holding field 1 of PerEntityFeatures.
function headerSize(length: number): number {
  const inner = 1 + varintSize(length) + length;
  return 1 + varintSize(inner) + 1 + varintSize(length);
}

function putHeader(bytes: Uint8Array, start: number, length: number): number {
  bytes[start] = 0x2a;
  const at = putVarint(bytes, start + 1, 1 + varintSize(length) + length);
  bytes[at] = 0x0a;
  return putVarint(bytes, at + 1, length);
}

/** Word by word: for the length of a row that takes less time than `set`, which wants a view of the source. */
function putRun(target: Bytes, start: number, source: Bytes, from: number, length: number): void {
  if (length > longestInWords) return target.bytes.set(source.bytes.subarray(from, from + length), start);
  const last = start + length;
  let at = start;
  for (let read = from; at <= last - 4; at += 4, read += 4) target.view.setInt32(at, source.view.getInt32(read, true), true);
  for (; at < last; at++) target.bytes[at] = source.bytes[from + at - start] as number;
}

/** Appends a blob for all rows of a message as its one `features` field. */
export function appendBlob(target: GrowingBytes, blob: Uint8Array): void {
  const header = headerSize(blob.length);
  target.ensure(header + blob.length);
  putHeader(target.bytes, target.end, blob.length);
  target.end += header;
  target.append(blob, 0, blob.length);
}
