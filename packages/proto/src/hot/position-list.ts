const KEPT_ENTRIES = 1 << 15;

/** A growing list of byte ranges within one message, reused from message to message. */
export class PositionList {
  count = 0;
  #bounds = new Int32Array(64);

  /** Forgets the entries; a list that one huge message has blown up shrinks again. */
  clear(): void {
    this.count = 0;
    if (this.#bounds.length > KEPT_ENTRIES * 2) this.#bounds = new Int32Array(64);
  }

  add(start: number, end: number): void {
    const at = this.count * 2;
    if (at === this.#bounds.length) {
      const larger = new Int32Array(at * 2);
      larger.set(this.#bounds);
      this.#bounds = larger;
    }
    this.#bounds[at] = start;
    this.#bounds[at + 1] = end;
    this.count++;
  }

  start(index: number): number {
    return this.#bounds[index * 2] as number;
  }

  end(index: number): number {
    return this.#bounds[index * 2 + 1] as number;
  }
}
