import { editDistance } from '@inferflow/dag';

/** Comparisons of two texts in the search of one index, at most: a model with ten thousands of columns must not block for its typos. */
const MAX_COMPARISONS = 10_000;
/** Looks at a candidate's length and letters, at most. */
const MAX_LOOKS = 5_000_000;

/** Names of columns, to find the one that another name was probably meant to be. */
export class NearNames {
  readonly #names: readonly string[];
  readonly #lower: string[] = [];
  readonly #masks: Uint32Array;
  readonly #byLength = new Map<number, number[]>();
  /** Names by what follows one of their colons. */
  readonly #byEnd = new Map<string, string>();
  /** Names by what comes before their last colon. */
  readonly #byStart = new Map<string, string[]>();
  readonly #known: ReadonlySet<string>;
  #comparisons = 0;
  #looks = 0;

  constructor(names: Iterable<string>) {
    this.#names = [...names];
    this.#known = new Set(this.#names);
    this.#masks = new Uint32Array(this.#names.length);
    for (const [index, name] of this.#names.entries()) {
      const lower = name.toLowerCase();
      this.#lower.push(lower);
      this.#masks[index] = lettersOf(lower);
      append(this.#byLength, name.length, index);
      for (let at = name.indexOf(':'); at >= 0; at = name.indexOf(':', at + 1)) {
        const end = name.slice(at + 1);
        if (!this.#byEnd.has(end)) this.#byEnd.set(end, name);
      }
      append(this.#byStart, startOf(name), name);
    }
  }

  /**
   * A name that differs in a letter (in two if it is long), in case, or by a component name in front. Names of one or two letters are too
   * often alike on purpose. Gives up after so many comparisons that the search would be felt.
   */
  near(name: string): string | undefined {
    return this.#byEnd.get(name) ?? this.#ownEnd(name) ?? this.#similar(name);
  }

  /** Names with the same first part: of the same component, or of the same feature group. */
  siblings(name: string): readonly string[] {
    const start = startOf(name);
    return start.length < 2 ? [] : (this.#byStart.get(start) ?? []);
  }

  #ownEnd(name: string): string | undefined {
    for (let at = name.indexOf(':'); at >= 0; at = name.indexOf(':', at + 1)) {
      const end = name.slice(at + 1);
      if (this.#known.has(end)) return end;
    }
    return undefined;
  }

  #similar(name: string): string | undefined {
    const lower = name.toLowerCase();
    const letters = lettersOf(lower);
    const limit = name.length < 3 ? 0 : name.length < 10 ? 1 : 2;
    for (let distance = 0; distance <= limit; distance++) {
      for (let length = name.length - distance; length <= name.length + distance; length++) {
        const found = this.#within(lower, letters, length, distance);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  #within(lower: string, letters: number, length: number, distance: number): string | undefined {
    const candidates = this.#byLength.get(length);
    if (candidates === undefined || this.#looks >= MAX_LOOKS) return undefined;
    this.#looks += candidates.length;
    for (const index of candidates) {
      if (bitCount((this.#masks[index] as number) ^ letters) > 2 * distance) continue;
      const candidate = this.#lower[index] as string;
      if (distance === 0 ? candidate !== lower : !this.#isWithin(lower, candidate, distance)) continue;
      return this.#names[index];
    }
    return undefined;
  }

  #isWithin(lower: string, candidate: string, distance: number): boolean {
    if (this.#comparisons >= MAX_COMPARISONS || differInDigits(lower, candidate)) return false;
    this.#comparisons++;
    return editDistance(lower, candidate, distance) <= distance;
  }
}

/** True if a name is one slip of the finger away from another. `user-id` for `user_id` is no slip, but another custom. */
export function isSlip(name: string, meant: string): boolean {
  const [a, b] = [name.toLowerCase(), meant.toLowerCase()];
  const [plainA, plainB] = [a, b].map((text) => text.replaceAll(/[-_]/g, ''));
  if (plainA === plainB || Math.min(a.length, b.length) < 4 || differInDigits(a, b)) return false;
  return editDistance(a, b, 1) <= 1;
}

/** `feature_1` and `feature_2` are two names, not one misspelt. */
function differInDigits(a: string, b: string): boolean {
  let i = 0;
  let j = 0;
  for (;;) {
    const [inA, inB] = [isDigit(a, i), isDigit(b, j)];
    if (inA !== inB) return false;
    if (inA) {
      while (isDigit(a, i)) i++;
      while (isDigit(b, j)) j++;
      continue;
    }
    if (i >= a.length || j >= b.length) return i >= a.length && j >= b.length;
    if (a.charCodeAt(i++) !== b.charCodeAt(j++)) return false;
  }
}

function isDigit(text: string, at: number): boolean {
  const code = text.charCodeAt(at);
  return code >= 48 && code <= 57;
}

/** A bit for each kind of letter. An edit changes two of them at most, so texts that differ in more need no closer look. */
function lettersOf(text: string): number {
  let letters = 0;
  for (let at = 0; at < text.length; at++) letters |= 1 << (text.charCodeAt(at) & 31);
  return letters >>> 0;
}

function bitCount(bits: number): number {
  let rest = bits - ((bits >>> 1) & 0x55555555);
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333);
  return (((rest + (rest >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

function startOf(name: string): string {
  return name.slice(0, name.lastIndexOf(':') + 1);
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
