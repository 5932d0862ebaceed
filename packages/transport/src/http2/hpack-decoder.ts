// A header block (RFC 7541) is a row of fields, each of which begins with
//
//   1xxxxxxx             indexed: name and value are in a table
//   01xxxxxx             literal, then added to the dynamic table; x = index of the name, 0 = the name follows
//   001xxxxx             no field: the dynamic table gets a new size; only before the first field
//   0000xxxx, 0001xxxx   literal, not added (0001: must not be added by anybody on the way)
//
//   number   the bits x; all ones: further bytes of seven bits each, lowest first, follow
//   string   H|length number, then the bytes: Latin-1, or Huffman-coded where H is set
import { decodeHuffman } from './huffman.js';
import { staticNames, staticValues } from './static-table.js';

const staticCount = staticNames.length;
/** What a field costs in the tables' accounts beside its bytes. */
const fieldOverhead = 32;
const largestNumber = 0x0fff_ffff;
const cacheSlots = 64;
const longestCached = 512;
/** Texts of a list that is kept: 32 fields. A short block may be a long list of table entries, and those must not pile up. */
const mostCachedTexts = 64;

/** What an {@link HpackDecoder} enforces. */
export interface HpackLimits {
  /** Size of the dynamic table that was announced to the peer. */
  readonly maxTableBytes: number;
  /** Names, values and 32 bytes a field, as SETTINGS_MAX_HEADER_LIST_SIZE counts. */
  readonly maxListBytes: number;
}

/** Makes what callers want of a list of fields: name, value, name, value … `isTooLong` means that the list was cut at the limit. */
export type DigestFields<Digest> = (fields: readonly string[], isTooLong: boolean) => Digest;

/**
 * Decodes the header blocks of one direction of a connection. What a block means is digested once and kept under the block's bytes for
 * as long as the dynamic table stays as it is: peers send the same few blocks all the time, and the usual block is then a hash and a
 * comparison.
 */
export class HpackDecoder<Digest> {
  /** What was wrong with the block for which {@link HpackDecoder.decode} returned `null`. */
  problem = '';
  readonly #limits: HpackLimits;
  readonly #digest: DigestFields<Digest>;
  // The dynamic table is a ring; the newest entry is at #newest and has index 62.
  readonly #names: string[];
  readonly #values: string[];
  #newest = -1;
  #count = 0;
  #tableBytes = 0;
  #maxTableBytes: number;
  // Reading position, so that numbers and strings can be returned plainly.
  #block: Buffer = Buffer.alloc(0);
  #at = 0;
  #to = 0;
  #scratch: Buffer = Buffer.alloc(0);
  // Cache, direct-mapped. An entry is good until the table changes: then all are dropped, because what a peer's table may hold is bounded,
  // and what its blocks once meant is not.
  #changes = 0;
  readonly #usedSlots: number[] = [];
  #lastTexts = 0;
  readonly #cachedBlocks: (Uint8Array | null)[] = new Array<Uint8Array | null>(cacheSlots).fill(null);
  readonly #cachedDigests: (Digest | null)[] = new Array<Digest | null>(cacheSlots).fill(null);

  constructor(limits: HpackLimits, digest: DigestFields<Digest>) {
    this.#limits = limits;
    this.#digest = digest;
    this.#maxTableBytes = limits.maxTableBytes;
    const capacity = Math.max(Math.ceil(limits.maxTableBytes / fieldOverhead), 1);
    this.#names = new Array<string>(capacity).fill('');
    this.#values = new Array<string>(capacity).fill('');
  }

  /** Fields in the dynamic table. */
  get dynamicCount(): number {
    return this.#count;
  }

  /** Size of the dynamic table as HPACK counts it. */
  get dynamicBytes(): number {
    return this.#tableBytes;
  }

  /**
   * Decodes one whole block. `null` when it is broken, with {@link HpackDecoder.problem} set: the tables of the two ends may then differ, so
   * the connection cannot go on. Every block that comes must be decoded, in order, whether its stream is still of interest or not.
   */
  decode(block: Buffer, from: number, to: number): Digest | null {
    const length = to - from;
    if (length > longestCached) return this.#decodeFields(block, from, to);
    let hash = length;
    for (let at = from; at < to; at++) hash = (Math.imul(hash, 31) + block[at]!) | 0;
    const slot = (hash ^ (hash >>> 13)) & (cacheSlots - 1);
    const cached = this.#cachedBlocks[slot] ?? null;
    if (cached !== null && isSame(cached, block, from, length)) return this.#cachedDigests[slot]!;
    const changesBefore = this.#changes;
    const digest = this.#decodeFields(block, from, to);
    if (digest !== null && this.#changes === changesBefore && this.#lastTexts <= mostCachedTexts) {
      if (cached === null) this.#usedSlots.push(slot);
      this.#cachedBlocks[slot] = new Uint8Array(block.subarray(from, to));
      this.#cachedDigests[slot] = digest;
    }
    return digest;
  }

  #decodeFields(block: Buffer, from: number, to: number): Digest | null {
    this.#block = block;
    this.#at = from;
    this.#to = to;
    this.problem = '';
    const fields: string[] = [];
    let listBytes = 0;
    let isTooLong = false;
    while (this.#at < to) {
      const first = block[this.#at]!;
      if ((first & 0xe0) === 0x20) {
        if (listBytes > 0) return this.#fail('a table size update after the first field');
        if (!this.#resize(this.#number(5))) return null;
        continue;
      }
      let name: string | null;
      let value: string | null;
      if ((first & 0x80) !== 0) {
        const index = this.#number(7);
        name = this.#nameAt(index);
        value = name === null ? null : this.#valueAt(index);
      } else {
        const isAdded = (first & 0x40) !== 0;
        const index = this.#number(isAdded ? 6 : 4);
        name = index === 0 ? this.#string() : this.#nameAt(index);
        value = name === null ? null : this.#string();
        if (isAdded && name !== null && value !== null) this.#add(name, value);
      }
      if (name === null || value === null) return null;
      listBytes += name.length + value.length + fieldOverhead;
      if (listBytes > this.#limits.maxListBytes) isTooLong = true;
      if (!isTooLong) fields.push(name, value);
    }
    this.#lastTexts = fields.length;
    return this.#digest(fields, isTooLong);
  }

  /** −1 and a problem when the number is cut off or too large. */
  #number(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1;
    let value = this.#block[this.#at++]! & mask;
    if (value < mask) return value;
    for (let shift = 0; ; shift += 7) {
      if (this.#at >= this.#to) return this.#failNumber('a number that ends beyond the block');
      const byte = this.#block[this.#at++]!;
      if (shift > 21) return this.#failNumber('a number that is too large');
      value += (byte & 0x7f) << shift;
      if (value > largestNumber) return this.#failNumber('a number that is too large');
      if (byte < 0x80) return value;
    }
  }

  #string(): string | null {
    if (this.#at >= this.#to) return this.#fail('a string beyond its end');
    const isHuffman = (this.#block[this.#at]! & 0x80) !== 0;
    const length = this.#number(7);
    if (length < 0) return null;
    const from = this.#at;
    const to = from + length;
    if (to > this.#to) return this.#fail('a string that ends beyond the block');
    this.#at = to;
    if (!isHuffman) return this.#block.toString('latin1', from, to);
    const room = Math.ceil((length * 8) / 5);
    if (this.#scratch.length < room) this.#scratch = Buffer.allocUnsafeSlow(Math.max(room, 1024));
    const textLength = decodeHuffman(this.#block, from, to, this.#scratch);
    return textLength < 0 ? this.#fail('a broken Huffman code') : this.#scratch.toString('latin1', 0, textLength);
  }

  #nameAt(index: number): string | null {
    if (index > 0 && index <= staticCount) return staticNames[index - 1]!;
    const at = this.#ringAt(index);
    return at < 0 ? null : this.#names[at]!;
  }

  #valueAt(index: number): string | null {
    if (index > 0 && index <= staticCount) return staticValues[index - 1]!;
    const at = this.#ringAt(index);
    return at < 0 ? null : this.#values[at]!;
  }

  #ringAt(index: number): number {
    const age = index - staticCount - 1;
    if (age < 0 || age >= this.#count) return index < 0 ? -1 : this.#failNumber('an index that no table has');
    const capacity = this.#names.length;
    return (this.#newest - age + capacity) % capacity;
  }

  #changed(): void {
    this.#changes++;
    for (const slot of this.#usedSlots) {
      this.#cachedBlocks[slot] = null;
      this.#cachedDigests[slot] = null;
    }
    this.#usedSlots.length = 0;
  }

  #add(name: string, value: string): void {
    this.#changed();
    const size = name.length + value.length + fieldOverhead;
    this.#evictTo(this.#maxTableBytes - size);
    // An entry that is larger than the table empties it and is not kept.
    if (size > this.#maxTableBytes) return;
    this.#newest = (this.#newest + 1) % this.#names.length;
    this.#names[this.#newest] = name;
    this.#values[this.#newest] = value;
    this.#count++;
    this.#tableBytes += size;
  }

  #evictTo(bytes: number): void {
    const capacity = this.#names.length;
    while (this.#count > 0 && this.#tableBytes > bytes) {
      const oldest = (this.#newest - this.#count + 1 + capacity) % capacity;
      this.#tableBytes -= this.#names[oldest]!.length + this.#values[oldest]!.length + fieldOverhead;
      this.#names[oldest] = '';
      this.#values[oldest] = '';
      this.#count--;
    }
  }

  #resize(bytes: number): boolean {
    if (bytes < 0) return false;
    if (bytes > this.#limits.maxTableBytes) {
      this.problem = 'a table size above the announced one';
      return false;
    }
    this.#changed();
    this.#maxTableBytes = bytes;
    this.#evictTo(bytes);
    return true;
  }

  #fail(problem: string): null {
    this.problem ||= problem;
    return null;
  }

  #failNumber(problem: string): number {
    this.problem ||= problem;
    return -1;
  }
}

function isSame(cached: Uint8Array, block: Uint8Array, from: number, length: number): boolean {
  if (cached.length !== length) return false;
  for (let i = 0; i < length; i++) if (cached[i] !== block[from + i]) return false;
  return true;
}
