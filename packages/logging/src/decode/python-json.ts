import type { DecodedCell } from './decoded-cell.js';

// JSON as Python reads it: NaN and Infinity are numbers, integers keep every digit.

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON texts must not hold them.
const stringPattern = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const constants: readonly (readonly [string, DecodedCell])[] = [
  ['null', null],
  ['true', true],
  ['false', false],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['-Infinity', Number.NEGATIVE_INFINITY],
];
const deepest = 500;

class Invalid extends Error {}

/** The value of a JSON text; undefined when it is not one. */
export function parsePythonJson(bytes: Uint8Array): DecodedCell | undefined {
  try {
    return new Reader(decoder.decode(bytes)).read();
  } catch {
    return undefined;
  }
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): DecodedCell {
    this.#blanks();
    const value = this.#value(0);
    this.#blanks();
    if (this.#at < this.#text.length) throw new Invalid();
    return value;
  }

  #value(depth: number): DecodedCell {
    if (depth > deepest) throw new Invalid();
    const character = this.#text[this.#at];
    if (character === '[') return this.#list(depth);
    if (character === '{') return this.#object(depth);
    if (character === '"') return this.#string();
    for (const [word, value] of constants) {
      if (this.#text.startsWith(word, this.#at)) {
        this.#at += word.length;
        return value;
      }
    }
    return this.#number();
  }

  #list(depth: number): DecodedCell {
    const values: DecodedCell[] = [];
    this.#at++;
    this.#blanks();
    if (this.#take(']')) return values;
    for (;;) {
      this.#blanks();
      values.push(this.#value(depth + 1));
      this.#blanks();
      if (this.#take(']')) return values;
      if (!this.#take(',')) throw new Invalid();
    }
  }

  #object(depth: number): DecodedCell {
    const entries = new Map<string, DecodedCell>();
    this.#at++;
    this.#blanks();
    if (this.#take('}')) return {};
    for (;;) {
      this.#blanks();
      const key = this.#string();
      this.#blanks();
      if (!this.#take(':')) throw new Invalid();
      this.#blanks();
      entries.set(key, this.#value(depth + 1));
      this.#blanks();
      if (this.#take('}')) return Object.fromEntries(entries);
      if (!this.#take(',')) throw new Invalid();
    }
  }

  #string(): string {
    stringPattern.lastIndex = this.#at;
    const found = stringPattern.exec(this.#text);
    if (found === null) throw new Invalid();
    this.#at = stringPattern.lastIndex;
    return JSON.parse(found[0]) as string;
  }

  #number(): number | bigint {
    numberPattern.lastIndex = this.#at;
    const found = numberPattern.exec(this.#text);
    if (found === null || found[0] === '') throw new Invalid();
    this.#at = numberPattern.lastIndex;
    const value = Number(found[0]);
    return /^-?\d+$/.test(found[0]) && !Number.isSafeInteger(value) ? BigInt(found[0]) : value;
  }

  #blanks(): void {
    while (this.#at < this.#text.length && ' \t\n\r'.includes(this.#text[this.#at] as string)) this.#at++;
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}
