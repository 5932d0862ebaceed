import { CellStatus } from '@inferflow/matrix';
import { InferAnswer, MODEL_INFER_PATH } from '@inferflow/proto/hot';
import type { CallFailure } from '@inferflow/transport';
import { GrpcCode } from '@inferflow/transport';
import type { ServiceBackend } from '../backends.js';
import { type Chunk, ChunkCutter, type ChunkMode } from '../chunks.js';
import type { ComponentRun } from '../component-run.js';
import type { ComponentDeps } from '../define-component.js';
import { createFailure, type Failure, failureOfCall, outOfTime } from '../failure.js';
import { OpenCalls } from '../open-calls.js';
import type { TensorRead } from '../reads.js';
import type { TensorInput } from '../tensor-input.js';
import type { ColumnsWrite } from '../writes.js';
import { InferCall, type InferCallOwner } from './infer-call.js';
import type { InferTemplate } from './infer-template.js';
import type { OutputReader } from './output-reader.js';

/** @internal What a model component sees of a request. */
export type ModelRun = ComponentRun<Readonly<Record<string, TensorRead>>, { readonly scores: ColumnsWrite }, PredatorRun>;

/** Where calls go. */
export interface ModelRoute {
  readonly backend: ServiceBackend;
  readonly template: InferTemplate;
}

/** What is fixed about a model component. */
export interface PredatorPlan {
  readonly deps: ComponentDeps;
  readonly mode: ChunkMode;
  readonly batchSize: number;
  /** undefined = the backend's. */
  readonly deadlineMs: number | undefined;
  /** One answered row stands for all rows of its chunk. */
  readonly broadcasts: boolean;
  readonly inputNames: readonly string[];
  /** Scores per output. */
  readonly scoresOf: readonly number[];
  readonly createReader: () => OutputReader;
}

// Answers are read synchronously: one decoder serves all.
const answer = new InferAnswer();

/** The calls of one model component of one request; the private state of a pooled run. */
export class PredatorRun implements InferCallOwner {
  readonly #plan: PredatorPlan;
  readonly #chunks: ChunkCutter;
  readonly #reader: OutputReader;
  readonly #calls = new OpenCalls<InferCall>();
  #tensors: readonly TensorInput[] = [];
  /** Slots and widths of each output's scores. */
  #slots: number[][] = [];
  #widths: number[][] = [];
  #slotsFor: Int32Array | null = null;
  #run: ModelRun | null = null;
  #route: ModelRoute | null = null;
  #startedAt = 0;
  #next: Chunk | null = null;
  #succeeded = 0;
  #firstFailure: Failure | null = null;

  constructor(plan: PredatorPlan) {
    this.#plan = plan;
    this.#chunks = new ChunkCutter(plan.mode, plan.batchSize);
    this.#reader = plan.createReader();
  }

  /** Starts the calls of a run. Ends with `run.done()` or `run.failed()`. */
  start(run: ModelRun, route: ModelRoute): void {
    this.#run = run;
    this.#route = route;
    this.#succeeded = 0;
    this.#firstFailure = null;
    this.#startedAt = performance.now();
    this.#bindSlots(run);
    const { metrics } = this.#plan.deps;
    let defaulted = 0;
    for (let input = 0; input < this.#tensors.length; input++) defaulted += (this.#tensors[input] as TensorInput).prepare();
    if (defaulted > 0) metrics.defaultedInputs.add(defaulted);
    metrics.assemblyLatency.observeMs(performance.now() - this.#startedAt);
    this.#skipEmptySlates(run);
    this.#chunks.start(run.rows.count, run.slate);
    this.#next = this.#chunks.next();
    this.#pump();
  }

  /** The request is over: ends the calls. */
  leave(): void {
    const upstream = this.#route?.backend.upstream;
    if (upstream !== undefined) this.#calls.cancelAll(upstream);
    this.#close();
  }

  answered(call: InferCall, message: Uint8Array): void {
    this.#ended(call, GrpcCode.OK);
    if (answer.read(message, 0, message.length)) this.#place(call.chunk, message);
    else this.#failChunk(call.chunk, this.#failure('malformed', 'the answer could not be decoded'));
    this.#pump();
  }

  callFailed(call: InferCall, failure: CallFailure): void {
    this.#ended(call, failure.code);
    this.#failChunk(call.chunk, failureOfCall(failure, this.#service, this.#plan.deps.componentName));
    this.#pump();
  }

  #pump(): void {
    const { deps } = this.#plan;
    while (this.#next !== null && this.#calls.count < Math.max(1, deps.limits.maxParallelCalls)) {
      const chunk = this.#next;
      this.#next = this.#chunks.next();
      this.#send(chunk);
    }
    if (this.#calls.count === 0 && this.#next === null) this.#finish();
  }

  #send(chunk: Chunk): void {
    const { deps, deadlineMs } = this.#plan;
    const run = this.#run as ModelRun;
    const { backend, template } = this.#route as ModelRoute;
    const deadline = run.callDeadline(deadlineMs ?? backend.deadlineMs);
    if (deadline <= performance.now()) {
      this.#failChunk(chunk, outOfTime(this.#service, deps.componentName));
      return;
    }
    const tensors = this.#tensors;
    const head = backend.head(MODEL_INFER_PATH);
    const call = new InferCall(
      head,
      deadline,
      deps.limits.maxAnswerBytes,
      this,
      chunk,
      template.template,
      tensors,
      template.dims(chunk, tensors),
    );
    this.#calls.add(call);
    deps.metrics.externalCalls.add(1);
    deps.metrics.externalRows.add(chunk.modelRows);
    backend.upstream.start(call);
  }

  #ended(call: InferCall, code: number): void {
    this.#calls.remove(call);
    const { metrics } = this.#plan.deps;
    metrics.externalLatency.observeMs(performance.now() - call.startedAt);
    metrics.callsByStatus[code]?.add(1);
  }

  #place(chunk: Chunk, message: Uint8Array): void {
    let placed = 0;
    let failure: Failure | null = null;
    for (let output = 0; output < this.#reader.outputs.length; output++) {
      if (this.#reader.open(output, message, answer) && this.#reader.rows > 0) {
        placed++;
        failure = this.#placeOutput(chunk, output) ?? failure;
      } else {
        failure = this.#failure(
          'shape',
          this.#reader.rows === 0 && this.#reader.problem === '' ? 'the answer has no rows' : this.#reader.problem,
        );
        this.#failCells(output, chunk.firstRow, chunk.lastRow);
        this.#failRows(chunk.firstRow, chunk.lastRow, failure);
      }
      this.#reader.problem = '';
    }
    if (placed > 0) this.#succeeded++;
    else if (failure !== null) this.#noteFailure(failure);
  }

  /** Puts an output's rows where they belong. Returns the failure when rows are missing. */
  #placeOutput(chunk: Chunk, output: number): Failure | null {
    const { mode, broadcasts } = this.#plan;
    const reader = this.#reader;
    const rows = chunk.lastRow - chunk.firstRow;
    if (mode === 'per_slate') {
      this.#copy(output, 0, 1, chunk.firstRow);
      return null;
    }
    if (broadcasts && reader.rows === 1 && chunk.modelRows > 1) {
      for (let row = chunk.firstRow; row < chunk.lastRow; row++) this.#copy(output, 0, 1, row);
      return null;
    }
    const given = Math.min(reader.rows, rows);
    this.#copy(output, 0, given, chunk.firstRow);
    if (given === rows) return null;
    const failure = this.#failure('shape', `the answer has ${reader.rows} rows, ${chunk.modelRows} were asked for`);
    this.#failCells(output, chunk.firstRow + given, chunk.lastRow);
    this.#failRows(chunk.firstRow + given, chunk.lastRow, failure);
    return failure;
  }

  #copy(output: number, fromRow: number, count: number, toRow: number): void {
    const run = this.#run as ModelRun;
    const { block } = run.writes.scores;
    const slots = this.#slots[output] as number[];
    this.#reader.place(block, slots, this.#widths[output] as number[], fromRow, count, toRow);
    if (this.#reader.holdsNaN(fromRow, count)) this.#failNaN(output, fromRow, count, toRow);
  }

  /** NaN is no score: nothing can be ranked by it. */
  #failNaN(output: number, fromRow: number, count: number, toRow: number): void {
    const run = this.#run as ModelRun;
    const name = this.#reader.outputs[output]?.name ?? '';
    const failure = this.#failure('malformed', `output "${name}" holds NaN`);
    for (let row = 0; row < count; row++) {
      if (this.#reader.failNaN(run.writes.scores.block, this.#slots[output] as number[], fromRow + row, toRow + row))
        this.#failRows(toRow + row, toRow + row + 1, failure);
    }
  }

  #failChunk(chunk: Chunk, failure: Failure): void {
    this.#plan.deps.metrics.failedChunks.add(1);
    for (let output = 0; output < this.#slots.length; output++) this.#failCells(output, chunk.firstRow, chunk.lastRow);
    this.#failRows(chunk.firstRow, chunk.lastRow, failure);
    this.#noteFailure(failure);
  }

  #noteFailure(failure: Failure): void {
    this.#firstFailure ??= failure;
  }

  #failCells(output: number, from: number, to: number): void {
    const { block } = (this.#run as ModelRun).writes.scores;
    for (let row = from; row < to; row++) for (const slot of this.#slots[output] as number[]) block.markCell(row, slot, CellStatus.failed);
  }

  /** Block rows → positions of the row set: themselves, or the targets of slates. */
  #failRows(from: number, to: number, failure: Failure): void {
    const run = this.#run as ModelRun;
    const offsets = run.slate?.offsets;
    if (this.#plan.mode === 'targets' || offsets === undefined) run.failRows(from, to, failure);
    else run.failRows(offsets[from] as number, offsets[to] as number, failure);
  }

  /** Nobody is asked about a slate without targets. */
  #skipEmptySlates(run: ModelRun): void {
    const offsets = run.slate?.offsets;
    if (this.#plan.mode === 'targets' || offsets === undefined) return;
    const { block } = run.writes.scores;
    for (let slate = 0; slate + 1 < offsets.length; slate++) {
      if (offsets[slate] === offsets[slate + 1]) block.markRows(slate, slate + 1, CellStatus.skipped);
    }
  }

  #finish(): void {
    const run = this.#run as ModelRun;
    this.#plan.deps.metrics.modelLatency.observeMs(performance.now() - this.#startedAt);
    const failure = this.#succeeded === 0 ? this.#firstFailure : null;
    this.#close();
    if (failure === null) run.done();
    else run.failed(failure);
  }

  #close(): void {
    this.#run = null;
    this.#route = null;
    this.#next = null;
  }

  #bindSlots(run: ModelRun): void {
    const { slots, block } = run.writes.scores;
    if (this.#slotsFor === slots) return;
    this.#slotsFor = slots;
    this.#tensors = this.#plan.inputNames.map((name) => run.reads[name] as TensorInput);
    let score = 0;
    this.#slots = this.#plan.scoresOf.map((count) => {
      const own = [...slots.subarray(score, score + count)];
      score += count;
      return own;
    });
    this.#widths = this.#slots.map((own) => own.map((slot) => block.shape.widths[slot] as number));
  }

  get #service(): string {
    return this.#route?.backend.description ?? 'model server';
  }

  #failure(reason: Failure['reason'], message: string): Failure {
    return createFailure(reason, `${this.#service}: ${message}`, this.#plan.deps.componentName);
  }
}
