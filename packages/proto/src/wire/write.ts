/**
 * Writing protobuf by position: sizes first, then puts into a buffer that the
 * caller owns and has made large enough. Every put answers the next position.
 */

/*
 * A field is its tag (varint of field × 8 + wire type) and its value; a varint is seven bits a byte, lowest first, with 0x80 in all but the last.
 *
 *   number 300 in field 2     10 | ac 02                              putTag, putVarint
 *   int32 −2 in field 2       10 | fe ff ff ff ff ff ff ff ff 01      putTag, putSigned32: ten bytes for all below 0
 *   text 'ab' in field 2      12 02 | 'a' 'b'                         putLength, then putUtf8 or putBytes
 *   float 1 in field 2        15 | 00 00 80 3f                        putTag, putFloat32; a double is eight bytes with wire type 1
 */

/** Bytes of a varint of `value`: an integer from 0 to 2^53. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1;
  if (value < 0x4000) return 2;
  if (value < 0x20_0000) return 3;
  if (value < 0x1000_0000) return 4;
  if (value < 0x8_0000_0000) return 5;
  if (value < 0x400_0000_0000) return 6;
  if (value < 0x2_0000_0000_0000) return 7;
  return 8;
}

/** Bytes of an `int32` or enum value: ten for a negative one. */
export function signed32Size(value: number): number {
  return value < 0 ? 10 : varintSize(value);
}

/** Bytes of a field's tag. */
export function tagSize(field: number): number {
  return varintSize(field * 8);
}

/** Bytes of a length-delimited field: tag, length and `length` bytes of payload. */
export function lengthFieldSize(field: number, length: number): number {
  return tagSize(field) + varintSize(length) + length;
}

/** Writes an integer from 0 to 2^53. */
export function putVarint(target: Uint8Array, at: number, value: number): number {
  let rest = value;
  let position = at;
  while (rest > 0x7fff_ffff) {
    target[position++] = (rest % 128) | 0x80;
    rest = Math.floor(rest / 128);
  }
  while (rest > 0x7f) {
    target[position++] = (rest & 0x7f) | 0x80;
    rest >>>= 7;
  }
  target[position] = rest;
  return position + 1;
}

/** Writes an `int32` or enum value. */
export function putSigned32(target: Uint8Array, at: number, value: number): number {
  if (value >= 0) {
    return putVarint(target, at, value);
  }
  let rest = value | 0;
  for (let position = at; position < at + 4; position++) {
    target[position] = (rest & 0x7f) | 0x80;
    rest >>= 7;
  }
  // The sign fills the upper bits of the 64-bit value.
  target[at + 4] = (rest & 0x7f) | 0x80;
  target[at + 5] = 0xff;
  target[at + 6] = 0xff;
  target[at + 7] = 0xff;
  target[at + 8] = 0xff;
  target[at + 9] = 1;
  return at + 10;
}

/** Writes a field's tag. Wire types: 0 varint, 1 fixed64, 2 length-delimited, 5 fixed32. */
export function putTag(target: Uint8Array, at: number, field: number, wireType: number): number {
  return putVarint(target, at, field * 8 + wireType);
}

/** Writes the tag and the length of a length-delimited field; its payload follows. */
export function putLength(target: Uint8Array, at: number, field: number, length: number): number {
  return putVarint(target, putVarint(target, at, field * 8 + 2), length);
}

const SMALL_COPY = 32;

/** Copies `source[from, to)`, bytes only. */
export function putBytes(target: Uint8Array, at: number, source: Uint8Array, from: number, to: number): number {
  if (to - from <= SMALL_COPY) {
    // Short runs: cheaper than a view, and no allocation.
    for (let position = from; position < to; position++) {
      target[at + position - from] = source[position]!;
    }
  } else if (from === 0 && to === source.length) {
    target.set(source, at);
  } else {
    target.set(source.subarray(from, to), at);
  }
  return at + to - from;
}

/** Writes the low 32 bits of `value`, little-endian. */
export function putFixed32(target: Uint8Array, at: number, value: number): number {
  target[at] = value;
  target[at + 1] = value >>> 8;
  target[at + 2] = value >>> 16;
  target[at + 3] = value >>> 24;
  return at + 4;
}

/** Writes two 32-bit halves, little-endian. */
export function putFixed64(target: Uint8Array, at: number, low: number, high: number): number {
  return putFixed32(target, putFixed32(target, at, low), high);
}

const floatScratch = new Float32Array(1);
const floatWord = new Uint32Array(floatScratch.buffer);

/** Writes a `float`. */
export function putFloat32(target: Uint8Array, at: number, value: number): number {
  floatScratch[0] = value;
  return putFixed32(target, at, floatWord[0]!);
}

const doubleScratch = new Float64Array(1);
const doubleWords = new Uint32Array(doubleScratch.buffer);

/** Writes a `double`. */
export function putFloat64(target: Uint8Array, at: number, value: number): number {
  doubleScratch[0] = value;
  return putFixed64(target, at, doubleWords[0]!, doubleWords[1]!);
}
