/** What has bytes to send when the turn ends. */
export interface Flushable {
  /** True while it waits to be flushed; kept by {@link TurnEnd}. */
  isDirty: boolean;
  /** Called once per turn in which it was marked. A throw becomes a process warning. */
  flush(): void;
}

/**
 * The end of a turn of the event loop, when every connection that has something to say writes once: one `setImmediate` for all of
 * them. It runs after the sockets of the turn were read, so whatever their answers started leaves in the same write.
 */
export class TurnEnd {
  #dirty: Flushable[] = [];
  #flushing: Flushable[] = [];
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
    const items = this.#dirty;
    this.#dirty = this.#flushing;
    this.#flushing = items;
    this.#isAsked = false;
    // What is marked from here on waits for the next turn, so that a flush whose callbacks start calls cannot keep this one busy.
    for (let i = 0; i < items.length; i++) items[i]!.isDirty = false;
    for (let i = 0; i < items.length; i++) {
      try {
        items[i]!.flush();
      } catch (error) {
        // One that is broken must not keep the others from writing.
        process.emitWarning(error instanceof Error ? (error.stack ?? error.message) : String(error), { code: 'INFERFLOW_TRANSPORT_FLUSH' });
      }
    }
    items.length = 0;
  }
}

/** The turns of this process. Process state on purpose: one wake-up serves every connection. */
export const turnEnd: TurnEnd = new TurnEnd();
