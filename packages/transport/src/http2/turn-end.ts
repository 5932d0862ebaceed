/** What has calls to start or bytes to send when the turn ends. */
export interface Flushable {
  /** True while it waits to be flushed; kept by {@link TurnEnd}. Start it as false. */
  isDirty: boolean;
  /** Called once per turn in which it was marked. A throw becomes a process warning. */
  flush(): void;
}

/** Two lists that take turns: one is filled while the other is flushed. */
class Waiting {
  #items: Flushable[] = [];
  #flushing: Flushable[] = [];

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** False when it waits already. */
  add(item: Flushable): boolean {
    if (item.isDirty) return false;
    item.isDirty = true;
    this.#items.push(item);
    return true;
  }

  /** What is added from here on waits for the next turn, so that a flush whose callbacks start calls cannot keep this one busy. */
  flush(): void {
    const items = this.#items;
    this.#items = this.#flushing;
    this.#flushing = items;
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

/**
 * The end of a turn of the event loop, when every connection that has something to say writes once: one `setImmediate` for all of
 * them. It runs after the sockets of the turn were read, so whatever their answers started leaves in the same write. What gathers the
 * calls of a turn (`markCalls`) goes before the connections, so that its calls are in that write, too.
 */
export class TurnEnd {
  readonly #callers = new Waiting();
  readonly #connections = new Waiting();
  readonly #run = () => this.#flushAll();
  #isAsked = false;

  /** Flushes at the end of this turn. */
  mark(item: Flushable): void {
    if (this.#connections.add(item)) this.#ask();
  }

  /** Flushes at the end of this turn, before everything of `mark`: for what starts calls then. */
  markCalls(item: Flushable): void {
    if (this.#callers.add(item)) this.#ask();
  }

  #ask(): void {
    if (this.#isAsked) return;
    this.#isAsked = true;
    setImmediate(this.#run);
  }

  #flushAll(): void {
    this.#callers.flush();
    this.#isAsked = false;
    if (!this.#callers.isEmpty) this.#ask();
    this.#connections.flush();
  }
}

/** The turns of this process. Process state on purpose: one wake-up serves every connection. */
export const turnEnd: TurnEnd = new TurnEnd();
