import { LimitTrial } from './limit-trial.js';
import type { ProcessLoad } from './process-load.js';
import { UpstreamPace } from './upstream-pace.js';

/** What is worked on. */
export interface GateGuest {
  /** When it was let in, `performance.now()` clock; the gate's own, start it as {@link outsideGate}. */
  beganAt: number;
}

/** What waits for its turn. The link fields belong to the gate; start them as `null`, `isWaiting` as false. */
export interface GateWaiter {
  gatePrevious: GateWaiter | null;
  gateNext: GateWaiter | null;
  isWaiting: boolean;
  /** When its answer must leave at the latest, same clock. */
  readonly answerBy: number;
  /** Its turn: it has left the queue and calls {@link AdmissionGate.letIn} if there is work to do. That may end before this returns. */
  begin(): void;
  /** It waited and can no longer be answered in time. */
  turnedAway(retryAfterMs: number): void;
}

/** `beganAt` of what is not inside. */
export const outsideGate = -1;

/** What becomes of a request at the door. */
export const Admission = { begin: 0, wait: 1, refuse: 2 } as const;
export type Admission = (typeof Admission)[keyof typeof Admission];

const startLimit = 32;
/** So few at once are never the reason that an upstream is late: what it takes then is its own pace. */
const leastLimit = 4;
/** Fewer would have a busy process wait for its upstreams. */
const fewestWhenBusy = 16;
/** While upstreams are quick, as many as leave in so long: looking at the sockets, and writing to them, is done once for all of those. */
const busyTurnMs = 25;
/** More at once, however small, would not make that cheaper. */
const mostWhenBusy = 64;
/** Per entry that leaves: a quarter more in the time that one takes, for what it costs is seen only then. */
const growth = 0.25;
/** While an upstream takes longer than is usual, but not so long that it is suspected: what is usual may have changed. */
const slowGrowth = 1 / 64;
/** Per entry that leaves while the process itself is what everything waits for. */
const easeBy = 0.99;
/** When the process is busy for more of its time, fewer at once would do. */
const easeAbove = 0.97;
/** When it is busy for less, there may be more at once. Between the two the limit stays: it would only swing. */
const growBelow = 0.93;
/** Part of its time that an entry may spend waiting: the rest is for the work, which may take longer than it did lately. */
const longestWaitShare = 0.4;
/** When some have been refused for so long, a queue absorbs no burst any more: it only makes everybody late, and what waits old memory. */
const longestBurstMs = 1_000;
/** Then it is tried again: the queue is kept short now, so nothing else tells whether a long one would still be too long. */
const overloadLastsMs = 30_000;
/** A shorter queue than both is never the reason to refuse. */
const shortQueue = 256;
const shortQueueMs = 100;
const shortestHintMs = 10;
/** After more than a burst: it will not be over soon. */
const overloadHintMs = 160;
const longestHintMs = 5_000;
/** So little that what is inside while the process stands still for a moment, as for a collection of garbage, does not count for much. */
const newestServiceWeight = 0.03;
const longestPause = 4;
/** Mean deviations above the mean that most answers keep within. */
const safeSpreads = 3;

/**
 * How many requests of one model are worked on at once. Everything that is begun asks its upstreams at once and is then counted against
 * their deadlines; so what waits for a turn of ours, or in a queue that we caused, must wait before it begins, where no deadline but its
 * own runs, and where it costs no more than its message. The limit grows while somebody waits or is refused and this process has time left,
 * fast while upstreams are quick. It shrinks when calls take a good part of their deadlines and much longer than is usual (see
 * {@link UpstreamPace}), and stays there if they take less for it, else it is soon what it was (see {@link LimitTrial}); and it shrinks
 * slowly when this process is busy all the time: then fewer at once are answered as soon, out of warmer memory.
 * Not below what keeps it busy, though, nor below what makes its turns worth their price.
 * What cannot be answered in time is turned away early.
 */
export class AdmissionGate {
  /** Entries that have begun and not left. */
  inside = 0;
  /** Entries that wait. */
  waiting = 0;
  readonly #paces: UpstreamPace[] = [];
  readonly #most: number;
  readonly #least: number;
  readonly #load: ProcessLoad | null;
  #limit = startLimit;
  #first: GateWaiter | null = null;
  #last: GateWaiter | null = null;
  readonly #trial: LimitTrial;
  #isAdmitting = false;
  /** The last who asked was refused: that shows as well as one who waits that there is too little room. */
  #hasRefused = false;
  #serviceMs = 0;
  /** When the first was refused since the queue was empty, or since it was allowed to be long again; 0 = none was. */
  #refusesSince = 0;
  /** Requests have been refused for longer than a burst lasts: the queue is kept short. */
  #isOverloaded = false;
  /** Between one that leaves and the next, on average, while somebody waits; 0 = not known. */
  #intervalMs = 0;
  #leftAt = 0;
  /** How far service times lie from their mean, on average. */
  #serviceSpreadMs = 0;

  /**
   * @param most highest limit
   * @param load of the process; null = it always has time left
   */
  constructor(most: number, load: ProcessLoad | null = null) {
    this.#most = most;
    this.#least = Math.min(leastLimit, most);
    this.#load = load;
    this.#trial = new LimitTrial(this.#least);
    this.#limit = Math.min(startLimit, most);
  }

  /** Entries that may be inside at once. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** What is to become of a request that comes now: {@link AdmissionGate.letIn} it, have it {@link AdmissionGate.wait}, or refuse it because its turn would come too late. */
  ask(answerBy: number, now: number): Admission {
    if (this.waiting === 0 && this.inside < this.limit) {
      this.#hasRefused = false;
      return Admission.begin;
    }
    const { waitMs } = this;
    const leftMs = answerBy - now;
    // Too many wait for what the server can hold: others are refused before they come here.
    if (this.waiting > 0 && this.#load !== null && this.#load.isFull(now)) this.#noteOverload(now);
    const isInTime = waitMs <= leftMs * longestWaitShare && waitMs + this.#safeServiceMs <= leftMs;
    if (isInTime && !(this.waiting >= shortQueue && waitMs > shortQueueMs && this.#isOverloaded)) return Admission.wait;
    this.#hasRefused = true;
    if (this.waiting > 0) this.#noteOverload(now);
    return Admission.refuse;
  }

  /** How long an entry that comes now is likely to wait, by how fast others leave. 0 while nobody waits or it is not known. */
  get waitMs(): number {
    return this.waiting === 0 ? 0 : (this.waiting + 1) * (this.#intervalMs || this.#serviceMs / this.limit);
  }

  /** What a caller is told that was refused: by then about half of those who wait have gone. One of few values: 10 ms doubled some times, at most 5 s. */
  get retryAfterMs(): number {
    const least = this.#isOverloaded ? Math.max(overloadHintMs, this.waitMs / 2) : this.waitMs / 2;
    let hint = shortestHintMs;
    while (hint < least && hint < longestHintMs) hint *= 2;
    return Math.min(hint, longestHintMs);
  }

  /** A request begins. */
  letIn(guest: GateGuest, now: number): void {
    guest.beganAt = now;
    this.inside++;
  }

  /** A request waits for its turn. */
  wait(waiter: GateWaiter): void {
    waiter.isWaiting = true;
    waiter.gatePrevious = this.#last;
    waiter.gateNext = null;
    if (this.#last === null) this.#first = waiter;
    else this.#last.gateNext = waiter;
    this.#last = waiter;
    this.waiting++;
  }

  /** One that waited is gone. */
  giveUp(waiter: GateWaiter): void {
    if (waiter.isWaiting) this.#remove(waiter);
  }

  /** One that was let in is over; others begin. One that was not is ignored. */
  leave(guest: GateGuest, now: number): void {
    const { beganAt } = guest;
    if (beganAt === outsideGate) return;
    guest.beganAt = outsideGate;
    this.inside--;
    const tookMs = now - beganAt;
    if (this.#serviceMs === 0) {
      this.#serviceMs = tookMs;
      this.#serviceSpreadMs = tookMs / 4;
    }
    this.#serviceSpreadMs += (Math.abs(tookMs - this.#serviceMs) - this.#serviceSpreadMs) * newestServiceWeight;
    this.#serviceMs += (tookMs - this.#serviceMs) * newestServiceWeight;
    this.#noteInterval(now);
    if (this.waiting === 0 && !this.#hasRefused) {
      // Nobody waits because all are let in. A busy process answers as soon when some of them wait instead.
      if (this.inside >= fewestWhenBusy && this.#busyShare(now) > easeAbove) this.#ease(Math.min(this.#limit, this.inside + 1));
      return;
    }
    this.#adapt(now);
    this.#admit(now);
  }

  /** A component of an entry ended that had calls with this deadline. */
  called(component: number, tookMs: number, deadlineMs: number, now: number): void {
    const pace = this.#paceOf(component);
    pace.took(tookMs, deadlineMs, this.inside <= leastLimit);
    const trial = this.#trial;
    if (trial.pace === null) {
      if (!pace.isCongested || this.inside <= this.#least || pace.isResting(now)) return;
      this.#limit = trial.start(pace, deadlineMs, this.#limit, this.inside, now);
    } else {
      this.#limit = trial.endOverdue(this.#limit, now);
      if (trial.pace === pace) this.#limit = trial.took(tookMs, this.#limit, this.inside, now);
    }
  }

  #noteOverload(now: number): void {
    if (this.#refusesSince === 0 || now - this.#refusesSince > overloadLastsMs) this.#refusesSince = now;
    this.#isOverloaded = now - this.#refusesSince > longestBurstMs;
  }

  #noteInterval(now: number): void {
    if (this.waiting === 0) {
      // The next would say how often requests come, not how fast they can leave.
      this.#intervalMs = 0;
      return;
    }
    if (this.#intervalMs === 0) this.#intervalMs = this.#serviceMs / this.limit;
    else {
      // All that are inside may leave at once, and then nobody for as long as they took; a longer pause is the process standing still.
      const longest = longestPause * this.limit * this.#intervalMs;
      this.#intervalMs += (Math.min(now - this.#leftAt, longest) - this.#intervalMs) * newestServiceWeight;
    }
    this.#leftAt = now;
  }

  #paceOf(component: number): UpstreamPace {
    for (let index = this.#paces.length; index <= component; index++) this.#paces.push(new UpstreamPace());
    return this.#paces[component] as UpstreamPace;
  }

  #adapt(now: number): void {
    const busyShare = this.#limit > fewestWhenBusy ? this.#busyShare(now) : 0;
    if (busyShare > easeAbove) this.#ease(this.#limit);
    this.#limit = this.#trial.endOverdue(this.#limit, now);
    const isBusy = busyShare > growBelow;
    if (this.#trial.pace !== null || (isBusy && this.#limit >= this.#leastWhenBusy)) return;
    this.#limit = Math.min(this.#limit + (this.#areUpstreamsQuick && !isBusy ? growth : slowGrowth), this.#most);
  }

  #busyShare(now: number): number {
    return this.#load === null ? 0 : this.#load.busyShare(now);
  }

  #ease(from: number): void {
    const least = this.#leastWhenBusy;
    if (from > least) this.#limit = Math.max(least, from * easeBy);
  }

  /** A busy process works on no fewer, but for the sake of its upstreams. */
  get #leastWhenBusy(): number {
    if (!this.#areUpstreamsQuick) return fewestWhenBusy;
    const intervalMs = this.#intervalMs || this.#serviceMs / (this.inside + 1);
    return Math.min(mostWhenBusy, Math.max(fewestWhenBusy, busyTurnMs / intervalMs));
  }

  get #areUpstreamsQuick(): boolean {
    for (const pace of this.#paces) if (!pace.isQuick) return false;
    return true;
  }

  /** Requests may end inside `begin` and call `leave`: those only count, this loop goes on. */
  #admit(now: number): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    try {
      for (let waiter = this.#first; waiter !== null && this.inside < this.limit; waiter = this.#first) {
        this.#remove(waiter);
        if (now + this.#safeServiceMs > waiter.answerBy) waiter.turnedAway(this.retryAfterMs);
        else waiter.begin();
      }
    } finally {
      this.#isAdmitting = false;
    }
  }

  /** What an entry that begins takes, at most as a rule. */
  get #safeServiceMs(): number {
    return this.#serviceMs + safeSpreads * this.#serviceSpreadMs;
  }

  #remove(waiter: GateWaiter): void {
    if (waiter.gatePrevious === null) this.#first = waiter.gateNext;
    else waiter.gatePrevious.gateNext = waiter.gateNext;
    if (waiter.gateNext === null) this.#last = waiter.gatePrevious;
    else waiter.gateNext.gatePrevious = waiter.gatePrevious;
    waiter.gatePrevious = null;
    waiter.gateNext = null;
    waiter.isWaiting = false;
    this.waiting--;
    if (this.waiting > 0) return;
    this.#refusesSince = 0;
    this.#isOverloaded = false;
  }
}
