/** Work that waits for its turn. */
export interface Turn {
  /** Its turn has come. When the work is finished, which may be at once, `Turns.over` is told. Must not throw. */
  begin(): void;
}

/** Lets few pieces of work run at a time, in the order in which they came. */
export class Turns {
  readonly #most: number;
  readonly #waiting = new Set<Turn>();
  readonly #running = new Set<Turn>();
  #isBeginning = false;

  /** @param most how many may run at a time, at least 1 */
  constructor(most: number) {
    this.#most = most;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  get running(): number {
    return this.#running.size;
  }

  /** Begins it at once when there is room, and later otherwise. */
  add(turn: Turn): void {
    this.#waiting.add(turn);
    this.#beginNext();
  }

  /** It is finished, or given up while it waits or runs. Told again, it does nothing. */
  over(turn: Turn): void {
    if (this.#waiting.delete(turn) || !this.#running.delete(turn)) return;
    this.#beginNext();
  }

  /** A loop, for a turn may be over before its `begin` returns. */
  #beginNext(): void {
    if (this.#isBeginning) return;
    this.#isBeginning = true;
    for (const turn of this.#waiting) {
      if (this.#running.size >= this.#most) break;
      this.#waiting.delete(turn);
      this.#running.add(turn);
      turn.begin();
    }
    this.#isBeginning = false;
  }
}
