import { LoggingError } from '../errors.js';

function broken(): LoggingError {
  return new LoggingError('INFERFLOW_LOGGING_COMPRESSION_INVALID', 'an LZ4 frame is damaged');
}

/** Opens an LZ4 frame whose content has `length` bytes. Checksums are not checked. */
export function openLz4Frame(bytes: Uint8Array, length: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 7 || view.getUint32(0, true) !== 0x184d2204) throw broken();
  const flags = bytes[4] as number;
  const hasBlockChecksum = (flags & 0x10) !== 0;
  let at = 7 + ((flags & 8) !== 0 ? 8 : 0) + ((flags & 1) !== 0 ? 4 : 0);
  const target = new Uint8Array(length);
  let end = 0;
  while (at + 4 <= bytes.length) {
    const head = view.getUint32(at, true);
    at += 4;
    if (head === 0) break;
    const size = head & 0x7fffffff;
    if (at + size > bytes.length) throw broken();
    if (head >>> 31 === 1) {
      if (end + size > length) throw broken();
      target.set(bytes.subarray(at, at + size), end);
      end += size;
    } else end = openBlock(bytes, at, at + size, target, end);
    at += size + (hasBlockChecksum ? 4 : 0);
  }
  if (end !== length) throw broken();
  return target;
}

function openBlock(bytes: Uint8Array, start: number, stop: number, target: Uint8Array, from: number): number {
  let at = start;
  let end = from;
  const extended = (first: number): number => {
    let length = first;
    if (first === 15) {
      for (let byte = 255; byte === 255; length += byte) {
        if (at >= stop) throw broken();
        byte = bytes[at++] as number;
      }
    }
    return length;
  };
  while (at < stop) {
    const token = bytes[at++] as number;
    const literals = extended(token >> 4);
    if (at + literals > stop || end + literals > target.length) throw broken();
    target.set(bytes.subarray(at, at + literals), end);
    at += literals;
    end += literals;
    if (at >= stop) break;
    const distance = (bytes[at] as number) | ((bytes[at + 1] ?? 0) << 8);
    at += 2;
    const count = extended(token & 15) + 4;
    if (distance === 0 || distance > end || end + count > target.length) throw broken();
    for (let index = 0; index < count; index++, end++) target[end] = target[end - distance] as number;
  }
  return end;
}
