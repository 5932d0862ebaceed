import type { SharedStatus } from '../grpc-status.js';
import type { Refusal } from './admission.js';

/** So long what one call of a connection was told is told to the next, at most: a queue that is full for a call hardly gets shorter in it. */
const validMs = 25;
const validShare = 0.1;
/** Deadlines that differ by less are equal. */
const precisionMs = 1;

/**
 * What the calls of one connection were told lately: that their turn would come too late. While the process itself is what everything
 * waits for, the next call of that connection that has no more time is told the same before its message is read: reading it would cost
 * more than telling. That holds only while all calls are for the same, see `HotMethod.sharesRefusals`. Then one is let through to ask again.
 */
export class RecentRefusal {
  #refusal: Refusal | null = null;
  #until = 0;
  #timeoutMs = 0;

  /** A call with so much time was refused as soon as it had been read. */
  note(status: SharedStatus, timeoutMs: number, now: number): void {
    if (this.#refusal?.status !== status) this.#refusal = { reason: 'too-late', status };
    this.#until = now + Math.min(validMs, timeoutMs * validShare);
    this.#timeoutMs = timeoutMs + precisionMs;
  }

  /** What a call is to be told that has so much time; `null` = let it be read. */
  of(timeoutMs: number, now: number): Refusal | null {
    return now < this.#until && timeoutMs <= this.#timeoutMs ? this.#refusal : null;
  }
}
