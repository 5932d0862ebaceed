import { readEnd, readLength, readTag, skipField } from '../wire/read.js';
import { keyPartSize, putKeyPart } from './feature-query.js';

const ROW_TAG = 0x22;
const KEY_TAG = 0x0a;

/**
 * Key parts of all rows of a well-formed answer, from wherever in their row they stand, as a query has them: «0a key part», one row after
 * the other. Puts start and end of each row into `keys`. For cold code: encoders write the key first.
 */
export function collectKeys(message: Uint8Array, start: number, end: number, keys: Int32Array): Uint8Array {
  const bytes = new Uint8Array(walkKeys(message, start, end, keys, null));
  walkKeys(message, start, end, keys, bytes);
  return bytes;
}

/** Returns how many bytes the keys take; puts them where there is a target. */
function walkKeys(message: Uint8Array, start: number, end: number, keys: Int32Array, target: Uint8Array | null): number {
  let put = 0;
  let row = 0;
  for (let at = start; at < end; ) {
    const tag = readTag(message, at, end);
    if (tag !== ROW_TAG) {
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      continue;
    }
    const length = readLength(message, readEnd, end);
    at = readEnd + length;
    keys[row * 2] = put;
    put = walkRowKeys(message, at - length, at, put, target);
    keys[row * 2 + 1] = put;
    row++;
  }
  return put;
}

function walkRowKeys(message: Uint8Array, start: number, end: number, putAt: number, target: Uint8Array | null): number {
  let put = putAt;
  for (let at = start; at < end; ) {
    const tag = readTag(message, at, end);
    if (tag !== KEY_TAG) {
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      continue;
    }
    const length = readLength(message, readEnd, end);
    at = readEnd + length;
    put = target === null ? put + keyPartSize(length) : putKeyPart(target, put, message, at - length, at);
  }
  return put;
}
