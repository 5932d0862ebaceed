/** What can wait in a {@link DeadlineQueue}. The fields belong to the queue; start `deadlineSlot` as −1 and the links as `null`. */
export interface DeadlineEntry {
  /** When the entry is due, on the queue's clock. */
  deadlineAt: number;
  /** −1 while the entry is not queued. */
  deadlineSlot: number;
  deadlinePrevious: DeadlineEntry | null;
  deadlineNext: DeadlineEntry | null;
  /** Called once, after the entry left the queue. Must not throw. */
  deadlinePassed(): void;
}

/** Where the queue gets time from; replaced only by tests. */
export interface DeadlineClock {
  now(): number;
  setTimer(callback: () => void, delayMs: number): DeadlineTimer;
  clearTimer(timer: DeadlineTimer): void;
  /** Runs the callback when the current turn of the event loop has read its sockets. */
  atTurnEnd(callback: () => void): void;
}

/** A timer that need not keep the process alive. */
export interface DeadlineTimer {
  ref(): unknown;
  unref(): unknown;
}

const slotCount = 4096;
const slotMask = slotCount - 1;
const dueSlot = slotCount;
const firingSlot = slotCount + 1;
const lateSlot = slotCount + 2;
/** An entry that is found so long after its time was found late because the process was busy. */
const lateByMs = 5;
const longestTimerMs = 0x7fffffff;

const systemClock: DeadlineClock = {
  now: () => performance.now(),
  setTimer: (callback, delayMs) => setTimeout(callback, delayMs),
  clearTimer: (timer) => clearTimeout(timer as NodeJS.Timeout),
  atTurnEnd: (callback) => void setImmediate(callback),
};

/**
 * All deadlines of a process under one Node timer, in intrusive lists of 1 ms slots: adding and removing costs a few nanoseconds and
 * allocates nothing. The timer is set to the earliest occupied slot, so an idle process is not woken, and it keeps the process
 * alive only while something waits.
 *
 * A timer fires before the sockets of its turn are read. So an entry that is due is acted on at the end of that turn, and an answer
 * which is already in the socket wins. When that is long after its time, the process was busy meanwhile: then the sockets are read once
 * more, for what the other side could not send before it was read.
 */
export class DeadlineQueue {
  readonly #clock: DeadlineClock;
  readonly #heads: (DeadlineEntry | null)[] = new Array<DeadlineEntry | null>(slotCount + 3).fill(null);
  /** Lower bound of the due ticks in a slot; slots are shared by ticks that are `slotCount` apart. */
  readonly #earliest = new Float64Array(slotCount).fill(Number.POSITIVE_INFINITY);
  readonly #occupied = new Uint32Array(slotCount >>> 5);
  readonly #onTimer = () => this.#timerFired();
  readonly #onTurnEnd = () => this.#turnEnded();
  #count = 0;
  #sweptTick: number;
  #timer: DeadlineTimer | null = null;
  #timerTick = Number.POSITIVE_INFINITY;
  #hasTurnEnd = false;
  #closed = false;

  constructor(clock: DeadlineClock = systemClock) {
    this.#clock = clock;
    this.#sweptTick = Math.floor(clock.now());
  }

  /** Entries that wait. */
  get size(): number {
    return this.#count;
  }

  /**
   * Queues an entry (moves it when it is queued already). `Infinity` and a closed queue only remove it. A time that has passed is acted on at the end of this turn.
   *
   * @param now what the clock said a moment ago, for callers that have looked
   */
  add(entry: DeadlineEntry, at: number, now?: number): void {
    if (entry.deadlineSlot >= 0) this.remove(entry);
    if (this.#closed || at === Number.POSITIVE_INFINITY || Number.isNaN(at)) return;
    entry.deadlineAt = at;
    const tick = Math.ceil(at);
    if (tick <= this.#sweptTick || at <= (now ?? this.#clock.now())) {
      this.#push(entry, dueSlot);
      this.#count++;
      this.#askTurnEnd();
      return;
    }
    const slot = tick & slotMask;
    this.#push(entry, slot);
    if (tick < this.#earliest[slot]!) this.#earliest[slot] = tick;
    this.#occupied[slot >>> 5]! |= 1 << (slot & 31);
    this.#count++;
    if (tick < this.#timerTick) this.#arm(tick);
    if (this.#count === 1) this.#timer?.ref();
  }

  /** Takes an entry out; one that is not queued is ignored. */
  remove(entry: DeadlineEntry): void {
    const slot = entry.deadlineSlot;
    if (slot < 0) return;
    this.#unlink(entry, slot);
    this.#count--;
    if (this.#count === 0) this.#timer?.unref();
  }

  /** Drops every entry without telling it. The queue stays unusable. */
  close(): void {
    this.#closed = true;
    for (let slot = 0; slot <= lateSlot; slot++)
      for (let entry: DeadlineEntry | null = this.#head(slot); entry !== null; entry = this.#head(slot)) this.#unlink(entry, slot);
    this.#count = 0;
    if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
    this.#timer = null;
  }

  #head(slot: number): DeadlineEntry | null {
    return this.#heads[slot] ?? null;
  }

  #push(entry: DeadlineEntry, slot: number): void {
    const head = this.#head(slot);
    entry.deadlineSlot = slot;
    entry.deadlinePrevious = null;
    entry.deadlineNext = head;
    if (head !== null) head.deadlinePrevious = entry;
    this.#heads[slot] = entry;
  }

  #unlink(entry: DeadlineEntry, slot: number): void {
    const previous = entry.deadlinePrevious;
    const next = entry.deadlineNext;
    if (previous !== null) previous.deadlineNext = next;
    else {
      this.#heads[slot] = next;
      if (next === null && slot < slotCount) {
        this.#earliest[slot] = Number.POSITIVE_INFINITY;
        this.#occupied[slot >>> 5]! &= ~(1 << (slot & 31));
      }
    }
    if (next !== null) next.deadlinePrevious = previous;
    entry.deadlineSlot = -1;
    entry.deadlinePrevious = null;
    entry.deadlineNext = null;
  }

  #arm(tick: number): void {
    if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
    this.#timerTick = tick;
    const delay = Math.min(Math.max(Math.ceil(tick - this.#clock.now()), 1), longestTimerMs);
    this.#timer = this.#clock.setTimer(this.#onTimer, delay);
    if (this.#count === 0) this.#timer.unref();
  }

  #timerFired(): void {
    this.#timer = null;
    this.#timerTick = Number.POSITIVE_INFINITY;
    const nowTick = Math.floor(this.#clock.now());
    const from = this.#sweptTick + 1;
    // After a long pause every slot is visited once; ticks that share a slot are told apart by the entry's own time.
    const until = Math.min(nowTick, from + slotMask);
    for (let tick = from; tick <= until; tick++) {
      const slot = tick & slotMask;
      const word = this.#occupied[slot >>> 5]!;
      if (word === 0) tick += 31 - (slot & 31);
      else if ((word & (1 << (slot & 31))) !== 0 && this.#earliest[slot]! <= nowTick) this.#sweep(slot, nowTick);
    }
    this.#sweptTick = Math.max(this.#sweptTick, nowTick);
    if (this.#head(dueSlot) !== null) this.#askTurnEnd();
    const next = this.#nextTick();
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next);
  }

  #sweep(slot: number, nowTick: number): void {
    let earliest = Number.POSITIVE_INFINITY;
    let next: DeadlineEntry | null;
    for (let entry: DeadlineEntry | null = this.#head(slot); entry !== null; entry = next) {
      next = entry.deadlineNext;
      const tick = Math.ceil(entry.deadlineAt);
      if (tick <= nowTick) {
        this.#unlink(entry, slot);
        this.#push(entry, dueSlot);
      } else if (tick < earliest) earliest = tick;
    }
    this.#earliest[slot] = earliest;
  }

  /** The earliest occupied tick. In circular order from the last sweep, the first slot whose time lies within one turn of the wheel is it. */
  #nextTick(): number {
    const from = this.#sweptTick + 1;
    let best = Number.POSITIVE_INFINITY;
    for (let tick = from; tick < from + slotCount; tick++) {
      const slot = tick & slotMask;
      const word = this.#occupied[slot >>> 5]!;
      if (word === 0) {
        tick += 31 - (slot & 31);
        continue;
      }
      if ((word & (1 << (slot & 31))) === 0) continue;
      const earliest = this.#earliest[slot]!;
      if (earliest < best) best = earliest;
      if (earliest <= tick) return best;
    }
    return best;
  }

  #askTurnEnd(): void {
    if (this.#hasTurnEnd) return;
    this.#hasTurnEnd = true;
    this.#clock.atTurnEnd(this.#onTurnEnd);
  }

  #turnEnded(): void {
    this.#hasTurnEnd = false;
    // Moved aside first: what a callback adds as already due waits for the next turn instead of keeping this one busy.
    this.#moveAll(lateSlot, firingSlot);
    const late = this.#clock.now() - lateByMs;
    let next: DeadlineEntry | null;
    for (let entry: DeadlineEntry | null = this.#head(dueSlot); entry !== null; entry = next) {
      next = entry.deadlineNext;
      this.#unlink(entry, dueSlot);
      this.#push(entry, entry.deadlineAt < late ? lateSlot : firingSlot);
    }
    if (this.#head(lateSlot) !== null) this.#askTurnEnd();
    try {
      for (let entry: DeadlineEntry | null = this.#head(firingSlot); entry !== null; entry = this.#head(firingSlot)) {
        this.remove(entry);
        entry.deadlinePassed();
      }
    } finally {
      if (this.#head(firingSlot) !== null) this.#requeueFiring();
    }
  }

  #requeueFiring(): void {
    this.#moveAll(firingSlot, dueSlot);
    this.#askTurnEnd();
  }

  #moveAll(from: number, to: number): void {
    for (let entry: DeadlineEntry | null = this.#head(from); entry !== null; entry = this.#head(from)) {
      this.#unlink(entry, from);
      this.#push(entry, to);
    }
  }
}

/** The deadlines of this process. A timer wheel is process state on purpose: one timer serves every upstream and every server. */
export const deadlines: DeadlineQueue = new DeadlineQueue();
