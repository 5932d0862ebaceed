// What a caller may make us do, beyond what its calls need. Each of these costs a caller a few bytes and us some work:
//
//   RST_STREAM of its own, and streams we had to refuse           a budget of resets
//   PING, SETTINGS, PRIORITY, WINDOW_UPDATE, empty DATA,
//   frames of streams that have ended, unknown frames             a budget of control frames; every call earns some, and the DATA that it
//                                                                 was sent pays for as many WINDOW_UPDATE as that may need
//   PING and SETTINGS whose answers it does not read              a bound on what waits in the socket
//
// Who passes a limit is told ENHANCE_YOUR_CALM, and the connection ends.
import { FrameBudget } from './frame-budget.js';
import type { OutSlab } from './out-slab.js';

/** A caller that leaves more than this unread of what it made us answer is cut off. */
const mostBacklogBytes = 8 * 1024 * 1024;
/** Callers cancel at their deadlines, so resets are many in honest traffic; the same figures hold for `node:http2`. */
const resetBudget = { burst: 20_000, perSecond: 2000 };
const controlBudget = { burst: 10_000, perSecond: 1000 };
/** Control frames that go with a call at most, in honest traffic. */
const controlsPerCall = 20;

/** Whom {@link CallerLimits} tell that one was passed. */
export interface LimitsOwner {
  limitPassed(reason: 'flood' | 'slow-reader', problem: string): void;
}

/** See the top of the file. */
export class CallerLimits {
  readonly #owner: LimitsOwner;
  readonly #out: OutSlab;
  readonly #resets = new FrameBudget(resetBudget.burst, resetBudget.perSecond);
  readonly #controls = new FrameBudget(controlBudget.burst, controlBudget.perSecond);

  constructor(owner: LimitsOwner, out: OutSlab) {
    this.#owner = owner;
    this.#out = out;
  }

  /** Pays for frames that bring nothing. False when that was too much. */
  spend(count: number): boolean {
    if (this.#controls.spend(count)) return true;
    this.#owner.limitPassed('flood', 'too many control frames');
    return false;
  }

  /** Pays for a reset, the caller's or ours. */
  spendReset(): void {
    if (!this.#resets.spend(1)) this.#owner.limitPassed('flood', 'too many resets');
    // Resets of ours are frames, too.
    else this.mayAnswer();
  }

  /** A call was answered. */
  earn(): void {
    this.#controls.earn(controlsPerCall);
  }

  /** A caller that asks without reading our answers must not fill our memory. False when it does. */
  mayAnswer(): boolean {
    if (this.#out.backlog <= mostBacklogBytes) return true;
    this.#owner.limitPassed('slow-reader', 'it asks more than it reads');
    return false;
  }
}
