/** Part of what nobody needed since the last look that is let go then: a burst may come back. */
const letGoShare = 1 / 8;

/** Things that an owner of {@link IdleList}s is given back from one look at what is not needed to the next: seconds of a busy server. */
export const givesPerLook: number = 1 << 13;

/**
 * Things between two uses, the last one given back taken first. Knows how few there were at any time since the last look: nobody needed
 * these. Its owner bounds it, and calls {@link IdleList.letGo} every {@link givesPerLook}, so that a burst does not stay for ever.
 */
export class IdleList<T> {
  readonly #items: T[] = [];
  #fewest = 0;

  get length(): number {
    return this.#items.length;
  }

  take(): T | undefined {
    const item = this.#items.pop();
    if (this.#items.length < this.#fewest) this.#fewest = this.#items.length;
    return item;
  }

  give(item: T): void {
    this.#items.push(item);
  }

  /**
   * Leaves an eighth of what was not needed since the last call to the garbage collector, at least one of it.
   *
   * @param dropped told of each
   */
  letGo(dropped?: (item: T) => void): void {
    const kept = this.#items.length - Math.ceil(this.#fewest * letGoShare);
    while (this.#items.length > kept) {
      const item = this.#items.pop() as T;
      dropped?.(item);
    }
    this.#fewest = kept;
  }

  /** Forgets all. */
  clear(): void {
    this.#items.length = 0;
    this.#fewest = 0;
  }
}
