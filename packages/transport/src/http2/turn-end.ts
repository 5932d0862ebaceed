/** What has bytes to send when the turn ends. */
export interface Flushable {
  /** True while it waits to be flushed; kept by {@link TurnEnd}. */
  isDirty: boolean;
  /** Called once per turn in which it was marked. Must not throw. */
  flush(): void;
}

/**
 * The end of a turn of the event loop, when every connection that has something to say writes once: one `setImmediate` for all of
 * them. It runs after the sockets of the turn were read, so whatever their answers started leaves in the same write.
 */
export class TurnEnd {
  readonly #dirty: Flushable[] = [];
  readonly #run = () => this.#flushAll();
  #isAsked = false;

  /** Flushes at the end of this turn. */
  mark(item: Flushable): void {
    if (item.isDirty) return;
    item.isDirty = true;
    this.#dirty.push(item);
    if (this.#isAsked) return;
    this.#isAsked = true;
    setImmediate(this.#run);
  }

  #flushAll(): void {
    // What is marked while this runs, because a flush made room for a call elsewhere, is flushed too.
    for (let i = 0; i < this.#dirty.length; i++) {
      const item = this.#dirty[i]!;
      item.isDirty = false;
      item.flush();
    }
    this.#dirty.length = 0;
    this.#isAsked = false;
  }
}

/** The turns of this process. Process state on purpose: one wake-up serves every connection. */
export const turnEnd: TurnEnd = new TurnEnd();
