import { COMPUTE_PATH, ComputeAnswer, type ComputeRequestTemplate, readUtf8 } from '@inferflow/proto/hot';
import { type CallFailure, deliveredAt, GrpcCode } from '@inferflow/transport';
import type { ServiceBackend } from '../backends.js';
import { type Chunk, ChunkCutter, type ChunkMode } from '../chunks.js';
import type { ComponentDeps } from '../define-component.js';
import { createFailure, type Failure, failureOfCall, outOfTime } from '../failure.js';
import { callsAtOnce, OpenCalls } from '../open-calls.js';
import { AnsweredRows } from './answered-rows.js';
import { ComputeCall, type ComputeCallOwner, type ComputeRows } from './compute-call.js';
import type { NumerixRun } from './numerix-component.js';
import { ScoreWriter } from './score-writer.js';

/** What is fixed about a component that computes remotely. */
export interface RemotePlan {
  readonly deps: ComponentDeps;
  readonly backend: ServiceBackend;
  readonly template: ComputeRequestTemplate;
  readonly mode: ChunkMode;
  readonly batchSize: number;
  readonly deadlineMs: number;
  readonly valueCount: number;
}

// Answers are read synchronously: one decoder serves all.
const answer = new ComputeAnswer();
const answeredRows = new AnsweredRows();
const longestError = 200;
const maxRowFactor = 4;
const leastRowLimit = 1024;

/** The calls of one compute component of one request; the private state of a pooled run. */
export class RemoteRun implements ComputeCallOwner {
  readonly #plan: RemotePlan;
  readonly #chunks: ChunkCutter;
  readonly #scores: ScoreWriter;
  readonly #calls = new OpenCalls<ComputeCall>();
  #values = new Uint8Array(1024);
  #input: ComputeRows | null = null;
  #run: NumerixRun | null = null;
  #next: Chunk | null = null;
  #succeeded = 0;
  #chunkCount = 0;
  #firstFailure: Failure | null = null;

  constructor(plan: RemotePlan) {
    this.#plan = plan;
    this.#chunks = new ChunkCutter(plan.mode, plan.batchSize);
    this.#scores = new ScoreWriter(plan.deps.compat);
  }

  /** Starts the calls of a run whose values are prepared. Ends with `run.done()` or `run.failed()`. */
  start(run: NumerixRun): void {
    this.#run = run;
    this.#succeeded = 0;
    this.#chunkCount = 0;
    this.#firstFailure = null;
    const [slot] = run.writes.score.slots;
    this.#scores.bind(run.writes.score.columns[0] as (typeof run.writes.score.columns)[number], run.writes.score.block, slot as number);
    const size = run.reads.values.byteLength(0, run.rows.count);
    if (this.#values.length < size) this.#values = new Uint8Array(size * 2);
    run.reads.values.write(this.#values, 0, 0, run.rows.count);
    this.#input = {
      ids: run.reads.ids.parts[0] as ComputeRows['ids'],
      rows: run.rows.rows,
      values: this.#values,
      valueCount: this.#plan.valueCount,
    };
    this.#skipEmptySlates(run);
    this.#chunks.start(run.rows.count, run.slate);
    this.#next = this.#chunks.next();
    this.#pump();
  }

  /** The request is over: ends the calls. */
  leave(): void {
    this.#calls.cancelAll(this.#plan.backend.upstream);
    this.#close();
  }

  answered(call: ComputeCall, message: Uint8Array): void {
    this.#ended(call, GrpcCode.OK);
    const { chunk } = call;
    // More rows than were asked for are left out, but not without end.
    const maxRows = Math.max(leastRowLimit, chunk.modelRows * maxRowFactor);
    if (!answer.read(message, 0, message.length, maxRows))
      this.#failChunk(chunk, this.#failure('malformed', 'the answer could not be decoded'));
    else if (answer.errorStart >= 0) {
      const text = readUtf8(message, answer.errorStart, Math.min(answer.errorEnd, answer.errorStart + longestError));
      this.#failChunk(chunk, this.#failure('rejected', text === '' ? 'answered an error without text' : text));
    } else {
      try {
        this.#place(chunk, message);
      } catch (error) {
        // Nobody above could end this run.
        this.#failChunk(chunk, this.#failure('exception', error instanceof Error ? error.message : 'the answer could not be placed'));
      }
    }
    this.#goOn();
  }

  callFailed(call: ComputeCall, failure: CallFailure): void {
    this.#ended(call, failure.code);
    this.#run?.calls.noteReason(failure.reason);
    this.#failChunk(call.chunk, failureOfCall(failure, this.#plan.backend.description, this.#plan.deps.componentName));
    this.#goOn();
  }

  /** From within an answer, where nobody above could end the run. */
  #goOn(): void {
    try {
      this.#pump();
    } catch (error) {
      const run = this.#run;
      // It has ended: what went wrong is not its own.
      if (run === null) throw error;
      this.leave();
      run.failed(this.#failure('exception', error instanceof Error ? error.message : 'the next call could not be made'));
    }
  }

  #pump(): void {
    const { deps, backend } = this.#plan;
    while (this.#next !== null && this.#calls.count < callsAtOnce(backend.upstream, deps.limits.maxParallelCalls)) {
      const chunk = this.#next;
      this.#next = this.#chunks.next();
      this.#chunkCount++;
      this.#send(chunk);
    }
    if (this.#calls.count === 0 && this.#next === null) this.#finish();
  }

  #send(chunk: Chunk): void {
    const { deps, backend, template, deadlineMs } = this.#plan;
    const now = performance.now();
    const deadline = (this.#run as NumerixRun).callDeadline(deadlineMs, now);
    if (deadline <= now) {
      this.#failChunk(chunk, outOfTime(backend.description, deps.componentName));
      return;
    }
    const head = backend.head(COMPUTE_PATH);
    const call = new ComputeCall(head, deadline, deps.limits.maxAnswerBytes, this, chunk, template, this.#input as ComputeRows);
    this.#calls.add(call);
    deps.metrics.externalCalls.add(1);
    deps.metrics.externalRows.add(chunk.modelRows);
    backend.upstream.start(call);
  }

  #ended(call: ComputeCall, code: number): void {
    this.#calls.remove(call);
    const { metrics } = this.#plan.deps;
    const durationMs = deliveredAt() - call.startedAt;
    this.#run?.calls.note(this.#plan.backend.description, durationMs, code !== GrpcCode.OK);
    metrics.externalLatency.observeMs(durationMs);
    metrics.callsByStatus[code]?.add(1);
  }

  #place(chunk: Chunk, message: Uint8Array): void {
    const { deps, mode } = this.#plan;
    const rows = chunk.lastRow - chunk.firstRow;
    // A slate has the result of its first row; the original gives one answered row to all.
    const isBroadcast = deps.compat && mode === 'targets' && answer.rowCount === 1 && rows > 1 && this.#isOnlyChunk();
    const areRows = mode === 'targets' && !isBroadcast;
    if (areRows) answeredRows.match(answer, message, chunk, this.#input as ComputeRows);
    let bad: Failure | null = null;
    for (let row = 0; row < rows; row++) {
      const from = areRows ? answeredRows.answered(row) : isBroadcast || row < answer.rowCount ? 0 : -1;
      const blockRow = chunk.firstRow + row;
      if (from >= 0 && this.#scores.putAnswered(blockRow, message, answer.valueStart(from), answer.valueEnd(from), answer.isText(from)))
        continue;
      if (from < 0) this.#scores.fail(blockRow);
      bad ??= this.#failure(
        'shape',
        `the answer has ${answer.rowCount} rows, ${chunk.modelRows} were asked for, or a row without a number`,
      );
      this.#failRows(blockRow, blockRow + 1, bad);
    }
    if (answer.rowCount > 0) this.#succeeded++;
    else if (bad !== null) this.#firstFailure ??= bad;
  }

  #isOnlyChunk(): boolean {
    return this.#chunkCount === 1 && this.#next === null;
  }

  #failChunk(chunk: Chunk, failure: Failure): void {
    this.#plan.deps.metrics.failedChunks.add(1);
    for (let row = chunk.firstRow; row < chunk.lastRow; row++) this.#scores.fail(row);
    this.#failRows(chunk.firstRow, chunk.lastRow, failure);
    this.#firstFailure ??= failure;
  }

  #failRows(from: number, to: number, failure: Failure): void {
    const run = this.#run as NumerixRun;
    const offsets = run.slate?.offsets;
    if (this.#plan.mode === 'targets' || offsets === undefined) run.failRows(from, to, failure);
    else run.failRows(offsets[from] as number, offsets[to] as number, failure);
  }

  #skipEmptySlates(run: NumerixRun): void {
    const offsets = run.slate?.offsets;
    if (this.#plan.mode === 'targets' || offsets === undefined) return;
    for (let slate = 0; slate + 1 < offsets.length; slate++) if (offsets[slate] === offsets[slate + 1]) this.#scores.skip(slate);
  }

  #finish(): void {
    const run = this.#run as NumerixRun;
    const failure = this.#succeeded === 0 ? this.#firstFailure : null;
    this.#close();
    if (failure === null) run.done();
    else run.failed(failure);
  }

  #close(): void {
    this.#run = null;
    this.#input = null;
    this.#next = null;
  }

  #failure(reason: Failure['reason'], message: string): Failure {
    return createFailure(reason, `${this.#plan.backend.description}: ${message}`, this.#plan.deps.componentName);
  }
}
