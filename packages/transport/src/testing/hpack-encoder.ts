import { huffmanCodes } from '../http2/huffman.js';
import { staticNames, staticValues } from '../http2/static-table.js';

/** Writes a number with a prefix, RFC 7541 §5.1. */
export function hpackNumber(value: number, firstBits: number, prefixBits: number): number[] {
  const mask = 2 ** prefixBits - 1;
  if (value < mask) return [firstBits | value];
  const bytes = [firstBits | mask];
  let rest = value - mask;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

function huffman(text: string): number[] {
  let bits = '';
  for (const char of Buffer.from(text, 'latin1')) {
    const { code, bits: count } = huffmanCodes[char]!;
    bits += code.toString(2).padStart(count, '0');
  }
  while (bits.length % 8 !== 0) bits += '1';
  return (bits.match(/.{8}/g) ?? []).map((byte) => Number.parseInt(byte, 2));
}

function text(value: string, isHuffman: boolean): number[] {
  const bytes = isHuffman ? huffman(value) : [...Buffer.from(value, 'latin1')];
  return [...hpackNumber(bytes.length, isHuffman ? 0x80 : 0, 7), ...bytes];
}

/** An encoder that uses every representation HPACK has, as dice say. Written to be plainly right, not fast. */
export class HpackEncoder {
  readonly #dice: () => number;
  readonly #largest: number;
  #max: number;
  #table: (readonly [string, string])[] = [];

  constructor(maxTableBytes: number, dice: () => number) {
    this.#max = maxTableBytes;
    this.#largest = maxTableBytes;
    this.#dice = dice;
  }

  get tableBytes(): number {
    return this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
  }

  encode(fields: readonly (readonly [string, string])[]): Buffer {
    const bytes: number[] = [];
    if (this.#dice() % 10 === 0) {
      this.#max = this.#dice() % 3 === 0 ? this.#largest : (this.#dice() * 7) % (this.#largest + 1);
      bytes.push(...hpackNumber(this.#max, 0x20, 5));
      this.#evict();
    }
    for (const [name, value] of fields) bytes.push(...this.#field(name, value));
    return Buffer.from(bytes);
  }

  #field(name: string, value: string): number[] {
    const all = [...staticNames.map((each, i) => [each, staticValues[i]!] as const), ...this.#table];
    const whole = all.findLastIndex(([n, v]) => n === name && v === value);
    if (whole >= 0 && this.#dice() % 4 > 0) return hpackNumber(whole + 1, 0x80, 7);
    const isNamed = this.#dice() % 4 > 0;
    const nameIndex = isNamed ? all.findLastIndex(([n]) => n === name) + 1 : 0;
    const kind = this.#dice() % 3;
    const bytes = kind === 0 ? hpackNumber(nameIndex, 0x40, 6) : hpackNumber(nameIndex, kind === 1 ? 0 : 0x10, 4);
    if (nameIndex === 0) bytes.push(...text(name, this.#dice() % 2 === 0));
    bytes.push(...text(value, this.#dice() % 2 === 0));
    if (kind === 0) {
      this.#table.unshift([name, value]);
      this.#evict();
    }
    return bytes;
  }

  #evict(): void {
    while (this.tableBytes > this.#max) this.#table.pop();
  }
}
