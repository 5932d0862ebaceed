import { type InferRequestTemplate, inferRequestSize, putInferHead, putRawInputHead } from '@inferflow/proto/hot';
import { type CallFailure, type CallHead, UnaryCall, warnOfThrow } from '@inferflow/transport';
import type { TensorInput } from '../tensor-input.js';
import { type SharedRows, type SharedRowsOwner, sharedDeadlinePassed, tellFailure, whatThrew } from './shared-rows.js';

/** Who started a shared call. */
export interface SharedCallOwner {
  /** Null when the answer fits a call of so many rows, else why it does not. */
  misfit(message: Uint8Array, rowCount: number): CallFailure | null;
  /** The call ended; null = with an answer. */
  ended(call: SharedInferCall, failure: CallFailure | null): void;
}

/** One call with the rows of several runs, one after the other. It keeps a copy: the requests may be over before it is. */
export class SharedInferCall extends UnaryCall {
  readonly #owner: SharedCallOwner;
  /** null = left, or told. */
  readonly #members: (SharedRows | null)[];
  /** Where the rows of each member begin. */
  readonly #firstRows: readonly number[];
  readonly #rowCount: number;
  readonly #body: Uint8Array;

  constructor(head: CallHead, maxAnswerBytes: number, owner: SharedCallOwner, members: readonly SharedRows[], body: Uint8Array) {
    super(head, Math.max(...members.map((rows) => rows.deadline)), maxAnswerBytes);
    this.#owner = owner;
    this.#members = [...members];
    let next = 0;
    this.#firstRows = members.map(({ chunk }) => {
      next += chunk.modelRows;
      return next - chunk.modelRows;
    });
    this.#rowCount = next;
    this.#body = body;
    for (const rows of members) {
      rows.call = this;
      if (rows.deadline < this.deadline) rows.keepOwnDeadline();
    }
  }

  get byteLength(): number {
    return this.#body.length;
  }

  /** The requests of its members end it. */
  override get isPatient(): boolean {
    return true;
  }

  write(target: Uint8Array, at: number): void {
    target.set(this.#body, at);
  }

  succeeded(message: Uint8Array): void {
    this.#owner.ended(this, null);
    const misfit = this.#owner.misfit(message, this.#rowCount);
    if (misfit !== null) {
      this.#fail(misfit);
      return;
    }
    const durationMs = performance.now() - this.startedAt;
    for (let index = 0; index < this.#members.length; index++) {
      const rows = this.#take(index);
      if (rows?.isAwaited !== true) continue;
      try {
        rows.owner.sharedAnswer(rows, message, this.#firstRows[index] as number, durationMs);
      } catch (error) {
        // What one member throws must not keep the others from being told.
        warnOfThrow(whatThrew, error);
      }
    }
  }

  failed(failure: CallFailure): void {
    this.#owner.ended(this, failure);
    this.#fail(failure);
  }

  /** Nothing is told to this owner any more. True when nobody is left. */
  leave(owner: SharedRowsOwner): boolean {
    for (let index = 0; index < this.#members.length; index++) if (this.#members[index]?.owner === owner) this.#take(index);
    return this.#isEmpty;
  }

  /** Rows go because their own deadline passed. True when nobody is left. */
  expire(rows: SharedRows): boolean {
    const index = this.#members.indexOf(rows);
    if (index >= 0) {
      this.#take(index);
      tellFailure(rows, sharedDeadlinePassed(), false, performance.now() - this.startedAt);
    }
    return this.#isEmpty;
  }

  get #isEmpty(): boolean {
    return this.#members.every((rows) => rows === null);
  }

  #fail(failure: CallFailure): void {
    const durationMs = performance.now() - this.startedAt;
    for (let index = 0; index < this.#members.length; index++) {
      const rows = this.#take(index);
      if (rows !== null) tellFailure(rows, failure, true, durationMs);
    }
  }

  #take(index: number): SharedRows | null {
    const rows = this.#members[index] ?? null;
    this.#members[index] = null;
    rows?.close();
    return rows;
  }
}

/** The whole message: the rows of all members one after the other, input by input. */
export function writeSharedBody(template: InferRequestTemplate, dims: Float64Array, members: readonly SharedRows[]): Uint8Array {
  const rawLengths = Array.from({ length: template.inputCount }, (_, input) =>
    members.reduce((size, { chunk, tensors }) => size + (tensors[input] as TensorInput).byteLength(chunk.from, chunk.to), 0),
  );
  const body = new Uint8Array(inferRequestSize(template, dims, rawLengths));
  let at = putInferHead(template, body, 0, dims);
  for (let input = 0; input < template.inputCount; input++) {
    at = putRawInputHead(body, at, rawLengths[input] as number);
    for (const { chunk, tensors } of members) {
      const tensor = tensors[input] as TensorInput;
      tensor.write(body, at, chunk.from, chunk.to);
      at += tensor.byteLength(chunk.from, chunk.to);
    }
  }
  return body;
}
