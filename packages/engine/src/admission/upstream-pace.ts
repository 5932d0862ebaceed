/** Above this part of their deadline calls are too slow, if that is our doing. */
const congestedShare = 0.25;
/** Above this part they are, whatever they take by themselves: many of them end at it. */
const timingOutShare = 0.8;
/** Below it more may be asked of the upstream. */
const quickShare = 0.1;
const congestedFactor = 1.6;
const quickFactor = 1.2;
/** So many times as long as when fewer did not help is something new. */
const slowerFactor = 1.3;
const newestWeight = 0.04;
/** Of an average that single calls hardly move. */
const steadyWeight = 0.01;
/** Such an average wanders; what is usual must not be measured by where it was lowest. */
const steadyShare = 0.8;
const quietWeight = 0.02;
/** So many calls are averaged evenly before any of the weights counts: of many that begin at once the quickest end first. */
const firstCalls = 128;
/** After a trial that was for nothing there is none for so many times as long as it took, twice that after the next that soon follows, … */
const shortestRest = 4;
/** … and at most this: an upstream that is slow by itself loses little by trials. */
const longestRest = 64;

/**
 * How long the calls of one component take lately, beside what they take when few requests are under way, or took when fewer did not help. An
 * upstream that takes much longer than that may be congested: by its own queue, or because we come late to read what it answered; or it may
 * be slow by itself. This only suspects; a {@link LimitTrial} finds out. Averages are compared with averages: calls take more and less time
 * without any queue.
 */
export class UpstreamPace {
  #calls = 0;
  #recentMs = 0;
  #steadyMs = 0;
  #quietMs = 0;
  #isCongested = false;
  #isQuick = true;
  #restsUntil = 0;
  #restsAtMs = 0;
  #rest = shortestRest;

  /** What they take lately, on average. */
  get recentMs(): number {
    return this.#recentMs;
  }

  /** Calls take long, and it may be our doing. */
  get isCongested(): boolean {
    return this.#isCongested;
  }

  /** There is room for more at once. */
  get isQuick(): boolean {
    return this.#isQuick;
  }

  /** Many calls end at their deadlines. */
  isTimingOut(deadlineMs: number): boolean {
    return this.#recentMs > deadlineMs * timingOutShare;
  }

  /** Fewer at once did not help lately, when calls took about as long: it is not tried again yet. */
  isResting(now: number): boolean {
    return now < this.#restsUntil && this.#recentMs < this.#restsAtMs * slowerFactor;
  }

  /** Notes how long a component waited; `isQuiet` = few requests were under way. */
  took(ms: number, deadlineMs: number, isQuiet: boolean): void {
    const share = this.#calls < firstCalls ? 1 / ++this.#calls : 0;
    this.#recentMs += (ms - this.#recentMs) * Math.max(newestWeight, share);
    this.#steadyMs += (ms - this.#steadyMs) * Math.max(steadyWeight, share);
    if (share > 0) this.#quietMs = this.#steadyMs;
    else if (isQuiet) this.#quietMs += (ms - this.#quietMs) * quietWeight;
    else if (this.#steadyMs < this.#quietMs * steadyShare) this.#quietMs = this.#steadyMs / steadyShare;
    this.#judge(deadlineMs);
  }

  /** They take so long, by an average of more calls than are known here. */
  measured(ms: number, deadlineMs: number): void {
    this.#recentMs = ms;
    this.#judge(deadlineMs);
  }

  /** They were high by chance: what is taken for usual is too low. It rises no higher than where it begins to matter. */
  learnUsual(deadlineMs: number): void {
    if (this.#recentMs > deadlineMs * congestedShare) this.#quietMs = Math.max(this.#quietMs, deadlineMs * congestedShare);
  }

  /** Fewer at once did not help: so long is what they take by themselves. */
  learnOwn(ms: number, deadlineMs: number): void {
    this.#quietMs = ms;
    this.#steadyMs = ms;
    this.measured(ms, deadlineMs);
  }

  /** Fewer at once helped: so long is more than they take by themselves. */
  learnBetter(ms: number, deadlineMs: number): void {
    this.#quietMs = Math.min(this.#quietMs, ms);
    this.#rest = shortestRest;
    this.measured(ms, deadlineMs);
  }

  /** A trial that took so long was for nothing. */
  rest(now: number, trialMs: number): void {
    if (now - this.#restsUntil > trialMs * this.#rest) this.#rest = shortestRest;
    this.#restsUntil = now + trialMs * this.#rest;
    this.#restsAtMs = this.#recentMs;
    this.#rest = Math.min(this.#rest * 2, longestRest);
  }

  #judge(deadlineMs: number): void {
    const recent = this.#recentMs;
    this.#isCongested =
      recent > deadlineMs * congestedShare && recent > Math.min(this.#quietMs * congestedFactor, deadlineMs * timingOutShare);
    this.#isQuick = recent < deadlineMs * quickShare || recent < this.#quietMs * quickFactor;
  }
}
