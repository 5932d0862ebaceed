import { type DeadlineClock, type DeadlineTimer, longestTimerMs, systemClock } from './deadline-clock.js';

/** What can wait in a {@link DeadlineQueue}. */
export interface DeadlineEntry {
  /** Where the queue keeps the entry, −1 while it does not. Belongs to the queue, one at a time; start it as −1. */
  deadlinePlace: number;
  /** Called once, after the entry left the queue. Must not throw. */
  deadlinePassed(): void;
}

const slotCount = 4096;
const slotMask = slotCount - 1;
const dueSlot = slotCount;
const firingSlot = slotCount + 1;
const lateSlot = slotCount + 2;
/** An entry that is found so long after its time was found late because the process was busy. */
const lateByMs = 5;
const firstPlaceCount = 256;
const none = -1;

/**
 * All deadlines of a process under one Node timer, in lists of 1 ms slots: adding and removing costs a few nanoseconds, and allocates
 * nothing while there are places for as many as ever waited at once (26 bytes each, kept). The timer is set to the earliest occupied slot,
 * so an idle process is not woken, and it keeps the process alive only while something waits.
 *
 * The lists are rows of numbers, one place per entry. Links in the entries themselves cost more: these are of a dozen classes, so each of
 * their fields has to be looked up, and links from old objects to new ones keep the garbage collector busy.
 *
 * A timer fires before the sockets of its turn are read. So an entry that is due is acted on at the end of that turn, and an answer
 * which is already in the socket wins. When that is long after its time, the process was busy meanwhile: then the sockets are read once
 * more, for what the other side could not send before it was read.
 */
export class DeadlineQueue {
  readonly #clock: DeadlineClock;
  /** Per slot, the place of its first entry. */
  readonly #heads = new Int32Array(slotCount + 3).fill(none);
  /** Lower bound of the due ticks in a slot; slots are shared by ticks that are `slotCount` apart. */
  readonly #earliest = new Float64Array(slotCount).fill(Number.POSITIVE_INFINITY);
  readonly #occupied = new Uint32Array(slotCount >>> 5);
  /** The next five, per place: who is there, when it is due, in which slot, and its neighbours. Free places are linked by `#next`. */
  readonly #entries: (DeadlineEntry | null)[] = [];
  #dueAt = new Float64Array(0);
  #slots = new Int16Array(0);
  #previous = new Int32Array(0);
  #next = new Int32Array(0);
  #free = none;
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
    if (this.#closed || at === Number.POSITIVE_INFINITY || Number.isNaN(at)) {
      this.remove(entry);
      return;
    }
    let place = entry.deadlinePlace;
    if (place < 0) place = this.#occupy(entry);
    else this.#unlink(place);
    this.#dueAt[place] = at;
    const tick = Math.ceil(at);
    if (tick <= this.#sweptTick || at <= (now ?? this.#clock.now())) {
      this.#link(place, dueSlot);
      this.#askTurnEnd();
      return;
    }
    const slot = tick & slotMask;
    this.#link(place, slot);
    if (tick < this.#earliest[slot]!) this.#earliest[slot] = tick;
    this.#occupied[slot >>> 5]! |= 1 << (slot & 31);
    if (tick < this.#timerTick) this.#arm(tick);
  }

  /** Takes an entry out; one that is not queued is ignored. */
  remove(entry: DeadlineEntry): void {
    const place = entry.deadlinePlace;
    if (place < 0) return;
    this.#unlink(place);
    this.#vacate(place, entry);
    if (this.#count === 0) this.#timer?.unref();
  }

  /** When an entry is due, on the queue's clock; `Infinity` when it is not queued. */
  dueAt(entry: DeadlineEntry): number {
    return entry.deadlinePlace < 0 ? Number.POSITIVE_INFINITY : this.#dueAt[entry.deadlinePlace]!;
  }

  /** Drops every entry without telling it. The queue stays unusable. */
  close(): void {
    this.#closed = true;
    for (const entry of this.#entries)
      if (entry !== null) {
        this.#unlink(entry.deadlinePlace);
        this.#vacate(entry.deadlinePlace, entry);
      }
    if (this.#timer !== null) this.#clock.clearTimer(this.#timer);
    this.#timer = null;
  }

  #occupy(entry: DeadlineEntry): number {
    if (this.#free === none) this.#makePlaces();
    const place = this.#free;
    this.#free = this.#next[place]!;
    this.#entries[place] = entry;
    entry.deadlinePlace = place;
    if (++this.#count === 1) this.#timer?.ref();
    return place;
  }

  #vacate(place: number, entry: DeadlineEntry): void {
    entry.deadlinePlace = none;
    this.#entries[place] = null;
    this.#next[place] = this.#free;
    this.#free = place;
    this.#count--;
  }

  #makePlaces(): void {
    const from = this.#entries.length;
    const to = Math.max(firstPlaceCount, from * 2);
    this.#dueAt = grown(this.#dueAt, new Float64Array(to));
    this.#slots = grown(this.#slots, new Int16Array(to));
    this.#previous = grown(this.#previous, new Int32Array(to));
    this.#next = grown(this.#next, new Int32Array(to));
    for (let place = from; place < to; place++) {
      this.#entries.push(null);
      this.#next[place] = place + 1 < to ? place + 1 : none;
    }
    this.#free = from;
  }

  #link(place: number, slot: number): void {
    const head = this.#heads[slot]!;
    this.#slots[place] = slot;
    this.#previous[place] = none;
    this.#next[place] = head;
    if (head !== none) this.#previous[head] = place;
    this.#heads[slot] = place;
  }

  #unlink(place: number): void {
    const slot = this.#slots[place]!;
    const previous = this.#previous[place]!;
    const next = this.#next[place]!;
    if (previous !== none) this.#next[previous] = next;
    else {
      this.#heads[slot] = next;
      if (next === none && slot < slotCount) {
        this.#earliest[slot] = Number.POSITIVE_INFINITY;
        this.#occupied[slot >>> 5]! &= ~(1 << (slot & 31));
      }
    }
    if (next !== none) this.#previous[next] = previous;
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
    if (this.#heads[dueSlot] !== none) this.#askTurnEnd();
    const next = this.#nextTick();
    if (next !== Number.POSITIVE_INFINITY) this.#arm(next);
  }

  #sweep(slot: number, nowTick: number): void {
    let earliest = Number.POSITIVE_INFINITY;
    let next: number;
    for (let place = this.#heads[slot]!; place !== none; place = next) {
      next = this.#next[place]!;
      const tick = Math.ceil(this.#dueAt[place]!);
      if (tick <= nowTick) {
        this.#unlink(place);
        this.#link(place, dueSlot);
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
    let next: number;
    for (let place = this.#heads[dueSlot]!; place !== none; place = next) {
      next = this.#next[place]!;
      this.#unlink(place);
      this.#link(place, this.#dueAt[place]! < late ? lateSlot : firingSlot);
    }
    if (this.#heads[lateSlot] !== none) this.#askTurnEnd();
    try {
      for (let place = this.#heads[firingSlot]!; place !== none; place = this.#heads[firingSlot]!) {
        const entry = this.#entries[place]!;
        this.remove(entry);
        entry.deadlinePassed();
      }
    } finally {
      if (this.#heads[firingSlot] !== none) this.#requeueFiring();
    }
  }

  #requeueFiring(): void {
    this.#moveAll(firingSlot, dueSlot);
    this.#askTurnEnd();
  }

  #moveAll(from: number, to: number): void {
    for (let place = this.#heads[from]!; place !== none; place = this.#heads[from]!) {
      this.#unlink(place);
      this.#link(place, to);
    }
  }
}

function grown<T extends Float64Array | Int32Array | Int16Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

/** The deadlines of this process. A timer wheel is process state on purpose: one timer serves every upstream and every server. */
export const deadlines: DeadlineQueue = new DeadlineQueue();
