const burst = 10;

/** Lets retries be a share of the calls: each call earns a part of a retry. Starts with, and never holds more than, a burst of ten. */
export class RetryBudget {
  readonly #ratio: number;
  #tokens: number;

  /** @param ratio retries per call, 0 for none at all. */
  constructor(ratio: number) {
    this.#ratio = ratio;
    this.#tokens = ratio > 0 ? burst : 0;
  }

  /** A call was started. */
  earn(): void {
    this.#tokens = Math.min(this.#tokens + this.#ratio, burst);
  }

  /** Takes one retry, if there is one. */
  take(): boolean {
    if (this.#ratio === 0 || this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
