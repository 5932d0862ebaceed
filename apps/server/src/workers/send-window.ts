/** Messages that may be on their way at once: connections are dealt out over the same channel and must not wait behind megabytes. */
const MOST_AHEAD = 16;

/** Lets a sender be a few messages ahead of who takes them, and no more. */
export class SendWindow {
  #ahead = 0;
  #isClosed = false;
  #resume: (() => void) | null = null;

  /** Waits until one more may be sent. Returns false when no more are wanted. */
  async room(): Promise<boolean> {
    while (!this.#isClosed && this.#ahead >= MOST_AHEAD) {
      await new Promise<void>((resolve) => {
        this.#resume = resolve;
      });
    }
    this.#ahead++;
    return !this.#isClosed;
  }

  /** One of those sent has been taken. */
  taken(): void {
    this.#ahead--;
    this.#resume?.();
  }

  /** No more are wanted. */
  close(): void {
    this.#isClosed = true;
    this.#resume?.();
  }
}
