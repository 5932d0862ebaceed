import { performance } from 'node:perf_hooks';

const freshForMs = 1;
/** Below this part of a time, our own work in it is no excuse. */
const leastOwnShare = 0.25;

/**
 * How long the event loop of this process has waited for events so far: what passes otherwise is our own work. Read by every call, so
 * the figure is at most a millisecond old instead of fresh.
 */
class LoopClock {
  #idleMs = 0;
  #readAt = Number.NEGATIVE_INFINITY;

  /** Milliseconds of waiting since the loop began; `now` on the `performance.now()` clock. */
  idleMs(now: number): number {
    if (now - this.#readAt > freshForMs) {
      this.#readAt = now;
      this.#idleMs = performance.eventLoopUtilization().idle;
    }
    return this.#idleMs;
  }

  /**
   * How much of the `passedMs` until `now` this process was at work, and so neither wrote nor read: a peer is not charged for that. 0 where it
   * is little beside the time the peer had.
   *
   * @param idleAtStart {@link LoopClock.idleMs} when that time began
   */
  ownMs(passedMs: number, idleAtStart: number, now: number): number {
    const ownMs = passedMs - (this.idleMs(now) - idleAtStart);
    return ownMs > passedMs * leastOwnShare ? Math.min(ownMs, passedMs) : 0;
  }
}

/** The loop of this process. */
export const loopClock: LoopClock = new LoopClock();
