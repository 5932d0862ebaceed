import { loopClock } from '../loop-clock.js';

/** Less of the time than this is not worth a second look. */
const leastOwnShare = 0.1;

/**
 * Time for a peer to do something. What of it this process was at work, and so read nothing, the peer gets once more, once: it may have done it
 * long ago.
 */
export class PatientTimer {
  #timer: NodeJS.Timeout;

  /** @param onOver told unless the timer is stopped before */
  constructor(timeoutMs: number, onOver: () => void) {
    const startedAt = performance.now();
    const idleAtStart = loopClock.idleMs(startedAt);
    this.#timer = setTimeout(() => {
      const now = performance.now();
      const passedMs = now - startedAt;
      const ownMs = passedMs - (loopClock.idleMs(now) - idleAtStart);
      if (ownMs > passedMs * leastOwnShare) this.#timer = setTimeout(onOver, Math.min(ownMs, timeoutMs));
      else onOver();
    }, timeoutMs);
  }

  stop(): void {
    clearTimeout(this.#timer);
  }
}
