import { readEnd, readLength, readSigned32, readTag, readVarint, skipField } from '../wire/read.js';

/*
 * inference.InferTensorContents on the wire: one field per family of datatypes (see `forms`), packed or one element at a time:
 *
 *   0a bools | 12 int32s | 1a int64s | 22 uint32s | 2a uint64s      packed varints; one at a time 08, 10, 18, 20, 28
 *   32 floats | 3a doubles                                          packed, 4 or 8 bytes each; one at a time 35, 39
 *   «42 bytes»                                                      one field per element
 *
 * What comes out is what `raw_output_contents` would hold: elements of the datatype's own width one after the other, little-endian; of
 * BYTES each behind its length (u32).
 */

/** How a datatype stands in `InferTensorContents`: its field, and how an element is stored in raw contents. */
interface ContentsForm {
  readonly field: number;
  /** Raw bytes per element; 0 = text with a length. */
  readonly width: number;
  readonly wire: 'varint' | 'fixed' | 'bytes';
}

const forms: ReadonlyMap<string, ContentsForm> = new Map<string, ContentsForm>([
  ['BOOL', { field: 1, width: 1, wire: 'varint' }],
  ['INT8', { field: 2, width: 1, wire: 'varint' }],
  ['INT16', { field: 2, width: 2, wire: 'varint' }],
  ['INT32', { field: 2, width: 4, wire: 'varint' }],
  ['INT64', { field: 3, width: 8, wire: 'varint' }],
  ['UINT8', { field: 4, width: 1, wire: 'varint' }],
  ['UINT16', { field: 4, width: 2, wire: 'varint' }],
  ['UINT32', { field: 4, width: 4, wire: 'varint' }],
  ['UINT64', { field: 5, width: 8, wire: 'varint' }],
  ['FP32', { field: 6, width: 4, wire: 'fixed' }],
  ['FP64', { field: 7, width: 8, wire: 'fixed' }],
  ['BYTES', { field: 8, width: 0, wire: 'bytes' }],
]);

const firstBytes = 1024;
/** A scratch that is kept is no larger. */
const mostKeptBytes = 1 << 20;

/** Memory that typed contents are put into as raw contents; grows, and is good until the next use. */
export class RawScratch {
  bytes = new Uint8Array(firstBytes);
  length = 0;

  /** More than 1 MiB: to be given up with {@link RawScratch.trim} once what is in it was read. */
  get isLarge(): boolean {
    return this.bytes.length > mostKeptBytes;
  }

  /** Lets go of memory that only an unusually large use needed. */
  trim(): void {
    if (!this.isLarge) return;
    this.bytes = new Uint8Array(firstBytes);
    this.length = 0;
  }

  /** Room for `more` bytes behind what is there. */
  reserve(more: number): void {
    const needed = this.length + more;
    if (this.bytes.length >= needed) return;
    const next = new Uint8Array(Math.max(needed, this.bytes.length * 2));
    next.set(this.bytes.subarray(0, this.length));
    this.bytes = next;
  }
}

/**
 * Turns `InferTensorContents` (`message[start, end)`) into what raw contents of this datatype would be. Returns the number of elements;
 * −1 if malformed, if a value is beyond its datatype, if there are more than `maxElements` (nothing beyond them is expanded), or the
 * datatype has no typed form. Fields of other datatypes are skipped.
 */
export function readTypedContents(
  message: Uint8Array,
  start: number,
  end: number,
  datatype: string,
  maxElements: number,
  scratch: RawScratch,
): number {
  scratch.length = 0;
  return addTypedContents(message, start, end, datatype, maxElements, scratch);
}

/** As {@link readTypedContents}, behind what is in the scratch: for contents in several pieces. Returns the elements of this piece. */
export function addTypedContents(
  message: Uint8Array,
  start: number,
  end: number,
  datatype: string,
  maxElements: number,
  scratch: RawScratch,
): number {
  const form = forms.get(datatype);
  if (form === undefined) return -1;
  let count = 0;
  let at = start;
  while (at < end) {
    const tag = readTag(message, at, end);
    if (tag < 0) return -1;
    const wireType = tag % 8;
    if ((tag - wireType) / 8 !== form.field) {
      at = skipField(message, readEnd, end, wireType, (tag - wireType) / 8);
      if (at < 0) return -1;
      continue;
    }
    if (wireType === 2) {
      const length = readLength(message, readEnd, end);
      if (length < 0) return -1;
      const from = readEnd;
      at = from + length;
      const room = maxElements - count;
      const added = form.wire === 'bytes' ? putText(message, from, at, room, scratch) : putPacked(message, from, at, room, form, scratch);
      if (added < 0) return -1;
      count += added;
      continue;
    }
    if (count === maxElements) return -1;
    at = putOne(message, readEnd, end, form, wireType, scratch);
    if (at < 0) return -1;
    count++;
  }
  return count;
}

/** One text; returns 1, −1 if there is no room for one. */
function putText(message: Uint8Array, from: number, to: number, room: number, scratch: RawScratch): number {
  if (room < 1) return -1;
  const length = to - from;
  scratch.reserve(4 + length);
  const { bytes } = scratch;
  let at = scratch.length;
  bytes[at++] = length;
  bytes[at++] = length >>> 8;
  bytes[at++] = length >>> 16;
  bytes[at++] = length >>> 24;
  bytes.set(message.subarray(from, to), at);
  scratch.length = at + length;
  return 1;
}

/** Elements of a packed field; returns their number, −1 if malformed or there are more than `room`. */
function putPacked(message: Uint8Array, from: number, to: number, room: number, form: ContentsForm, scratch: RawScratch): number {
  if (form.wire === 'fixed') {
    const count = (to - from) / form.width;
    if (!Number.isInteger(count) || count > room) return -1;
    scratch.reserve(to - from);
    scratch.bytes.set(message.subarray(from, to), scratch.length);
    scratch.length += to - from;
    return count;
  }
  let count = 0;
  let at = from;
  while (at < to) {
    if (count === room) return -1;
    at = putOne(message, at, to, form, 0, scratch);
    if (at < 0) return -1;
    count++;
  }
  return count;
}

/** One element in its own field; returns the position behind it, −1 if malformed or of another wire type. */
function putOne(message: Uint8Array, at: number, end: number, form: ContentsForm, wireType: number, scratch: RawScratch): number {
  scratch.reserve(8);
  if (form.wire === 'fixed') {
    if (wireType !== (form.width === 4 ? 5 : 1) || at + form.width > end) return -1;
    scratch.bytes.set(message.subarray(at, at + form.width), scratch.length);
    scratch.length += form.width;
    return at + form.width;
  }
  if (form.wire !== 'varint' || wireType !== 0) return -1;
  if (form.width === 8) return putLong(message, at, end, scratch);
  const value = form.field === 1 ? (readVarint(message, at, end) > 0 ? 1 : 0) : readSigned32(message, at, end);
  if (readEnd < 0 || !fits(value, form)) return -1;
  for (let byte = 0; byte < form.width; byte++) scratch.bytes[scratch.length++] = value >> (8 * byte);
  return readEnd;
}

/** Whether a value has the width of its datatype: narrow ones travel as 32 bits. */
function fits(value: number, { field, width }: ContentsForm): boolean {
  if (width === 4 || field === 1) return true;
  const bits = 8 * width;
  return field === 4 ? value >>> bits === 0 : (value << (32 - bits)) >> (32 - bits) === value;
}

/** A 64-bit varint, all bits kept: seven bits of the wire at a time. */
function putLong(message: Uint8Array, at: number, end: number, scratch: RawScratch): number {
  let low = 0;
  let high = 0;
  for (let index = 0; index < 10 && at + index < end; index++) {
    const byte = message[at + index] as number;
    const bits = byte & 0x7f;
    const shift = index * 7;
    if (shift < 28) low |= bits << shift;
    else if (shift === 28) {
      low |= bits << 28;
      high |= bits >> 4;
    } else high |= bits << (shift - 32);
    if (byte < 0x80) {
      if (index === 9 && byte > 1) return -1;
      const view = scratch.bytes;
      for (let put = 0; put < 4; put++) view[scratch.length++] = low >>> (8 * put);
      for (let put = 0; put < 4; put++) view[scratch.length++] = high >>> (8 * put);
      return at + index + 1;
    }
  }
  return -1;
}
