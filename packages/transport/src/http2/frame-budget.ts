/**
 * How many frames of a kind a peer may send that cost us work and bring it nothing: a bucket of so many, filled again with time and by
 * what the peer does of use. The clock is read only when the bucket is empty.
 */
export class FrameBudget {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #filledAt: number;

  constructor(burst: number, perSecond: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#filledAt = performance.now();
  }

  /** False when the budget is used up. */
  spend(count: number): boolean {
    this.#left -= count;
    return this.#left >= 0 || this.#refill();
  }

  /** Gives back, up to the burst. */
  earn(count: number): void {
    this.#left = Math.min(this.#left + count, this.#burst);
  }

  #refill(): boolean {
    const now = performance.now();
    const back = ((now - this.#filledAt) * this.#perSecond) / 1000;
    this.#filledAt = now;
    this.earn(back);
    return this.#left >= 0;
  }
}
