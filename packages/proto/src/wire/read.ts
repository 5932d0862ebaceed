/**
 * Reading protobuf by position: no reader object, no view, no exception. Every
 * function takes the bytes, where to read and where the readable part ends, and
 * says −1 when the bytes are malformed or end too early.
 */

/*
 * A message is fields one after the other; numbers are varints: seven bits a byte, lowest first, with 0x80 in all bytes but the last.
 *
 *   field                        tag: varint of field × 8 + wire type | value          ac 02 = 0x2c + 2 × 128 = 300
 *   value of wire type 0         varint of at most ten bytes                           readVarint, readSigned32, readSigned64
 *                      2         length (varint) | so many bytes                       readLength
 *                      5, 1      four bytes | eight bytes, little-endian               readFixed32
 *                      3         fields | tag of the same field with wire type 4       skipField
 */

/** What {@link readVarint} answers for every value it cannot hold exactly: 2^53. */
export const SATURATED = 2 ** 53;

/** A message may nest 100 deep, groups included. */
const MAX_GROUP_DEPTH = 99;
const MAX_TAG = 0xffff_ffff;
const MAX_TAG_BYTES = 5;

/**
 * Position after the last successful read, −1 after a failed one. A register,
 * not a variable: valid until the next call of a function of this module.
 */
export let readEnd = -1;

/**
 * Unsigned value of a varint: exact below 2^53, {@link SATURATED} from there on.
 * −1 if it is malformed (more than 64 bits) or truncated.
 */
export function readVarint(bytes: Uint8Array, at: number, end: number): number {
  if (at < end) {
    const first = bytes[at]!;
    if (first < 0x80) {
      readEnd = at + 1;
      return first;
    }
    return readLongVarint(bytes, at, end);
  }
  readEnd = -1;
  return -1;
}

function readLongVarint(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  let scale = 1;
  const last = at + 9;
  for (let position = at; position < end && position <= last; position++) {
    const byte = bytes[position]!;
    value += (byte & 0x7f) * scale;
    if (byte < 0x80) {
      if (position === last && byte > 1) {
        break;
      }
      readEnd = position + 1;
      return Math.min(value, SATURATED);
    }
    scale *= 128;
  }
  readEnd = -1;
  return -1;
}

/**
 * An `int32` or enum value: the low 32 bits of the varint, signed (a negative
 * value takes ten bytes on the wire). 0 with {@link readEnd} −1 if malformed.
 */
export function readSigned32(bytes: Uint8Array, at: number, end: number): number {
  let value = 0;
  let shift = 0;
  const last = at + 9;
  for (let position = at; position < end && position <= last; position++) {
    const byte = bytes[position]!;
    if (shift < 32) {
      value |= (byte & 0x7f) << shift;
      shift += 7;
    }
    if (byte < 0x80) {
      if (position === last && byte > 1) {
        break;
      }
      readEnd = position + 1;
      return value;
    }
  }
  readEnd = -1;
  return 0;
}

/**
 * An `int64` as a number: exact within ±2^53, saturating beyond on both sides.
 * 0 with {@link readEnd} −1 if malformed.
 */
export function readSigned64(bytes: Uint8Array, at: number, end: number): number {
  const value = readVarint(bytes, at, end);
  if (value < SATURATED) {
    return Math.max(value, 0);
  }
  if (readEnd - at < 10) {
    return SATURATED;
  }
  // Ten bytes: the sign bit is set. −(~x) − 1, where ~x is small enough to be exact.
  let inverted = 0;
  let scale = 1;
  for (let position = at; position < at + 9; position++) {
    inverted += (~bytes[position]! & 0x7f) * scale;
    scale *= 128;
  }
  if ((bytes[at + 9]! & 1) === 0) {
    return SATURATED;
  }
  return inverted < SATURATED ? -inverted - 1 : -SATURATED;
}

/**
 * A field's tag (`field * 8 + wireType`). −1 if it is malformed, does not fit 32
 * bits, takes more than five bytes, names field 0 or an unknown wire type.
 */
export function readTag(bytes: Uint8Array, at: number, end: number): number {
  const tag = readVarint(bytes, at, end);
  if (tag < 8 || tag > MAX_TAG || tag % 8 > 5 || readEnd - at > MAX_TAG_BYTES) {
    readEnd = -1;
    return -1;
  }
  return tag;
}

/**
 * Payload length of a length-delimited field; {@link readEnd} is where the
 * payload starts. −1 if it is malformed or would reach past `end`.
 */
export function readLength(bytes: Uint8Array, at: number, end: number): number {
  const length = readVarint(bytes, at, end);
  if (length > end - readEnd) {
    readEnd = -1;
    return -1;
  }
  return length;
}

/** Little-endian unsigned 32-bit value. −1 if truncated. */
export function readFixed32(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 > end) {
    readEnd = -1;
    return -1;
  }
  readEnd = at + 4;
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/**
 * Position after a field's value, whose tag ends at `at`; also left in
 * {@link readEnd}. −1 if it is malformed or reaches past `end`. `field` lets the
 * end of a group be checked; 0 accepts any.
 */
export function skipField(bytes: Uint8Array, at: number, end: number, wireType: number, field = 0): number {
  readEnd = skip(bytes, at, end, wireType, field, 0);
  return readEnd;
}

function skip(bytes: Uint8Array, at: number, end: number, wireType: number, field: number, depth: number): number {
  switch (wireType) {
    case 0:
      return readVarint(bytes, at, end) < 0 ? -1 : readEnd;
    case 1:
      return at + 8 <= end ? at + 8 : -1;
    case 2: {
      const length = readLength(bytes, at, end);
      return length < 0 ? -1 : readEnd + length;
    }
    case 3:
      return skipGroup(bytes, at, end, field, depth);
    case 5:
      return at + 4 <= end ? at + 4 : -1;
    default:
      return -1;
  }
}

function skipGroup(bytes: Uint8Array, at: number, end: number, field: number, depth: number): number {
  if (depth >= MAX_GROUP_DEPTH) {
    return -1;
  }
  let position = at;
  for (;;) {
    const tag = readTag(bytes, position, end);
    if (tag < 0) {
      return -1;
    }
    const inner = (tag - (tag % 8)) / 8;
    if (tag % 8 === 4) {
      return field === 0 || field === inner ? readEnd : -1;
    }
    position = skip(bytes, readEnd, end, tag % 8, inner, depth + 1);
    if (position < 0) {
      return -1;
    }
  }
}
