import { loopClock } from '../loop-clock.js';

/**
 * Time for a peer to do something. What of it this process was at work, and so read nothing, the peer gets once more, once: it may have done it
 * long ago.
 */
export class PatientTimer {
  #timer: NodeJS.Timeout;

  /**
   * @param timeoutMs for the peer; at most twice as long passes
   * @param onOver told unless the timer is stopped before
   */
  constructor(timeoutMs: number, onOver: () => void) {
    const startedAt = performance.now();
    const idleAtStart = loopClock.idleMs(startedAt);
    this.#timer = setTimeout(() => {
      const now = performance.now();
      const ownMs = loopClock.ownMs(now - startedAt, idleAtStart, now);
      if (ownMs > 0) this.#timer = setTimeout(onOver, Math.min(ownMs, timeoutMs));
      else onOver();
    }, timeoutMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
