import { MODEL_INFER_PATH } from '@inferflow/proto/hot';
import { type CallFailure, deliveredAt, GrpcCode } from '@inferflow/transport';
import type { ServiceBackend } from '../backends.js';
import { type Chunk, ChunkCutter, type ChunkMode } from '../chunks.js';
import type { ComponentRun } from '../component-run.js';
import type { ComponentDeps } from '../define-component.js';
import { createFailure, type Failure, failureOfCall, outOfTime } from '../failure.js';
import { callsAtOnce, OpenCalls } from '../open-calls.js';
import type { TensorRead } from '../reads.js';
import type { TensorInput } from '../tensor-input.js';
import type { ColumnsWrite } from '../writes.js';
import { InferCall, type InferCallOwner } from './infer-call.js';
import type { InferTemplate } from './infer-template.js';
import type { ModelSource } from './model-source.js';
import type { OutputReader } from './output-reader.js';
import { ScorePlacer } from './score-placer.js';
import type { SharedRows, SharedRowsOwner } from './shared-rows.js';

/** @internal What a model component sees of a request. */
export type ModelRun = ComponentRun<Readonly<Record<string, TensorRead>>, { readonly scores: ColumnsWrite }, PredatorRun>;

/** Where calls go. */
export interface ModelRoute {
  readonly backend: ServiceBackend;
  readonly template: InferTemplate;
  readonly modelName: string;
  /** Common calls of concurrent requests; null = every request calls for itself. */
  readonly source: ModelSource | null;
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
  /** Of the model, and what they are read as. */
  readonly inputs: readonly { readonly read: string; readonly name: string; readonly shape: readonly number[] }[];
  /** Scores per output. */
  readonly scoresOf: readonly number[];
  readonly createReader: () => OutputReader;
}

/** The calls of one model component of one request; the private state of a pooled run. */
export class PredatorRun implements InferCallOwner, SharedRowsOwner {
  sharedTurn = 0;
  readonly #plan: PredatorPlan;
  readonly #chunks: ChunkCutter;
  readonly #scores: ScorePlacer;
  readonly #calls = new OpenCalls<InferCall>();
  #tensors: readonly TensorInput[] = [];
  #run: ModelRun | null = null;
  #route: ModelRoute | null = null;
  #startedAt = 0;
  /** Every row of every input is as long as its shape says. With compat, vectors may be longer or shorter. */
  #isFilled = true;
  #next: Chunk | null = null;
  /** Chunks that wait in common calls. */
  #shared = 0;
  #succeeded = 0;
  #firstFailure: Failure | null = null;

  constructor(plan: PredatorPlan) {
    this.#plan = plan;
    this.#chunks = new ChunkCutter(plan.mode, plan.batchSize);
    this.#scores = new ScorePlacer(plan);
  }

  /** Starts the calls of a run. Ends with `run.done()` or `run.failed()`. */
  start(run: ModelRun, route: ModelRoute): void {
    const { metrics } = this.#plan.deps;
    this.#run = run;
    this.#route = route;
    this.#succeeded = 0;
    this.#firstFailure = null;
    this.#startedAt = performance.now();
    this.#scores.bind(run, route);
    // The readers of a pooled run are the same objects for all its requests.
    if (this.#tensors.length === 0) this.#tensors = this.#plan.inputs.map(({ read }) => run.reads[read] as TensorInput);
    let defaulted = 0;
    let conversions = 0;
    let misfit = -1;
    this.#isFilled = true;
    for (let input = 0; input < this.#tensors.length; input++) {
      const tensor = this.#tensors[input] as TensorInput;
      defaulted += tensor.prepare();
      conversions += tensor.conversions;
      if (tensor.misfits) misfit = input;
      if (!route.template.isFilled(input, tensor)) this.#isFilled = false;
    }
    metrics.conversions.add(conversions);
    if (defaulted > 0) metrics.defaultedInputs.add(defaulted);
    const now = performance.now();
    metrics.assemblyLatency.observeMs(now - this.#startedAt);
    if (misfit >= 0) {
      this.#close();
      run.failed(this.#misfit(misfit));
      return;
    }
    this.#chunks.start(run.rows.count, run.slate);
    this.#next = this.#chunks.next();
    this.#pump(now);
  }

  /** The request is over: ends the calls. */
  leave(): void {
    const upstream = this.#route?.backend.upstream;
    if (upstream !== undefined) this.#calls.cancelAll(upstream);
    if (this.#shared > 0) this.#route?.source?.leave(this);
    this.#close();
  }

  answered(call: InferCall, message: Uint8Array): void {
    const now = this.#ended(call, GrpcCode.OK);
    this.#place(call.chunk, message, 0);
    this.#goOn(now);
  }

  callFailed(call: InferCall, failure: CallFailure): void {
    const now = this.#ended(call, failure.code);
    this.#run?.calls.noteReason(failure.reason);
    this.#failChunk(call.chunk, failureOfCall(failure, this.#service, this.#plan.deps.componentName));
    this.#goOn(now);
  }

  sharedAlone({ chunk, deadline }: SharedRows): void {
    this.#shared--;
    this.#goOn(performance.now(), chunk, deadline);
  }

  sharedSplit(): void {
    this.#shared++;
  }

  sharedAnswer({ chunk }: SharedRows, message: Uint8Array, firstRow: number, durationMs: number): void {
    this.#shared--;
    this.#run?.calls.note(this.#service, durationMs, false);
    this.#place(chunk, message, firstRow);
    this.#goOn(performance.now());
  }

  sharedFailure(rows: SharedRows, failure: CallFailure, mayRetry: boolean, durationMs: number): void {
    const { chunk } = rows;
    this.#shared--;
    this.#run?.calls.note(this.#service, durationMs, true);
    this.#run?.calls.noteReason(failure.reason);
    const now = performance.now();
    const deadline = rows.deadlineAt(now);
    // Without time for a second try it is the first that failed.
    if (mayRetry && deadline > now) {
      this.#goOn(now, chunk, deadline);
      return;
    }
    this.#failChunk(chunk, failureOfCall(failure, this.#service, this.#plan.deps.componentName));
    this.#goOn(now);
  }

  /** From within an answer, where nobody above could end the run. A chunk that is given calls for itself, by `deadline`. */
  #goOn(now: number, chunk: Chunk | null = null, deadline = 0): void {
    try {
      if (chunk !== null) this.#call(chunk, deadline, now);
      this.#pump(now);
    } catch (error) {
      const run = this.#run;
      // It has ended: what went wrong is not its own.
      if (run === null) throw error;
      const text = error instanceof Error ? error.message : 'the next call could not be made';
      const failure = createFailure('exception', `${this.#service}: ${text}`, this.#plan.deps.componentName);
      this.leave();
      run.failed(failure);
    }
  }

  /** `now` is what the clock said a moment ago. */
  #pump(now: number): void {
    const { source, backend } = this.#route as ModelRoute;
    const { maxParallelCalls } = this.#plan.deps.limits;
    while (this.#next !== null && this.#calls.count + this.#shared < callsAtOnce(backend.upstream, maxParallelCalls)) {
      const chunk = this.#next;
      this.#next = this.#chunks.next();
      // Beside rows of others, lengths could make up for each other: nobody would see whose values are whose.
      if (source === null || !this.#isFilled) this.#call(chunk, this.#deadline(now), now);
      else this.#share(chunk, source, now);
    }
    if (this.#calls.count + this.#shared === 0 && this.#next === null) this.#finish();
  }

  #share(chunk: Chunk, source: ModelSource, now: number): void {
    this.#shared++;
    source.add(this, chunk, this.#deadline(now), this.#tensors);
  }

  #call(chunk: Chunk, deadline: number, now: number): void {
    const { deps } = this.#plan;
    const { backend, template } = this.#route as ModelRoute;
    if (deadline <= now) {
      this.#failChunk(chunk, outOfTime(this.#service, deps.componentName));
      return;
    }
    const tensors = this.#tensors;
    const shifted = this.#isFilled ? -1 : template.findShifted(chunk, tensors);
    if (shifted >= 0) {
      this.#failChunk(chunk, this.#misfit(shifted));
      return;
    }
    const head = backend.head(MODEL_INFER_PATH);
    const dims = template.dims(chunk, tensors);
    const call = new InferCall(head, deadline, deps.limits.maxAnswerBytes, this, chunk, template.template, tensors, dims);
    this.#calls.add(call);
    deps.metrics.externalCalls.add(1);
    deps.metrics.externalRows.add(chunk.modelRows);
    backend.upstream.start(call);
  }

  #deadline(now: number): number {
    return (this.#run as ModelRun).callDeadline(this.#plan.deadlineMs ?? (this.#route as ModelRoute).backend.deadlineMs, now);
  }

  /** Returns when it ended. */
  #ended(call: InferCall, code: number): number {
    this.#calls.remove(call);
    const { metrics } = this.#plan.deps;
    const now = deliveredAt();
    const durationMs = now - call.startedAt;
    this.#run?.calls.note(this.#service, durationMs, code !== GrpcCode.OK);
    metrics.externalLatency.observeMs(durationMs);
    metrics.callsByStatus[code]?.add(1);
    return now;
  }

  #place(chunk: Chunk, message: Uint8Array, firstRow: number): void {
    let failure: Failure | null;
    try {
      failure = this.#scores.place(chunk, message, firstRow);
    } catch (error) {
      // Nobody above could end this run.
      const text = error instanceof Error ? error.message : 'the answer could not be placed';
      failure = this.#scores.failChunk(chunk, createFailure('exception', `${this.#service}: ${text}`, this.#plan.deps.componentName));
    }
    if (failure === null) this.#succeeded++;
    else this.#noteFailure(failure);
  }

  #failChunk(chunk: Chunk, failure: Failure): void {
    this.#noteFailure(this.#scores.failChunk(chunk, failure));
  }

  #noteFailure(failure: Failure): void {
    this.#plan.deps.metrics.failedChunks.add(1);
    this.#firstFailure ??= failure;
  }

  /** A model that is sent too much or too little takes values for others, or refuses them all. */
  #misfit(input: number): Failure {
    const { name, shape } = this.#plan.inputs[input] as PredatorPlan['inputs'][number];
    const text = `input "${name}" is not sent: its vectors do not have as many elements as its shape [${shape.join(', ')}]`;
    return createFailure('shape', text, this.#plan.deps.componentName);
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
    this.#scores.unbind();
    this.#run = null;
    this.#route = null;
    this.#next = null;
    this.#shared = 0;
    this.sharedTurn++;
  }

  get #service(): string {
    return this.#route?.backend.description ?? 'model server';
  }
}
