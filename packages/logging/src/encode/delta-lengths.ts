import type { GrowingBytes } from './growing-bytes.js';

const blockValues = 128;
const miniBlocks = 4;
const miniValues = blockValues / miniBlocks;

const valuesPerPause = 64 * blockValues;

/** Appends lengths in Parquet's DELTA_BINARY_PACKED encoding, in steps. */
export function* appendDeltaLengths(target: GrowingBytes, lengths: Int32Array, count: number): Generator<void, void, void> {
  varint(target, blockValues);
  varint(target, miniBlocks);
  varint(target, count);
  zigzag(target, count === 0 ? 0 : (lengths[0] as number));
  const deltas = new Float64Array(blockValues);
  for (let from = 1; from < count; from += blockValues) {
    if (from % valuesPerPause === 1 && from > 1) yield;
    const size = Math.min(blockValues, count - from);
    let least = Number.POSITIVE_INFINITY;
    for (let index = 0; index < size; index++) {
      const delta = (lengths[from + index] as number) - (lengths[from + index - 1] as number);
      deltas[index] = delta;
      if (delta < least) least = delta;
    }
    zigzag(target, least);
    const widths: number[] = [];
    for (let mini = 0; mini < miniBlocks; mini++)
      widths.push(widthOf(deltas, mini * miniValues, Math.min(size, (mini + 1) * miniValues), least));
    for (const width of widths) target.appendByte(width);
    for (let mini = 0; mini < miniBlocks && mini * miniValues < size; mini++) {
      packMini(target, deltas, mini * miniValues, size, least, widths[mini] as number);
    }
  }
}

function widthOf(deltas: Float64Array, from: number, to: number, least: number): number {
  let most = 0;
  for (let index = from; index < to; index++) most = Math.max(most, (deltas[index] as number) - least);
  let width = 0;
  while (2 ** width <= most) width++;
  return width;
}

function packMini(target: GrowingBytes, deltas: Float64Array, from: number, size: number, least: number, width: number): void {
  const start = target.end;
  target.appendZeros((miniValues * width) / 8);
  for (let index = 0; index < miniValues && from + index < size; index++) {
    let value = (deltas[from + index] as number) - least;
    let bit = index * width;
    for (let left = width; left > 0; ) {
      const shift = bit & 7;
      const take = Math.min(8 - shift, left);
      const part = value % 2 ** take;
      const at = start + (bit >> 3);
      target.bytes[at] = (target.bytes[at] as number) | (part << shift);
      value = Math.floor(value / 2 ** take);
      bit += take;
      left -= take;
    }
  }
}

function zigzag(target: GrowingBytes, value: number): void {
  varint(target, value >= 0 ? value * 2 : -value * 2 - 1);
}

function varint(target: GrowingBytes, value: number): void {
  let rest = value;
  while (rest > 127) {
    target.appendByte((rest % 128) | 0x80);
    rest = Math.floor(rest / 128);
  }
  target.appendByte(rest);
}
