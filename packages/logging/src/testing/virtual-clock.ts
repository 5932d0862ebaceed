import type { QueueClock } from '../pipeline/sink-queue.js';

/** A clock that stands still until it is told otherwise. */
export class VirtualClock implements QueueClock {
  #now = 0;
  #nextId = 1;
  readonly #timers = new Map<number, { readonly at: number; readonly callback: () => void }>();

  now(): number {
    return this.#now;
  }

  after(ms: number, callback: () => void): () => void {
    const id = this.#nextId++;
    this.#timers.set(id, { at: this.#now + ms, callback });
    return () => this.#timers.delete(id);
  }

  /** Lets time pass: timers fire in order, and what they set off runs in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    for (;;) {
      await settled();
      let due: number | null = null;
      for (const [id, { at }] of this.#timers) if (at <= end && (due === null || at < (this.#timers.get(due)?.at ?? 0))) due = id;
      if (due === null) break;
      const timer = this.#timers.get(due);
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, timer?.at ?? 0);
      timer?.callback();
    }
    this.#now = end;
    await settled();
  }
}

async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}
