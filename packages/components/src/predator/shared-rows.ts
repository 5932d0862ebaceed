import { MODEL_INFER_PATH } from '@inferflow/proto/hot';
import { type CallFailure, createFailure, type DeadlineEntry, deadlines, GrpcCode, warnOfThrow } from '@inferflow/transport';
import type { Chunk } from '../chunks.js';
import type { TensorInput } from '../tensor-input.js';
import type { SharedInferCall } from './shared-infer-call.js';

/** For the process warning when it does. */
export const whatThrew: string = `a request that was told of a call to ${MODEL_INFER_PATH}`;

/** A run that shares calls. Of all rows it gave it is told exactly once, unless it left. */
export interface SharedRowsOwner {
  /** Another number for each of its requests: of rows of an earlier one it is not told. */
  readonly sharedTurn: number;
  /** Nobody else is in the call: make it yourself. */
  sharedAlone(rows: SharedRows): void;
  /** Rows are told of in one part more. */
  sharedSplit(): void;
  /** The answer of a call, in which the first of these rows is row `firstRow`. */
  sharedAnswer(rows: SharedRows, message: Uint8Array, firstRow: number, durationMs: number): void;
  /** `mayRetry`: others were in the call too, so it may succeed without them. */
  sharedFailure(rows: SharedRows, failure: CallFailure, mayRetry: boolean, durationMs: number): void;
}

/** Who holds rows until they are told of. */
export interface SharedRowsHolder {
  /** The deadline of rows passed before that of others in their call. */
  expired(rows: SharedRows): void;
}

/** Rows of one run that wait for a call together with those of others, at most until their own deadline. */
export class SharedRows implements DeadlineEntry {
  deadlinePlace = -1;
  readonly owner: SharedRowsOwner;
  readonly chunk: Chunk;
  readonly deadline: number;
  readonly tensors: readonly TensorInput[];
  /** null while they wait for one. */
  call: SharedInferCall | null = null;
  readonly #turn: number;
  readonly #holder: SharedRowsHolder;
  #isExcused = false;

  constructor(owner: SharedRowsOwner, chunk: Chunk, deadline: number, tensors: readonly TensorInput[], holder: SharedRowsHolder) {
    this.owner = owner;
    this.chunk = chunk;
    this.deadline = deadline;
    this.tensors = tensors;
    this.#turn = owner.sharedTurn;
    this.#holder = holder;
  }

  /** False once their run has left. */
  get isAwaited(): boolean {
    return this.owner.sharedTurn === this.#turn;
  }

  /** The first `count` rows, and the rest. */
  split(count: number): [SharedRows, SharedRows] {
    const { from, to, firstRow, lastRow, modelRows } = this.chunk;
    const head: Chunk = { from, to: from + count, firstRow, lastRow: firstRow + count, modelRows: count };
    const tail: Chunk = { from: from + count, to, firstRow: firstRow + count, lastRow, modelRows: modelRows - count };
    this.owner.sharedSplit();
    return [head, tail].map((chunk) => new SharedRows(this.owner, chunk, this.deadline, this.tensors, this.#holder)) as [
      SharedRows,
      SharedRows,
    ];
  }

  /** The call that they are in may last longer than they may wait. */
  keepOwnDeadline(): void {
    deadlines.add(this, this.deadline);
  }

  /** They are told of, or their run has left. */
  close(): void {
    deadlines.remove(this);
  }

  /** When they must be told of, as things stand: while their call stands in line for its service, their time does not run. */
  deadlineAt(now: number): number {
    return this.deadline + (this.call?.inLineMs(0, now) ?? 0);
  }

  deadlinePassed(): void {
    const now = performance.now();
    const until = this.deadlineAt(now);
    if (until > now) {
      deadlines.add(this, until);
      return;
    }
    // The server is not charged for time that this process was at work.
    const ownMs = this.#isExcused ? 0 : (this.call?.ownMs() ?? 0);
    this.#isExcused = true;
    if (ownMs > 0) deadlines.add(this, now + ownMs);
    else this.#holder.expired(this);
  }
}

/** Tells who gave the rows. What that throws becomes a process warning: others wait to be told, and nobody above could take it. */
export function tellFailure(rows: SharedRows, failure: CallFailure, mayRetry: boolean, durationMs: number): void {
  if (!rows.isAwaited) return;
  try {
    rows.owner.sharedFailure(rows, failure, mayRetry, durationMs);
  } catch (error) {
    warnOfThrow(whatThrew, error);
  }
}

/** Why rows are told of that waited too long. */
export function sharedDeadlinePassed(): CallFailure {
  return createFailure('deadline', GrpcCode.DEADLINE_EXCEEDED, 'the deadline of the call passed before an answer came');
}
