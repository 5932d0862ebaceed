import { type LoggedRecord, parentEntityOf } from '../logged-record.js';

/** A request that waits to be encoded, or is being encoded. */
export interface CapturedRequest {
  readonly record: LoggedRecord;
  readonly parentEntity: string;
  readonly bytes: number;
}

/** Requests that wait to be encoded, in order of arrival. Their memory counts until they are `done`. */
export class CapturedRequests {
  readonly #requests: CapturedRequest[] = [];
  #head = 0;
  #bytes = 0;

  /** Memory of requests that are not done. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#head === this.#requests.length;
  }

  /** Takes a request. @param bytes as `capturedBytes` says */
  add(record: LoggedRecord, bytes: number): void {
    // The caller's headers are gone once this returns.
    this.#requests.push({ record, parentEntity: parentEntityOf(record), bytes });
    this.#bytes += bytes;
  }

  /** Takes the oldest request out; null when none waits. */
  next(): CapturedRequest | null {
    const next = this.#requests[this.#head];
    if (next === undefined) return null;
    this.#requests[this.#head++] = undefined as never;
    if (this.#head > 1024 && this.#head * 2 > this.#requests.length) {
      this.#requests.splice(0, this.#head);
      this.#head = 0;
    } else if (this.#head === this.#requests.length) {
      this.#requests.length = 0;
      this.#head = 0;
    }
    return next;
  }

  /** Gives the memory of a request that was taken out back to its owner. */
  done({ record, bytes }: CapturedRequest): void {
    this.#bytes -= bytes;
    record.release();
  }
}

/** Memory that a request keeps from being used again. */
export function capturedBytes(record: LoggedRecord): number {
  let bytes = 1024;
  for (const block of record.matrix.blocks) {
    if (block === null || block.isShared) continue;
    bytes += block.memory.bytes.byteLength;
    if (block.heap !== block.memory.bytes) bytes += block.heap.buffer.byteLength;
  }
  for (const block of record.slate?.matrix.blocks ?? []) if (block !== null && !block.isShared) bytes += block.memory.bytes.byteLength;
  return bytes;
}
