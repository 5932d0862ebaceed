import { performance } from 'node:perf_hooks';

const freshForMs = 1;

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
}

/** The loop of this process. */
export const loopClock: LoopClock = new LoopClock();
