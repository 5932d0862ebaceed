import { closestName } from './closest-name.js';

/** Comparisons of two names, at most: a graph with thousands of names must not block for its typos. */
const MAX_COMPARISONS = 100_000;

/** The names that there are, to find the one that an unknown name was probably meant to be. */
export class KnownNames {
  readonly #names: readonly string[];
  #comparisons = 0;

  constructor(names: Iterable<string>) {
    this.#names = [...names];
  }

  /** Undefined if no name is close, or after so many comparisons that the search would be felt. */
  closest(name: string): string | undefined {
    if (this.#comparisons >= MAX_COMPARISONS) return undefined;
    this.#comparisons += this.#names.length;
    return closestName(name, this.#names);
  }
}
