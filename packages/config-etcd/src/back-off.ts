/** Times between attempts: doubling up to a limit, each shortened at random so that servers do not come back in step. */
export class BackOff {
  readonly #firstMs: number;
  readonly #limitMs: number;
  #attempts = 0;

  constructor(firstMs: number, limitMs: number) {
    this.#firstMs = firstMs;
    this.#limitMs = limitMs;
  }

  /** Milliseconds to wait before the next attempt. */
  next(): number {
    const fullMs = Math.min(this.#firstMs * 2 ** this.#attempts, this.#limitMs);
    this.#attempts++;
    return fullMs * (0.5 + Math.random() / 2);
  }

  reset(): void {
    this.#attempts = 0;
  }
}
