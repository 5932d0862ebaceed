import { type InferRequestTemplate, inferRequestSize, MODEL_INFER_PATH, putInferHead, putRawInputHead } from '@inferflow/proto/hot';
import { type CallFailure, type CallHead, GrpcCode, UnaryCall } from '@inferflow/transport';
import type { Chunk } from '../chunks.js';
import type { ComponentDeps } from '../define-component.js';
import type { TensorInput } from '../tensor-input.js';
import type { ModelRoute } from './predator-run.js';

/** Rows of one run that wait for a call together with those of other runs. */
export interface SharedRows {
  /** Part of a run; told exactly once, unless it left. */
  readonly owner: SharedRowsOwner;
  readonly chunk: Chunk;
  readonly deadline: number;
  readonly tensors: readonly TensorInput[];
}

/** A run that shares calls. */
export interface SharedRowsOwner {
  /** The answer of a call, in which the first of the chunk's rows is row `firstRow`. */
  sharedAnswer(chunk: Chunk, message: Uint8Array, firstRow: number, durationMs: number): void;
  /** `wasShared`: others were in the call too, so it may succeed without them. */
  sharedFailure(chunk: Chunk, failure: CallFailure, wasShared: boolean, durationMs: number): void;
}

/**
 * Rows of concurrent requests for one model in common calls: what comes within a turn of the event loop is sent together, cut at the
 * batch size. The rows are copied when a call is made, because the requests they come from may end before it does.
 */
export class ModelSource {
  readonly #deps: ComponentDeps;
  readonly #route: ModelRoute;
  /** Rows per call; 0 = no bound. */
  readonly #batchSize: number;
  #waiting: SharedRows[] = [];
  readonly #calls = new Set<SharedInferCall>();
  #isScheduled = false;
  readonly #flushLater = () => this.#flush();

  constructor(deps: ComponentDeps, route: ModelRoute, batchSize: number) {
    this.#deps = deps;
    this.#route = route;
    this.#batchSize = batchSize > 0 ? batchSize : Number.MAX_SAFE_INTEGER;
  }

  /** Adds rows to the next call. */
  add(rows: SharedRows): void {
    this.#waiting.push(rows);
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(this.#flushLater);
  }

  /** A run's request is over. The last one to leave ends the call. */
  leave(owner: SharedRowsOwner): void {
    this.#waiting = this.#waiting.filter((rows) => rows.owner !== owner);
    for (const call of this.#calls) {
      if (!call.leave(owner)) continue;
      this.#calls.delete(call);
      this.#route.backend.upstream.cancel(call);
    }
  }

  /** @internal A call ended. */
  ended(call: SharedInferCall, code: number): void {
    this.#calls.delete(call);
    const { metrics } = this.#deps;
    metrics.externalLatency.observeMs(performance.now() - call.startedAt);
    metrics.callsByStatus[code]?.add(1);
  }

  #flush(): void {
    this.#isScheduled = false;
    const waiting = this.#waiting;
    this.#waiting = [];
    let group: SharedRows[] = [];
    let dims: Float64Array | null = null;
    let rowCount = 0;
    for (const rows of waiting) {
      const own = this.#route.template.dims(rows.chunk, rows.tensors);
      const count = rows.chunk.modelRows;
      // Inputs with open dimensions may differ from run to run: such rows cannot stand in one tensor.
      if (dims !== null && (rowCount + count > this.#batchSize || !this.#haveEqualRows(dims, own))) {
        this.#send(group, dims, rowCount);
        group = [];
        dims = null;
        rowCount = 0;
      }
      group.push(rows);
      dims ??= own;
      rowCount += count;
    }
    if (dims !== null) this.#send(group, dims, rowCount);
  }

  #haveEqualRows(left: Float64Array, right: Float64Array): boolean {
    const { dimsAt } = this.#route.template.template;
    for (let input = 0; input + 1 < dimsAt.length; input++) {
      const last = dimsAt[input + 1] as number;
      for (let at = (dimsAt[input] as number) + 1; at < last; at++) if (left[at] !== right[at]) return false;
    }
    return true;
  }

  #send(group: readonly SharedRows[], dims: Float64Array, rowCount: number): void {
    const { backend, template } = this.#route;
    const { dimsAt, inputCount } = template.template;
    for (let input = 0; input < inputCount; input++) dims[dimsAt[input] as number] = rowCount;
    const body = writeBody(template.template, dims, group);
    const deadline = Math.max(...group.map((rows) => rows.deadline));
    const call = new SharedInferCall(backend.head(MODEL_INFER_PATH), deadline, this.#deps.limits.maxAnswerBytes, this, group, body);
    this.#calls.add(call);
    this.#deps.metrics.externalCalls.add(1);
    this.#deps.metrics.externalRows.add(rowCount);
    backend.upstream.start(call);
  }
}

/** One call with the rows of several runs. */
class SharedInferCall extends UnaryCall {
  readonly startedAt = performance.now();
  readonly #source: ModelSource;
  /** null = left. */
  readonly #group: (SharedRows | null)[];
  /** Where the rows of each member begin. */
  readonly #firstRows: readonly number[];
  readonly #body: Uint8Array;

  constructor(
    head: CallHead,
    deadline: number,
    maxAnswerBytes: number,
    source: ModelSource,
    group: readonly SharedRows[],
    body: Uint8Array,
  ) {
    super(head, deadline, maxAnswerBytes);
    this.#source = source;
    this.#group = [...group];
    let next = 0;
    this.#firstRows = group.map(({ chunk }) => {
      next += chunk.modelRows;
      return next - chunk.modelRows;
    });
    this.#body = body;
  }

  get byteLength(): number {
    return this.#body.length;
  }

  write(target: Uint8Array, at: number): void {
    target.set(this.#body, at);
  }

  succeeded(message: Uint8Array): void {
    this.#source.ended(this, GrpcCode.OK);
    const durationMs = performance.now() - this.startedAt;
    for (let index = 0; index < this.#group.length; index++) {
      const rows = this.#group[index];
      rows?.owner.sharedAnswer(rows.chunk, message, this.#firstRows[index] as number, durationMs);
    }
  }

  failed(failure: CallFailure): void {
    this.#source.ended(this, failure.code);
    const durationMs = performance.now() - this.startedAt;
    for (let index = 0; index < this.#group.length; index++) {
      const rows = this.#group[index];
      rows?.owner.sharedFailure(rows.chunk, failure, this.#group.length > 1, durationMs);
    }
  }

  /** Nothing is told to this owner any more. True when nobody is left. */
  leave(owner: SharedRowsOwner): boolean {
    for (let index = 0; index < this.#group.length; index++) if (this.#group[index]?.owner === owner) this.#group[index] = null;
    return this.#group.every((rows) => rows === null);
  }
}

/** The whole message: the rows of all members one after the other, input by input. */
function writeBody(template: InferRequestTemplate, dims: Float64Array, group: readonly SharedRows[]): Uint8Array {
  const rawLengths = Array.from({ length: template.inputCount }, (_, input) =>
    group.reduce((size, { chunk, tensors }) => size + (tensors[input] as TensorInput).byteLength(chunk.from, chunk.to), 0),
  );
  const body = new Uint8Array(inferRequestSize(template, dims, rawLengths));
  let at = putInferHead(template, body, 0, dims);
  for (let input = 0; input < template.inputCount; input++) {
    at = putRawInputHead(body, at, rawLengths[input] as number);
    for (const { chunk, tensors } of group) {
      const tensor = tensors[input] as TensorInput;
      tensor.write(body, at, chunk.from, chunk.to);
      at += tensor.byteLength(chunk.from, chunk.to);
    }
  }
  return body;
}
