/** What an {@link OpenList} holds. */
export interface OpenEntry {
  /** Place in its list, −1 outside; the list's own. */
  openIndex: number;
}

/**
 * What is open at the moment, in no order. A list, and no set: a set's outgrown tables hold on to what they held, one to the next, until old
 * memory is collected.
 */
export class OpenList<T extends OpenEntry> {
  readonly #entries: T[] = [];

  /** Any entry, `undefined` when there is none. */
  get any(): T | undefined {
    return this.#entries[0];
  }

  add(entry: T): void {
    entry.openIndex = this.#entries.length;
    this.#entries.push(entry);
  }

  /** One that is not here is ignored. */
  remove(entry: T): void {
    const { openIndex } = entry;
    if (openIndex < 0) return;
    entry.openIndex = -1;
    const last = this.#entries.pop() as T;
    if (last === entry) return;
    last.openIndex = openIndex;
    this.#entries[openIndex] = last;
  }

  /** A copy of what is here now. */
  toArray(): T[] {
    return [...this.#entries];
  }
}
