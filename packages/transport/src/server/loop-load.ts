import { performance } from 'node:perf_hooks';

const sampleMs = 50;
/** What the loop did since an earlier look says nothing of lately. */
const longestSampleMs = 1000;
/** The rest is what a busy loop needs to look at its sockets. */
const saturatedShare = 0.93;

/**
 * Whether this process is what everything waits for: its event loop has hardly waited for events lately. More requests at once would
 * then not be answered sooner. Looked at when somebody asks, at most every 50 ms; after a second without a look nothing is known until the next.
 */
export class LoopLoad {
  readonly #idleMsOf: () => number;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #idleMs = 0;
  #isSaturated = false;

  /** @param idleMsOf for how long the loop has waited for events so far, ms; replaced only by tests */
  constructor(idleMsOf: () => number = () => performance.eventLoopUtilization().idle) {
    this.#idleMsOf = idleMsOf;
  }

  /** `now` on the `performance.now()` clock. */
  isSaturated(now: number): boolean {
    const passedMs = now - this.#sampledAt;
    if (passedMs < sampleMs) return this.#isSaturated;
    const idleMs = this.#idleMsOf();
    this.#isSaturated = passedMs <= longestSampleMs && idleMs - this.#idleMs < passedMs * (1 - saturatedShare);
    this.#sampledAt = now;
    this.#idleMs = idleMs;
    return this.#isSaturated;
  }
}
