import { ContentRoom } from './content-room.js';
import { ThriftReader } from './thrift-reader.js';

/** A value of a column that holds bytes or integers. */
export type ParquetValue = Uint8Array | number;

/** Physical types that log files have. */
export const ParquetType = { int32: 1, int64: 2, bytes: 6 } as const;

/** Runs and bit-packed groups of small numbers. */
export function readHybrid(bytes: Uint8Array, width: number, count: number): Int32Array {
  const values = new Int32Array(count);
  if (width === 0) return values;
  const reader = new ThriftReader(bytes, 0);
  let end = 0;
  while (end < count && reader.at < bytes.length) {
    const head = reader.varint();
    if ((head & 1) === 0) {
      let value = 0;
      for (let index = 0; index < (width + 7) >> 3; index++) value += reader.byte() * 256 ** index;
      const stop = Math.min(count, end + Math.floor(head / 2));
      values.fill(value, end, stop);
      end = stop;
      continue;
    }
    const packed = Math.floor(head / 2) * 8;
    const start = reader.at;
    for (let index = 0; index < packed && end < count; index++) values[end++] = unpack(bytes, start * 8 + index * width, width);
    reader.at = start + (packed * width) / 8;
  }
  if (end < count) throw new RangeError('levels are cut');
  return values;
}

function unpack(bytes: Uint8Array, bit: number, width: number): number {
  let value = 0;
  for (let index = 0; index < width; ) {
    const at = bit + index;
    const byte = bytes[at >> 3];
    if (byte === undefined) throw new RangeError('cut');
    const take = Math.min(8 - (at & 7), width - index);
    value += ((byte >> (at & 7)) & ((1 << take) - 1)) * 2 ** index;
    index += take;
  }
  return value;
}

/** DELTA_BINARY_PACKED, at most so many values; also says where it ends. */
function readDeltas(bytes: Uint8Array, most: number): { readonly values: readonly number[]; readonly end: number } {
  const reader = new ThriftReader(bytes, 0);
  const blockValues = reader.varint();
  const miniBlocks = reader.varint();
  const count = reader.varint();
  let last = reader.zigzag();
  if (count > most || miniBlocks === 0 || miniBlocks > 512 || blockValues > 65_536) throw new RangeError('a delta block out of bounds');
  const values: number[] = count > 0 ? [last] : [];
  const perMini = blockValues / miniBlocks;
  while (values.length < count) {
    const least = reader.zigzag();
    const widths = Array.from({ length: miniBlocks }, () => reader.byte());
    for (const width of widths) {
      if (values.length >= count) break;
      const start = reader.at;
      for (let index = 0; index < perMini && values.length < count; index++) {
        last += least + unpack(bytes, start * 8 + index * width, width);
        values.push(last);
      }
      reader.at = start + (perMini * width) / 8;
    }
  }
  return { values, end: reader.at };
}

function slices(bytes: Uint8Array, from: number, lengths: readonly number[]): Uint8Array[] {
  let at = from;
  return lengths.map((length) => {
    if (length < 0 || length > bytes.length - at) throw new RangeError('values are cut');
    at += length;
    return bytes.subarray(at - length, at);
  });
}

function readPlain(type: number, bytes: Uint8Array, count: number): ParquetValue[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const values: ParquetValue[] = [];
  for (let at = 0; values.length < count; ) {
    if (type === ParquetType.bytes) {
      const length = view.getUint32(at, true);
      if (length > bytes.length - at - 4) throw new RangeError('values are cut');
      values.push(bytes.subarray(at + 4, at + 4 + length));
      at += 4 + length;
    } else if (type === ParquetType.int64) {
      values.push(Number(view.getBigInt64(at, true)));
      at += 8;
    } else if (type === ParquetType.int32) {
      values.push(view.getInt32(at, true));
      at += 4;
    } else throw new RangeError(`values of type ${type}`);
  }
  return values;
}

/** The values of a page. `dictionary` is that of the column, if it has one. */
export function readValues(
  encoding: number,
  type: number,
  bytes: Uint8Array,
  count: number,
  dictionary: readonly ParquetValue[] | null,
): ParquetValue[] {
  if (count === 0) return [];
  switch (encoding) {
    case 0:
      return readPlain(type, bytes, count);
    case 2:
    case 8:
      return Array.from(readHybrid(bytes.subarray(1), bytes[0] ?? 0, count), (index) => {
        const value = dictionary?.[index];
        if (value === undefined) throw new RangeError('a word outside the dictionary');
        return value;
      });
    case 5:
      return [...readDeltas(bytes, count).values];
    case 6: {
      const { values, end } = readDeltas(bytes, count);
      return slices(bytes, end, values);
    }
    case 7: {
      const prefixes = readDeltas(bytes, count);
      const rest = bytes.subarray(prefixes.end);
      const suffixes = readDeltas(rest, count);
      const room = new ContentRoom();
      let before: Uint8Array = new Uint8Array(0);
      return slices(rest, suffixes.end, suffixes.values).map((suffix, index) => {
        const prefix = before.subarray(0, prefixes.values[index] ?? 0);
        room.take(prefix.length + suffix.length);
        before = Buffer.concat([prefix, suffix]);
        return before;
      });
    }
    default:
      throw new RangeError(`encoding ${encoding}`);
  }
}
