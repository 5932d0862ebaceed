import type { LoopLoad } from '@inferflow/transport';

/** Refusals longer ago say nothing of now. */
const latelyMs = 250;

/** What the gates of all models share: how busy the process is, and whether it takes as many requests as it can hold. */
export class ProcessLoad {
  readonly #loop: LoopLoad;
  #fullAt = Number.NEGATIVE_INFINITY;

  constructor(loop: LoopLoad) {
    this.#loop = loop;
  }

  /** Part of its time that the process has been busy lately, 0 to 1. `now` on the `performance.now()` clock, here and below. */
  busyShare(now: number): number {
    return this.#loop.busyShare(now);
  }

  /** A request was refused, whatever model it was for, because as many are in progress as may be. */
  refusedForRoom(now: number): void {
    this.#fullAt = now;
  }

  /** Requests have been refused so lately. */
  isFull(now: number): boolean {
    return now - this.#fullAt < latelyMs;
  }
}
