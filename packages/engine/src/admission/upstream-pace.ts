/** Above this part of their deadline calls are too slow, if that is our doing. */
const congestedShare = 0.25;
/** Below it more may be asked of the upstream. */
const quickShare = 0.1;
const congestedFactor = 1.6;
const quickFactor = 1.2;
const newestWeight = 0.1;
/** Of an average that single calls hardly move. */
const steadyWeight = 0.02;
const quietWeight = 0.05;
/** So many calls are averaged evenly before any of the weights counts: of many that begin at once the quickest end first. */
const firstCalls = 64;

/**
 * How long the calls of one component take lately, beside what they take when few requests are under way. An upstream that is slow by
 * itself, or does not answer at all, is slow with few requests too and is left alone; one that is slow only under many is congested: by
 * its own queue, or because we come late to read what it answered. Averages are compared with averages: calls take more and less time
 * without any queue, and what is usual must not be measured by the quickest of them.
 */
export class UpstreamPace {
  #calls = 0;
  #recentMs = 0;
  #steadyMs = 0;
  #quietMs = 0;
  #isCongested = false;
  #isQuick = true;

  /** Calls take long, and it is our doing. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** There is room for more at once. */
  get isQuick(): boolean {
    return this.#isQuick;
  }

  /** Notes how long a component waited; `isQuiet` = few requests were under way. */
  took(ms: number, deadlineMs: number, isQuiet: boolean): void {
    const share = this.#calls < firstCalls ? 1 / ++this.#calls : 0;
    this.#recentMs += (ms - this.#recentMs) * Math.max(newestWeight, share);
    this.#steadyMs += (ms - this.#steadyMs) * Math.max(steadyWeight, share);
    if (share > 0) this.#quietMs = this.#steadyMs;
    else if (isQuiet) this.#quietMs += (ms - this.#quietMs) * quietWeight;
    else if (this.#steadyMs < this.#quietMs) this.#quietMs = this.#steadyMs;
    this.#judge(deadlineMs);
  }

  /** Something was done about it: new evidence is needed before it counts again. */
  forgive(deadlineMs: number): void {
    this.#recentMs = Math.min(this.#recentMs, deadlineMs * congestedShare);
    this.#judge(deadlineMs);
  }

  #judge(deadlineMs: number): void {
    const recent = this.#recentMs;
    this.#isCongested = recent > deadlineMs * congestedShare && recent > this.#quietMs * congestedFactor;
    this.#isQuick = recent < deadlineMs * quickShare || recent < this.#quietMs * quickFactor;
  }
}
