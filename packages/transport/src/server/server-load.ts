import { loopClock } from '../loop-clock.js';
import { LoopLoad } from './loop-load.js';

const samplesLastMs = 250;
/** A loop that has waited for so long since has worked off what it had. The clock is a millisecond exact. */
const restMs = 2;
/** Hardly any time is left: what can be spared is spared. A limit that keeps a process busy leaves it a little more idle than it could be. */
const saturatedShare = 0.93;

/** What a server holds at the moment; shared by its calls so that bounds hold across connections. */
export class ServerLoad {
  /** Hot calls accepted and not answered. */
  hotInFlight = 0;
  /** Other requests in progress. */
  coldInFlight = 0;
  /** Those of them that have places of their own. */
  apartInFlight = 0;
  /** Bytes of requests in progress and of answers that their callers have not taken. */
  heldBytes = 0;
  /** Those of them that are not of hot calls. */
  coldHeldBytes = 0;
  readonly #loop = new LoopLoad();
  #lagMs = 0;
  #sampledAt = Number.NEGATIVE_INFINITY;
  #idleMsThen = 0;
  #turnBegan = 0;
  #hasTurn = false;
  readonly #turnEnded = () => {
    this.#hasTurn = false;
    const now = performance.now();
    const sample = now - this.#turnBegan;
    this.#lagMs = sample > this.#lagMs ? sample : this.#lagMs * 0.8 + sample * 0.2;
    this.#sampledAt = now;
    this.#idleMsThen = loopClock.idleMs(now);
  };

  /** Notes that a request arrived: the turn is measured from the first of its requests to its end. */
  arrived(now: number): void {
    if (this.#hasTurn) return;
    this.#hasTurn = true;
    this.#turnBegan = now;
    setImmediate(this.#turnEnded);
  }

  /** The process itself is what everything waits for. */
  isSaturated(now: number): boolean {
    return this.#loop.busyShare(now) > saturatedShare;
  }

  /** How long a request waits at present before the process comes to it: the length of a turn of the event loop, lately. */
  lagMs(now: number): number {
    if (now - this.#sampledAt > samplesLastMs || loopClock.idleMs(now) - this.#idleMsThen > restMs) this.#lagMs = 0;
    return this.#lagMs;
  }
}
