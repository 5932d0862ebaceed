import type { TextNode } from './text-node.js';

/** A JSON text as a tree of places, or where it stops being JSON. */
export type JsonTree = { readonly root: TextNode } | { readonly errorAt: number };

const blanks = /[ \t\n\r]*/y;
// biome-ignore lint/suspicious/noControlCharactersInRegex: a JSON text holds none of them
const text = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
const other = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null/y;
/** Deeper documents are refused by the parser of configs anyway. */
const MAX_DEPTH = 1000;

/** Finds the place of every value of a JSON text. Of keys that come twice the last one counts, as in `JSON.parse`. */
export function readJsonTree(source: string): JsonTree {
  const scanner = new Scanner(source);
  try {
    const root = scanner.value(0);
    scanner.skip();
    if (scanner.at < source.length) return { errorAt: scanner.at };
    return { root };
  } catch (error) {
    if (error !== scanner.failure) throw error;
    return { errorAt: scanner.at };
  }
}

class Scanner {
  readonly failure = new Error('not JSON');
  readonly #source: string;
  at = 0;

  constructor(source: string) {
    this.#source = source;
    if (source.startsWith('\uFEFF')) this.at = 1;
  }

  skip(): void {
    this.#match(blanks);
  }

  value(depth: number): TextNode {
    this.skip();
    const start = this.at;
    const first = this.#source[start];
    if (depth > MAX_DEPTH) throw this.failure;
    if (first === '{') return this.#object(start, depth);
    if (first === '[') return this.#list(start, depth);
    if (this.#match(first === '"' ? text : other) === '') throw this.failure;
    return { start, end: this.at };
  }

  #object(start: number, depth: number): TextNode {
    const members = new Map<string, { readonly start: number; readonly end: number; readonly node: TextNode }>();
    this.at++;
    this.skip();
    if (this.#source[this.at] !== '}') {
      do {
        this.skip();
        const keyStart = this.at;
        const key = this.#match(text);
        if (key === '') throw this.failure;
        const keyEnd = this.at;
        this.#expect(':');
        members.set(JSON.parse(key) as string, { start: keyStart, end: keyEnd, node: this.value(depth + 1) });
        this.skip();
      } while (this.#takes(','));
    }
    this.#expect('}');
    return { start, end: this.at, members };
  }

  #list(start: number, depth: number): TextNode {
    const items: TextNode[] = [];
    this.at++;
    this.skip();
    if (this.#source[this.at] !== ']') {
      do {
        items.push(this.value(depth + 1));
        this.skip();
      } while (this.#takes(','));
    }
    this.#expect(']');
    return { start, end: this.at, items };
  }

  #takes(character: string): boolean {
    if (this.#source[this.at] !== character) return false;
    this.at++;
    return true;
  }

  #expect(character: string): void {
    this.skip();
    if (!this.#takes(character)) throw this.failure;
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.#source)?.[0] ?? '';
    this.at += found.length;
    return found;
  }
}
