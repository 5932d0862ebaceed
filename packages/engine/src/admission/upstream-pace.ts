/** Above this part of their deadline calls are too slow, if that is our doing. */
const congestedShare = 0.25;
/** Below it more may be asked of the upstream. */
const quickShare = 0.1;
const congestedFactor = 1.6;
const quickFactor = 1.2;
const newestWeight = 0.1;
const quietWeight = 0.05;
const fasterWeight = 0.2;

/**
 * How long the calls of one component take lately, beside what they take when few requests are under way. An upstream that is slow by
 * itself, or does not answer at all, is slow with few requests too and is left alone; one that is slow only under many is congested: by
 * its own queue, or because we come late to read what it answered.
 */
export class UpstreamPace {
  #recentMs = 0;
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
    if (this.#recentMs === 0) {
      this.#recentMs = ms;
      this.#quietMs = ms;
    }
    this.#recentMs += (ms - this.#recentMs) * newestWeight;
    if (ms < this.#quietMs) this.#quietMs += (ms - this.#quietMs) * fasterWeight;
    else if (isQuiet) this.#quietMs += (ms - this.#quietMs) * quietWeight;
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
