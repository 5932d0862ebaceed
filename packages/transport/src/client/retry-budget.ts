const atStart = 10;
/**
 * A connection that is lost fails everything on it at once. What earlier calls earned must cover that, or a dead address would fail
 * requests while another lives: ten were too few for 24 calls in flight at 300 calls a second.
 */
const mostSaved = 200;

/** Lets retries be a share of the calls: each call earns a part of a retry. Starts with ten; up to 200 earned ones are kept. */
export class RetryBudget {
  readonly #ratio: number;
  #tokens: number;

  /** @param ratio retries per call, 0 for none at all. */
  constructor(ratio: number) {
    this.#ratio = ratio;
    this.#tokens = ratio > 0 ? atStart : 0;
  }

  /** A call was started. */
  earn(): void {
    this.#tokens = Math.min(this.#tokens + this.#ratio, mostSaved);
  }

  /** Takes one retry, if there is one. */
  take(): boolean {
    if (this.#ratio === 0 || this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}
