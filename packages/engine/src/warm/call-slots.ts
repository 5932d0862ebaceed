/** Lets a bounded number of tasks run at once; the others wait, each no longer than it is worth it. */
export class CallSlots {
  readonly #most: number;
  #open = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  /**
   * Runs a task when there is room.
   * @param deadline on the `performance.now()` clock; when it has passed the task is not begun
   * @returns what the task gives, undefined if it was not begun
   */
  async run<T>(deadline: number, task: () => Promise<T>): Promise<T | undefined> {
    if (this.#open >= this.#most) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#open++;
    try {
      return performance.now() >= deadline ? undefined : await task();
    } finally {
      // The place goes to the next in line.
      const next = this.#waiting.shift();
      if (next === undefined) this.#open--;
      else next();
    }
  }
}
