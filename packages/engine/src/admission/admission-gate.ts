import { UpstreamPace } from './upstream-pace.js';

/** What a gate lets in, one after the other. The link fields belong to the gate; start them as `null`, the state as {@link GateState.outside}. */
export interface GateEntry {
  gatePrevious: GateEntry | null;
  gateNext: GateEntry | null;
  gateState: GateState;
  /** When it was let in, `performance.now()` clock. */
  beganAt: number;
  /** When its answer must leave at the latest, same clock. */
  readonly answerBy: number;
  /** It may begin now. May end within. */
  begin(): void;
  /** It waited and can no longer be answered in time. */
  turnedAway(retryAfterMs: number): void;
}

/** Where an entry is. */
export const GateState = { outside: 0, waiting: 1, inside: 2 } as const;
export type GateState = (typeof GateState)[keyof typeof GateState];

/** What became of an entry at the door. */
export const Admission = { begin: 0, wait: 1, refuse: 2 } as const;
export type Admission = (typeof Admission)[keyof typeof Admission];

const startLimit = 32;
/** So few at once are never the reason that an upstream is late: what it takes then is its own pace. */
const leastLimit = 16;
/** Per entry that leaves: a quarter more in the time that one takes, for what it costs is seen only then. */
const growth = 0.25;
const shrinkBy = 0.7;
/** Part of its time that an entry may spend waiting: the rest is for the work, which may take longer than it did lately. */
const longestWaitShare = 0.5;
const longestHintMs = 5_000;
const newestServiceWeight = 0.1;
/** Mean deviations above the mean that most answers keep within. */
const safeSpreads = 3;

/**
 * How many requests of one model are worked on at once. Everything that is begun asks its upstreams at once and is then counted against
 * their deadlines; so what waits for a turn of ours, or in a queue that we caused, must wait before it begins, where no deadline but its
 * own runs. The limit grows while somebody waits and upstreams are quick, and shrinks when calls use up a good part of their deadlines
 * and take much longer than with few requests at once (see {@link UpstreamPace}). What cannot be answered in time is turned away early.
 */
export class AdmissionGate {
  /** Entries that have begun and not left. */
  inside = 0;
  /** Entries that wait. */
  waiting = 0;
  readonly #paces: UpstreamPace[] = [];
  readonly #most: number;
  #limit = startLimit;
  #first: GateEntry | null = null;
  #last: GateEntry | null = null;
  #shrunkAt = Number.NEGATIVE_INFINITY;
  #isAdmitting = false;
  #serviceMs = 0;
  /** How far service times lie from their mean, on average. */
  #serviceSpreadMs = 0;

  /** @param most highest limit */
  constructor(most: number) {
    this.#most = most;
    this.#limit = Math.min(startLimit, most);
  }

  /** Entries that may be inside at once. */
  get limit(): number {
    return Math.floor(this.#limit);
  }

  /** Lets an entry in, has it wait, or refuses it because its turn would come too late. The caller calls `begin` for the first. */
  enter(entry: GateEntry, now: number): Admission {
    if (this.waiting === 0 && this.inside < this.limit) {
      this.#letIn(entry, now);
      return Admission.begin;
    }
    const { waitMs } = this;
    const leftMs = entry.answerBy - now;
    if (waitMs > leftMs * longestWaitShare || waitMs + this.#safeServiceMs > leftMs) return Admission.refuse;
    this.#push(entry);
    return Admission.wait;
  }

  /** How long an entry that comes now is likely to wait: so many are inside at once, and each takes so long. 0 while nobody waits or it is not known. */
  get waitMs(): number {
    return this.waiting === 0 ? 0 : ((this.waiting + 1) * this.#serviceMs) / this.limit;
  }

  /** What a caller is told that was refused: by then about half of those who wait have gone. */
  get retryAfterMs(): number {
    return Math.min(Math.max(Math.ceil(this.waitMs / 2), 10), longestHintMs);
  }

  /** An entry is over, wherever it was. Lets others in. */
  leave(entry: GateEntry, now: number): void {
    const state = entry.gateState;
    if (state === GateState.outside) return;
    if (state === GateState.waiting) {
      this.#remove(entry);
      return;
    }
    entry.gateState = GateState.outside;
    this.inside--;
    const tookMs = now - entry.beganAt;
    if (this.#serviceMs === 0) {
      this.#serviceMs = tookMs;
      this.#serviceSpreadMs = tookMs / 4;
    }
    this.#serviceSpreadMs += (Math.abs(tookMs - this.#serviceMs) - this.#serviceSpreadMs) * newestServiceWeight;
    this.#serviceMs += (tookMs - this.#serviceMs) * newestServiceWeight;
    if (this.waiting === 0) return;
    this.#grow();
    this.#admit(now);
  }

  /** A component of an entry ended that had calls with this deadline. */
  called(entry: GateEntry, component: number, tookMs: number, deadlineMs: number, now: number): void {
    const pace = this.#paceOf(component);
    pace.took(tookMs, deadlineMs, this.inside <= leastLimit);
    if (!pace.isCongested || entry.beganAt < this.#shrunkAt) return;
    this.#limit = Math.max(Math.min(leastLimit, this.#most), Math.min(this.#limit, this.inside) * shrinkBy);
    this.#shrunkAt = now;
    pace.forgive(deadlineMs);
  }

  #paceOf(component: number): UpstreamPace {
    for (let index = this.#paces.length; index <= component; index++) this.#paces.push(new UpstreamPace());
    return this.#paces[component] as UpstreamPace;
  }

  #grow(): void {
    for (const pace of this.#paces) if (!pace.isQuick) return;
    this.#limit = Math.min(this.#limit + growth, this.#most);
  }

  /** Entries may end inside `begin` and call `leave`: those only count, this loop goes on. */
  #admit(now: number): void {
    if (this.#isAdmitting) return;
    this.#isAdmitting = true;
    try {
      for (let entry = this.#first; entry !== null && this.inside < this.limit; entry = this.#first) {
        this.#remove(entry);
        if (now + this.#safeServiceMs > entry.answerBy) {
          entry.turnedAway(this.retryAfterMs);
          continue;
        }
        this.#letIn(entry, now);
        entry.begin();
      }
    } finally {
      this.#isAdmitting = false;
    }
  }

  /** What an entry that begins takes, at most as a rule. */
  get #safeServiceMs(): number {
    return this.#serviceMs + safeSpreads * this.#serviceSpreadMs;
  }

  #letIn(entry: GateEntry, now: number): void {
    entry.gateState = GateState.inside;
    entry.beganAt = now;
    this.inside++;
  }

  #push(entry: GateEntry): void {
    entry.gateState = GateState.waiting;
    entry.gatePrevious = this.#last;
    entry.gateNext = null;
    if (this.#last === null) this.#first = entry;
    else this.#last.gateNext = entry;
    this.#last = entry;
    this.waiting++;
  }

  #remove(entry: GateEntry): void {
    if (entry.gatePrevious === null) this.#first = entry.gateNext;
    else entry.gatePrevious.gateNext = entry.gateNext;
    if (entry.gateNext === null) this.#last = entry.gatePrevious;
    else entry.gateNext.gatePrevious = entry.gatePrevious;
    entry.gatePrevious = null;
    entry.gateNext = null;
    entry.gateState = GateState.outside;
    this.waiting--;
  }
}
