import type { UpstreamPace } from './upstream-pace.js';

/** As many as are inside come and go; so many times as many would be more than that. */
const holdAt = 1.5;
const shrinkBy = 0.7;
/** When calls end at their deadlines: those do not tell how long the queue is that they would have to wait in. */
const shrinkFarBy = 0.3;
/** Where an upstream's own queue is the reason, calls take less by as much as there are fewer; it counts from half of that, or from this share. */
const helpfulShare = 0.85;
/** Where calls take so many times as long with fewer at once, the upstream became slower meanwhile. */
const worseShare = 1.1;
/** An average rests on as many calls as there are at once, and on so many at least; */
const fewestCalls = 8;
/** on more the more they differ: so many per square of their deviation over their mean; */
const callsPerVariance = 1000;
/** for that reason on so many at most. */
const mostCalls = 256;
/** Deadlines of a call that each half of a trial takes at most. */
const longestDeadlines = 12;

/**
 * Whether fewer at once help an upstream whose calls take long: only trying tells, since calls that differ and an upstream that became slow
 * look the same as its queue. The limit is held near what is inside; when those that were under way are gone, calls are averaged that were not chosen
 * for being slow. If they take long as well, the limit is shrunk and as many are averaged again. When they take less, the limit
 * stays there, and is shrunk again if that is not enough. When not, the upstream is slow by itself: the limit is what it was, and
 * the next trial is a while off, longer each time (see {@link UpstreamPace}). One at a time; one object per gate.
 */
export class LimitTrial {
  /** Of the component that it is about; null = there is none at present. */
  pace: UpstreamPace | null = null;
  readonly #least: number;
  /** How many times as high the limit would be without the trial; what else changes it meanwhile stays. */
  #undo = 1;
  /** The limit that the calls before the shrink had. */
  #heldLimit = 0;
  /** What they took, on average; 0 = it is not shrunk yet. */
  #heldMs = 0;
  #beganAt = 0;
  #endsBy = 0;
  #deadlineMs = 0;
  /** Calls that were under way when the limit changed and are not over. */
  #stale = 0;
  #calls = 0;
  #sumMs = 0;
  #sumOfSquares = 0;

  /** @param least lowest limit */
  constructor(least: number) {
    this.#least = least;
  }

  /** Calls of a component take long; gives the limit from now on, as all of these do. */
  start(pace: UpstreamPace, deadlineMs: number, limit: number, inside: number, now: number): number {
    this.pace = pace;
    this.#undo = 1;
    this.#heldMs = 0;
    this.#beganAt = now;
    this.#deadlineMs = deadlineMs;
    this.#average(inside, now);
    return this.#lower(limit, Math.min(limit, inside * holdAt));
  }

  /** A call of that component ended. */
  took(ms: number, limit: number, inside: number, now: number): number {
    const pace = this.pace as UpstreamPace;
    // Waiting for an average would only have more of them end at their deadlines.
    if (this.#heldMs === 0 && pace.isTimingOut(this.#deadlineMs)) return this.#shrink(pace.recentMs, limit, inside, now);
    if (this.#stale > 0) {
      this.#stale--;
      return limit;
    }
    this.#calls++;
    this.#sumMs += ms;
    this.#sumOfSquares += ms * ms;
    if (!this.#isEnough(limit)) return limit;
    return this.#heldMs === 0 ? this.#held(limit, inside, now) : this.#shrunk(limit, inside, now);
  }

  /** Too few calls end to tell anything: it is over. */
  endOverdue(limit: number, now: number): number {
    if (this.pace === null || now < this.#endsBy) return limit;
    this.pace.rest(now, now - this.#beganAt);
    return this.#undone(limit);
  }

  #average(stale: number, now: number): void {
    this.#stale = stale;
    this.#calls = 0;
    this.#sumMs = 0;
    this.#sumOfSquares = 0;
    this.#endsBy = now + this.#deadlineMs * longestDeadlines;
  }

  #isEnough(limit: number): boolean {
    const calls = this.#calls;
    if (calls < Math.max(fewestCalls, limit)) return false;
    // The variance over the square of the mean, with both sides times the calls and that square.
    const square = (this.#sumMs * this.#sumMs) / calls;
    return calls >= mostCalls || (this.#sumOfSquares - square) * callsPerVariance <= square * calls;
  }

  #held(limit: number, inside: number, now: number): number {
    const pace = this.pace as UpstreamPace;
    const meanMs = this.#sumMs / this.#calls;
    pace.measured(meanMs, this.#deadlineMs);
    if (pace.isCongested) return this.#shrink(meanMs, limit, inside, now);
    pace.learnUsual(this.#deadlineMs);
    return this.#undone(limit);
  }

  #shrink(meanMs: number, limit: number, inside: number, now: number): number {
    this.#heldMs = meanMs;
    this.#heldLimit = limit;
    this.#average(inside, now);
    return this.#lower(limit, limit * ((this.pace as UpstreamPace).isTimingOut(this.#deadlineMs) ? shrinkFarBy : shrinkBy));
  }

  #shrunk(limit: number, inside: number, now: number): number {
    const pace = this.pace as UpstreamPace;
    const meanMs = this.#sumMs / this.#calls;
    const share = Math.max(helpfulShare, (1 + limit / this.#heldLimit) / 2);
    if (meanMs > this.#heldMs * share) {
      pace.measured(meanMs, this.#deadlineMs);
      const isWorse = meanMs > this.#heldMs * worseShare || pace.isTimingOut(this.#deadlineMs);
      if (limit > this.#least && isWorse) return this.#shrink(meanMs, limit, inside, now);
      pace.learnOwn(meanMs, this.#deadlineMs);
      pace.rest(now, now - this.#beganAt);
      return this.#undone(limit);
    }
    pace.learnBetter(meanMs, this.#deadlineMs);
    this.#undo = 1;
    if (pace.isCongested && limit > this.#least) return this.#shrink(meanMs, limit, inside, now);
    return this.#undone(limit);
  }

  #undone(limit: number): number {
    this.pace = null;
    return limit * this.#undo;
  }

  #lower(limit: number, wanted: number): number {
    const lower = Math.max(this.#least, wanted);
    this.#undo *= limit / lower;
    return lower;
  }
}
