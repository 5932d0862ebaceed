import type { TextColumn } from '@inferflow/matrix';
import {
  type ComputeRequestTemplate,
  computeRequestSize,
  computeRowSize,
  putComputeHead,
  putComputeRow,
  putComputeTail,
} from '@inferflow/proto/hot';
import { type CallFailure, type CallHead, UnaryCall } from '@inferflow/transport';
import type { Chunk } from '../chunks.js';

/*
 * The body of a call; a row is its id and its values, each a field:
 *
 *   0a length | schema | «12 length | 12 length | 0a length id | 0a 04 value | 0a 04 value | …» | tail
 *   └ putComputeHead ┘   └─────────────────── putComputeRow, per position ────────────────────┘   └ putComputeTail
 *
 *   ids.ranges   row × 2: start, length in ids.bytes      by matrix row: rows[position]
 *   values       position × valueCount × 4                by position
 */

/** Bytes of a value on the wire: FP32. */
export const computeValueBytes = 4;

/** The rows of a run as they are sent: an id text and FP32 values each. Unchanged while calls are out. */
export interface ComputeRows {
  readonly ids: TextColumn;
  /** Matrix row per position; null = the position. */
  readonly rows: Int32Array | null;
  /** Row-major values of all positions. */
  readonly values: Uint8Array;
  readonly valueCount: number;
}

/** Who started a call and takes its end. */
export interface ComputeCallOwner {
  answered(call: ComputeCall, message: Uint8Array): void;
  callFailed(call: ComputeCall, failure: CallFailure): void;
}

/** One call to the compute service. */
export class ComputeCall extends UnaryCall {
  readonly chunk: Chunk;
  readonly #owner: ComputeCallOwner;
  readonly #template: ComputeRequestTemplate;
  readonly #input: ComputeRows;
  readonly #rowsSize: number;

  constructor(
    head: CallHead,
    deadline: number,
    maxAnswerBytes: number,
    owner: ComputeCallOwner,
    chunk: Chunk,
    template: ComputeRequestTemplate,
    input: ComputeRows,
  ) {
    super(head, deadline, maxAnswerBytes);
    this.chunk = chunk;
    this.#owner = owner;
    this.#template = template;
    this.#input = input;
    let size = 0;
    for (let position = chunk.from; position < chunk.to; position++) {
      size += computeRowSize(input.ids.ranges[rowOf(input, position) * 2 + 1] as number, input.valueCount, computeValueBytes);
    }
    this.#rowsSize = size;
  }

  get byteLength(): number {
    return computeRequestSize(this.#template, this.#rowsSize);
  }

  /** The request it belongs to ends it. */
  override get isPatient(): boolean {
    return true;
  }

  /** The rows are written when they leave. */
  override get bytesInLine(): number {
    return 0;
  }

  write(target: Uint8Array, at: number): void {
    const { ids, values, valueCount } = this.#input;
    let put = putComputeHead(this.#template, target, at, this.#rowsSize);
    for (let position = this.chunk.from; position < this.chunk.to; position++) {
      const row = rowOf(this.#input, position);
      const start = ids.ranges[row * 2] as number;
      const end = start + (ids.ranges[row * 2 + 1] as number);
      const valuesAt = position * valueCount * computeValueBytes;
      put = putComputeRow(target, put, ids.bytes, start, end, values, valuesAt, valueCount, computeValueBytes);
    }
    putComputeTail(this.#template, target, put);
  }

  succeeded(message: Uint8Array): void {
    this.#owner.answered(this, message);
  }

  failed(failure: CallFailure): void {
    this.#owner.callFailed(this, failure);
  }
}

function rowOf(input: ComputeRows, position: number): number {
  return input.rows === null ? position : (input.rows[position] as number);
}
