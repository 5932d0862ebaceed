import { type InferRequestTemplate, inferRequestSize, putInferHead, putRawInputHead } from '@inferflow/proto/hot';
import { type CallFailure, type CallHead, UnaryCall } from '@inferflow/transport';
import type { Chunk } from '../chunks.js';
import type { TensorInput } from '../tensor-input.js';

/*
 * The body of a call, as it goes straight into the buffer of the connection (tags: infer-request.ts of proto):
 *
 *   names | input heads, dims | outputs | 3a length | rows of input 0 | 3a length | rows of input 1 | …
 *   └────────── putInferHead ─────────┘ └ putRaw… ┘ └ tensors[0].write ┘
 *
 * The rows are positions chunk.from … chunk.to − 1 of each tensor. Their #rawLengths are known beforehand: byteLength is asked for first.
 */

/** Who started a call and takes its end. */
export interface InferCallOwner {
  answered(call: InferCall, message: Uint8Array): void;
  callFailed(call: InferCall, failure: CallFailure): void;
}

/** One `ModelInfer` call: the compiled request, and the chunk's rows written straight from the blocks. */
export class InferCall extends UnaryCall {
  readonly chunk: Chunk;
  readonly #owner: InferCallOwner;
  readonly #template: InferRequestTemplate;
  readonly #tensors: readonly TensorInput[];
  readonly #dims: Float64Array;
  readonly #rawLengths: Float64Array;
  readonly #byteLength: number;

  /** `dims` and `rawLengths` belong to the call from here on. */
  constructor(
    head: CallHead,
    deadline: number,
    maxAnswerBytes: number,
    owner: InferCallOwner,
    chunk: Chunk,
    template: InferRequestTemplate,
    tensors: readonly TensorInput[],
    dims: Float64Array,
  ) {
    super(head, deadline, maxAnswerBytes);
    this.chunk = chunk;
    this.#owner = owner;
    this.#template = template;
    this.#tensors = tensors;
    this.#dims = dims;
    this.#rawLengths = new Float64Array(tensors.length);
    for (let input = 0; input < tensors.length; input++) {
      this.#rawLengths[input] = (tensors[input] as TensorInput).byteLength(chunk.from, chunk.to);
    }
    this.#byteLength = inferRequestSize(template, dims, this.#rawLengths);
  }

  get byteLength(): number {
    return this.#byteLength;
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
    let put = putInferHead(this.#template, target, at, this.#dims);
    for (let input = 0; input < this.#tensors.length; input++) {
      const length = this.#rawLengths[input] as number;
      put = putRawInputHead(target, put, length);
      (this.#tensors[input] as TensorInput).write(target, put, this.chunk.from, this.chunk.to);
      put += length;
    }
  }

  succeeded(message: Uint8Array): void {
    this.#owner.answered(this, message);
  }

  failed(failure: CallFailure): void {
    this.#owner.callFailed(this, failure);
  }
}
