/** Where the rows of one component of one model belong in the cache, and how long they count, for one plan. */
export interface CacheSource {
  /** In every entry. Never given to another source. */
  readonly number: number;
  /** How long after it was written an entry is fresh. */
  readonly ttlMs: number;
  /** How long after it was written an entry is of any use. */
  readonly lifeMs: number;
}

/** The sources that plans asked for. */
export class CacheSources {
  readonly #byText = new Map<string, CacheSource>();
  readonly #byNumber = new Map<number, CacheSource>();
  #lastNumber = 0;

  /** The source of a text, with the times of a new plan. */
  of(text: string, ttlMs: number, staleMs: number): CacheSource {
    const number = this.#byText.get(text)?.number ?? ++this.#lastNumber;
    const source: CacheSource = { number, ttlMs, lifeMs: ttlMs + staleMs };
    this.#byText.set(text, source);
    this.#byNumber.set(number, source);
    return source;
  }

  /** How long entries of a source are of any use. */
  lifeMsOf(number: number): number {
    return this.#byNumber.get(number)?.lifeMs ?? Number.POSITIVE_INFINITY;
  }
}
