import { RowForms } from './row-forms.js';

const maxSources = 4096;

/** Where the rows of one component of one model belong in the cache, and how long they count, for one plan. */
export interface CacheSource {
  /** In every entry. Never given to another source. */
  readonly number: number;
  /** How long after it was written an entry is fresh. */
  readonly ttlMs: number;
  /** How long after it was written an entry is of any use. */
  readonly lifeMs: number;
  /** In which its rows stand; the same for all plans. */
  readonly forms: RowForms;
}

/** The sources that plans asked for last. A plan keeps the one that it got: who is forgotten only starts cold at the next plan. */
export class CacheSources {
  readonly #byText = new Map<string, CacheSource>();
  readonly #byNumber = new Map<number, CacheSource>();
  #lastNumber = 0;

  /** How many are known. */
  get size(): number {
    return this.#byText.size;
  }

  /** The source of a text, with the times of a new plan. */
  of(text: string, ttlMs: number, staleMs: number): CacheSource {
    const known = this.#byText.get(text);
    const number = known?.number ?? ++this.#lastNumber;
    const source: CacheSource = { number, ttlMs, lifeMs: ttlMs + staleMs, forms: known?.forms ?? new RowForms() };
    this.#byText.delete(text);
    this.#byText.set(text, source);
    this.#byNumber.set(number, source);
    if (this.#byText.size > maxSources) this.#forgetOldest();
    return source;
  }

  /** How long entries of a source are of any use; of one that is not known any more, a plan may still know better. */
  lifeMsOf(number: number): number {
    return this.#byNumber.get(number)?.lifeMs ?? Number.POSITIVE_INFINITY;
  }

  #forgetOldest(): void {
    for (const [text, { number }] of this.#byText) {
      this.#byText.delete(text);
      this.#byNumber.delete(number);
      return;
    }
  }
}
