import { randomInt } from 'node:crypto';

/*
 * The key of a typed request with one context feature, `price`, two entries in its target schema and none for slates; words of 32 bits:
 *
 *   head | 1 | 5, 'pric', 'e\0\0\0', data type, vector dim | 2 | 9, three words of bytes | 10, three words of bytes | 0
 *          └ context features                              └ target schema                                         └ slate schema
 *
 * Bytes stand behind their length, the last word of them filled up with zeros; an entry of a schema is its bytes in the message.
 */

/**
 * What a request brings (method, names, types), as words: built while the request is read, hashed and compared four bytes a step,
 * without strings. Reused from request to request.
 */
export class SchemaKey {
  length = 0;
  words = new Int32Array(256);
  #bytes = new Uint8Array(this.words.buffer);

  /** Starts a key. `head` tells apart what is no name: method and header entities. */
  begin(head: number): void {
    this.words[0] = head;
    this.length = 1;
  }

  addNumber(value: number): void {
    if (this.length === this.words.length) this.#grow(1);
    this.words[this.length++] = value;
  }

  /** Adds bytes with their length in front, padded to whole words. */
  addBytes(source: Uint8Array, from: number, to: number): void {
    const size = to - from;
    const words = (size + 3) >>> 2;
    if (this.length + 1 + words > this.words.length) this.#grow(1 + words);
    this.words[this.length++] = size;
    if (words === 0) return;
    this.words[this.length + words - 1] = 0;
    const bytes = this.#bytes;
    for (let at = this.length * 4, position = from; position < to; at++, position++) bytes[at] = source[position] as number;
    this.length += words;
  }

  hash(): number {
    let hash = hashSeed;
    const words = this.words;
    for (let at = 0; at < this.length; at++) {
      hash = Math.imul(hash ^ (words[at] as number), 0x5bd1e995);
      hash ^= hash >>> 15;
    }
    return hash | 0;
  }

  /** Whether a kept copy is this key. */
  equals(copy: Int32Array): boolean {
    if (copy.length !== this.length) return false;
    const words = this.words;
    for (let at = 0; at < copy.length; at++) if (words[at] !== copy[at]) return false;
    return true;
  }

  copy(): Int32Array {
    return this.words.slice(0, this.length);
  }

  #grow(more: number): void {
    const larger = new Int32Array(Math.max(this.words.length * 2, this.length + more));
    larger.set(this.words.subarray(0, this.length));
    this.words = larger;
    this.#bytes = new Uint8Array(larger.buffer);
  }
}

// A caller must not be able to choose schemas that collide.
const hashSeed = randomInt(0x7fff_ffff) | 1;
