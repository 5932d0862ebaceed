import { InferAnswer, MODEL_INFER_PATH } from '@inferflow/proto/hot';
import {
  type CallFailure,
  createFailure,
  type DeadlineEntry,
  deadlines,
  type Flushable,
  GrpcCode,
  turnEnd,
  warnOfThrow,
} from '@inferflow/transport';
import type { Chunk } from '../chunks.js';
import type { ComponentDeps } from '../define-component.js';
import type { TensorInput } from '../tensor-input.js';
import type { OutputReader } from './output-reader.js';
import type { ModelRoute } from './predator-run.js';
import { type SharedCallOwner, SharedInferCall, writeSharedBody } from './shared-infer-call.js';
import { SharedRows, type SharedRowsHolder, type SharedRowsOwner, tellFailure, whatThrew } from './shared-rows.js';

/** How rows are gathered. */
export interface ModelSourceOptions {
  /** Rows per call; 0 = no bound. */
  readonly batchSize: number;
  /** How long rows wait for others; 0 = until the turn of the event loop ends. */
  readonly waitMs: number;
  /** Reads answers of the model; the source's own. */
  readonly reader: OutputReader;
}

// Answers are read synchronously: one decoder serves all.
const answer = new InferAnswer();

/**
 * Rows of concurrent requests for one model, version and endpoint in common calls: what comes within a turn of the event loop, or within
 * the time configured, is sent together, cut at the batch size. A call carries the latest deadline of its members, each keeps its own;
 * it is cancelled when all have left; when it fails, or its answer has other rows than it asked for, each tries once alone. All calls of
 * a source have the same metadata: nothing of a request is sent along.
 */
export class ModelSource implements Flushable, DeadlineEntry, SharedRowsHolder, SharedCallOwner {
  isDirty = false;
  deadlinePlace = -1;
  readonly #deps: ComponentDeps;
  readonly #route: ModelRoute;
  readonly #batchSize: number;
  readonly #waitMs: number;
  readonly #reader: OutputReader;
  #waiting: SharedRows[] = [];
  #waitingRows = 0;
  readonly #calls = new Set<SharedInferCall>();
  /** Somebody left while {@link ModelSource.flush} was sending. */
  #hasLeavers = false;

  constructor(deps: ComponentDeps, route: ModelRoute, { batchSize, waitMs, reader }: ModelSourceOptions) {
    this.#deps = deps;
    this.#route = route;
    this.#batchSize = batchSize > 0 ? batchSize : Number.MAX_SAFE_INTEGER;
    this.#waitMs = waitMs;
    this.#reader = reader;
  }

  /** Adds rows to the next call. Its end is told later, never inside. */
  add(owner: SharedRowsOwner, chunk: Chunk, deadline: number, tensors: readonly TensorInput[]): void {
    this.#waiting.push(new SharedRows(owner, chunk, deadline, tensors, this));
    this.#waitingRows += chunk.modelRows;
    if (this.#waitMs === 0 || this.#waitingRows >= this.#batchSize) {
      turnEnd.markCalls(this);
      return;
    }
    const now = performance.now();
    const until = Math.min(now + this.#waitMs, (now + deadline) / 2);
    if (until < deadlines.dueAt(this)) deadlines.add(this, until);
  }

  /** A run's request is over. The last one to leave ends the call. */
  leave(owner: SharedRowsOwner): void {
    this.#hasLeavers = true;
    this.#waiting = this.#waiting.filter((rows) => {
      if (rows.owner !== owner) return true;
      rows.close();
      this.#waitingRows -= rows.chunk.modelRows;
      return false;
    });
    for (const call of this.#calls) if (call.leave(owner)) this.#cancel(call);
  }

  /** The time to wait is over. */
  deadlinePassed(): void {
    this.flush();
  }

  /** Sends what waits. */
  flush(): void {
    deadlines.remove(this);
    let queue = this.#waiting;
    let rowsLeft = this.#waitingRows;
    this.#waiting = [];
    this.#waitingRows = 0;
    this.#hasLeavers = false;
    while (queue.length > 0) {
      const group = this.#takeGroup(queue, rowsLeft);
      queue = group.rest;
      rowsLeft -= group.rowCount;
      this.#send(group.members, group.rowCount);
      if (!this.#hasLeavers) continue;
      // Who could not make a call of its own has left.
      this.#hasLeavers = false;
      queue = queue.filter((rows) => rows.isAwaited);
      rowsLeft = queue.reduce((count, { chunk }) => count + chunk.modelRows, 0);
    }
  }

  expired(rows: SharedRows): void {
    const { call } = rows;
    if (call?.expire(rows) === true) this.#cancel(call);
  }

  misfit(message: Uint8Array, rowCount: number): CallFailure | null {
    if (!answer.read(message, 0, message.length)) {
      return createFailure('malformed', GrpcCode.INTERNAL, 'the answer could not be decoded');
    }
    const fits = this.#reader.outputs.every((_, output) => this.#reader.open(output, message, answer) && this.#reader.rows === rowCount);
    this.#reader.close();
    return fits ? null : createFailure('shape', GrpcCode.INTERNAL, 'the answer of a call shared by requests does not have their rows');
  }

  ended(call: SharedInferCall, failure: CallFailure | null): void {
    this.#calls.delete(call);
    const { metrics } = this.#deps;
    metrics.externalLatency.observeMs(performance.now() - call.startedAt);
    metrics.callsByStatus[failure?.code ?? GrpcCode.OK]?.add(1);
  }

  /**
   * The members of the next call. Rows of one request are split between two calls only where that saves a call: who is in two waits for
   * both. Inputs with open dimensions may differ from request to request: such rows cannot stand in one tensor, so a call ends there.
   */
  #takeGroup(queue: readonly SharedRows[], rowsLeft: number): { members: SharedRows[]; rowCount: number; rest: SharedRows[] } {
    const members: SharedRows[] = [];
    let rowCount = 0;
    let dims: Float64Array | null = null;
    for (let index = 0; index < queue.length; index++) {
      const rows = queue[index] as SharedRows;
      const own = this.#route.template.dims(rows.chunk, rows.tensors);
      if (dims !== null && !this.#haveEqualRows(dims, own)) return { members, rowCount, rest: queue.slice(index) };
      dims ??= own;
      const free = this.#batchSize - rowCount;
      if (rows.chunk.modelRows <= free) {
        members.push(rows);
        rowCount += rows.chunk.modelRows;
        continue;
      }
      const later = rowsLeft - rowCount;
      if (free === 0 || Math.ceil((later - free) / this.#batchSize) === Math.ceil(later / this.#batchSize)) {
        return { members, rowCount, rest: queue.slice(index) };
      }
      const [head, tail] = rows.split(free);
      return { members: [...members, head], rowCount: this.#batchSize, rest: [tail, ...queue.slice(index + 1)] };
    }
    return { members, rowCount, rest: [] };
  }

  #haveEqualRows(left: Float64Array, right: Float64Array): boolean {
    const { dimsAt } = this.#route.template.template;
    for (let input = 0; input + 1 < dimsAt.length; input++) {
      const last = dimsAt[input + 1] as number;
      for (let at = (dimsAt[input] as number) + 1; at < last; at++) if (left[at] !== right[at]) return false;
    }
    return true;
  }

  #send(members: readonly SharedRows[], rowCount: number): void {
    const [first] = members as [SharedRows];
    // One request makes its call as if nothing was shared: without a copy of its rows.
    if (members.length === 1) {
      this.#sendAlone(first);
      return;
    }
    const { backend, template } = this.#route;
    const { dimsAt, inputCount } = template.template;
    const dims = template.dims(first.chunk, first.tensors);
    for (let input = 0; input < inputCount; input++) dims[dimsAt[input] as number] = rowCount;
    let body: Uint8Array;
    try {
      body = writeSharedBody(template.template, dims, members);
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'the rows could not be written';
      for (const rows of members) tellFailure(rows, createFailure('exception', GrpcCode.INTERNAL, reason), true, 0);
      return;
    }
    const call = new SharedInferCall(backend.head(MODEL_INFER_PATH), this.#deps.limits.maxAnswerBytes, this, members, body);
    this.#calls.add(call);
    this.#deps.metrics.externalCalls.add(1);
    this.#deps.metrics.externalRows.add(rowCount);
    backend.upstream.start(call);
  }

  /** What one throws must not keep the rows of others from being sent. */
  #sendAlone(rows: SharedRows): void {
    try {
      rows.owner.sharedAlone(rows);
    } catch (error) {
      warnOfThrow(whatThrew, error);
    }
  }

  #cancel(call: SharedInferCall): void {
    this.#calls.delete(call);
    this.#route.backend.upstream.cancel(call);
  }
}
