import { performance } from 'node:perf_hooks';

const sampleMs = 50;
/** What the loop did since an earlier look says nothing of lately. */
const longestSampleMs = 1000;

/**
 * How busy this process is: which part of its time its event loop has not waited for events lately. Close to 1 it is what everything waits
 * for, and more requests at once would not be answered sooner; what is missing to 1 then is what a busy loop needs to look at its sockets.
 * Looked at when somebody asks, at most every 50 ms; after a second without a look nothing is known until the next.
 */
export class LoopLoad {
  readonly #idleMsOf: () => number;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #idleMs = 0;
  #busyShare = 0;

  /** @param idleMsOf for how long the loop has waited for events so far, ms; replaced only by tests */
  constructor(idleMsOf: () => number = () => performance.eventLoopUtilization().idle) {
    this.#idleMsOf = idleMsOf;
  }

  /** From 0 to 1; 0 also while nothing is known. `now` on the `performance.now()` clock. */
  busyShare(now: number): number {
    const passedMs = now - this.#sampledAt;
    if (passedMs < sampleMs) return this.#busyShare;
    const idleMs = this.#idleMsOf();
    this.#busyShare = passedMs > longestSampleMs ? 0 : Math.max(0, 1 - (idleMs - this.#idleMs) / passedMs);
    this.#sampledAt = now;
    this.#idleMs = idleMs;
    return this.#busyShare;
  }
}
