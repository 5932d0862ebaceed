import { putBytes } from '@inferflow/proto/hot';
import { type CallFailure, type CallHead, UnaryCall } from '@inferflow/transport';
import type { FeatureBatch } from './feature-batch.js';
import type { FeatureSource } from './feature-source.js';

/** One call to the feature store: the constant head of the query, then the keys of its batch. */
export class FeatureBatchCall extends UnaryCall {
  readonly #source: FeatureSource;
  readonly #batch: FeatureBatch;

  constructor(head: CallHead, deadline: number, maxAnswerBytes: number, source: FeatureSource, batch: FeatureBatch) {
    super(head, deadline, maxAnswerBytes);
    this.#source = source;
    this.#batch = batch;
  }

  get byteLength(): number {
    return this.#source.queryHead.length + this.#batch.byteLength;
  }

  /** The requests of those who wait for it end it. */
  override get isPatient(): boolean {
    return true;
  }

  write(target: Uint8Array, at: number): void {
    const { queryHead } = this.#source;
    putBytes(target, putBytes(target, at, queryHead, 0, queryHead.length), this.#batch.bytes, 0, this.#batch.byteLength);
  }

  succeeded(message: Uint8Array): void {
    this.#source.answered(this.#batch, message);
  }

  failed(failure: CallFailure): void {
    this.#source.batchFailed(this.#batch, failure);
  }
}
