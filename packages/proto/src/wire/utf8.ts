/** Text on the wire: validity, sizes and conversion, ASCII first. */

const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const encoder = new TextEncoder();
// Below this, joining characters beats the decoder (100 ns a call on Node 20).
const SHORT_READ = 8;
const SHORT_PUT = 48;

/** True if `bytes[from, to)` is well-formed UTF-8 (no surrogates, no overlong forms, at most U+10FFFF). */
export function isValidUtf8(bytes: Uint8Array, from: number, to: number): boolean {
  let at = from;
  while (at + 4 <= to && ((bytes[at]! | bytes[at + 1]! | bytes[at + 2]! | bytes[at + 3]!) & 0x80) === 0) {
    at += 4;
  }
  while (at < to) {
    const lead = bytes[at]!;
    if (lead < 0x80) {
      at++;
      continue;
    }
    const size = sequenceSize(bytes, at, to, lead);
    if (size === 0) {
      return false;
    }
    at += size;
  }
  return true;
}

// Bytes of the multi-byte sequence at `at`, 0 if it is malformed. Table 3-7 of
// the Unicode standard: only the second byte's range depends on the lead.
function sequenceSize(bytes: Uint8Array, at: number, to: number, lead: number): number {
  const size = lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
  if (size === 0 || at + size > to) {
    return 0;
  }
  const second = bytes[at + 1]!;
  const lowest = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
  const highest = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
  if (second < lowest || second > highest) {
    return 0;
  }
  for (let position = at + 2; position < at + size; position++) {
    if ((bytes[position]! & 0xc0) !== 0x80) {
      return 0;
    }
  }
  return size;
}

/** Bytes that {@link putUtf8} writes. A lone surrogate counts as U+FFFD. */
export function utf8Size(text: string): number {
  const length = text.length;
  let size = length;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) continue;
    if (unit < 0x800) {
      size += 1;
    } else {
      // A pair is four bytes in all: two for each half.
      size += 2;
      if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text, index + 1)) {
        index++;
      }
    }
  }
  return size;
}

function isLowSurrogate(text: string, index: number): boolean {
  return (text.charCodeAt(index) & 0xfc00) === 0xdc00;
}

/** Writes a text as UTF-8 and answers the next position. A lone surrogate becomes U+FFFD. */
export function putUtf8(target: Uint8Array, at: number, text: string): number {
  const length = text.length;
  if (length > SHORT_PUT) {
    return at + encoder.encodeInto(text, target.subarray(at)).written;
  }
  let position = at;
  for (let index = 0; index < length; index++) {
    const unit = text.charCodeAt(index);
    if (unit < 0x80) {
      target[position++] = unit;
    } else if (unit < 0x800) {
      target[position++] = 0xc0 | (unit >> 6);
      target[position++] = 0x80 | (unit & 0x3f);
    } else if (unit >= 0xd800 && unit < 0xdc00 && isLowSurrogate(text, index + 1)) {
      index++;
      const point = 0x10000 + ((unit & 0x3ff) << 10) + (text.charCodeAt(index) & 0x3ff);
      target[position++] = 0xf0 | (point >> 18);
      target[position++] = 0x80 | ((point >> 12) & 0x3f);
      target[position++] = 0x80 | ((point >> 6) & 0x3f);
      target[position++] = 0x80 | (point & 0x3f);
    } else {
      const point = (unit & 0xf800) === 0xd800 ? 0xfffd : unit;
      target[position++] = 0xe0 | (point >> 12);
      target[position++] = 0x80 | ((point >> 6) & 0x3f);
      target[position++] = 0x80 | (point & 0x3f);
    }
  }
  return position;
}

/** Text of `bytes[from, to)`; malformed parts become U+FFFD. */
export function readUtf8(bytes: Uint8Array, from: number, to: number): string {
  if (to - from > SHORT_READ) {
    return decoder.decode(bytes.subarray(from, to));
  }
  let text = '';
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte >= 0x80) {
      return decoder.decode(bytes.subarray(from, to));
    }
    text += String.fromCharCode(byte);
  }
  return text;
}
