import { readEnd, readLength, readSigned64, readTag, skipField } from '../wire/read.js';
import { addTypedContents, type RawScratch, readTypedContents } from './typed-contents.js';

/*
 * inference.ModelInferResponse on the wire, tags in hex; «…» may repeat. Fields may stand in any order.
 *
 *   0a model_name | 12 model_version | «2a output» | «32 raw contents of output 0, 1, …»
 *   output   0a name | 12 datatype | 1a dimensions, packed (or «18 dimension») | 2a typed contents (see typed-contents.ts)
 *
 * Kept per output: where name, datatype and typed contents lie (six numbers in #ranges), and the dimensions. Protobuf allows typed
 * contents in several pieces, whose elements follow each other: #pieces has all but the first.
 */

/** Dimensions kept per output; a tensor with more is malformed. */
export const MAX_RANK = 16;

/** Outputs, and raw contents, of an answer: one with more is malformed. An entry can be two bytes, and an answer many megabytes. */
export const MAX_OUTPUTS = 4096;

/** Further pieces of typed contents, over all outputs; an answer with more is malformed. Encoders write none. */
const MAX_PIECES = 64;

/**
 * A decoded `inference.ModelInferResponse`: positions in the message, nothing copied. Reused from answer to answer; good while the
 * message is.
 */
export class InferAnswer {
  outputCount = 0;
  /** Where the model's version stands; an empty range without one. */
  modelVersionStart = 0;
  modelVersionEnd = 0;
  /** Per output: start and end of its name, of its datatype, of the first piece of its typed contents (start −1: none). */
  readonly #ranges: Int32Array[] = [];
  /** Of typed contents in several pieces, each piece but the first: output, start, end. */
  readonly #pieces: number[] = [];
  rawCount = 0;
  #raw = new Int32Array(32);
  #shapes: Float64Array[] = [];
  #ranks = new Int32Array(0);

  /** Reads a message; false if it is malformed. */
  read(message: Uint8Array, start: number, end: number): boolean {
    this.outputCount = 0;
    this.rawCount = 0;
    if (this.#pieces.length > 0) this.#pieces.length = 0;
    this.modelVersionStart = start;
    this.modelVersionEnd = start;
    let at = start;
    while (at < end) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      if (tag === 0x12 || tag === 0x2a || tag === 0x32) {
        const length = readLength(message, readEnd, end);
        if (length < 0) return false;
        const from = readEnd;
        at = from + length;
        if (tag === 0x12) {
          this.modelVersionStart = from;
          this.modelVersionEnd = at;
        } else if (tag === 0x32) {
          if (this.rawCount === MAX_OUTPUTS) return false;
          this.#addRaw(from, at);
        } else if (this.outputCount === MAX_OUTPUTS || !this.#addOutput(message, from, at)) return false;
        continue;
      }
      at = skipField(message, readEnd, end, tag % 8, Math.floor(tag / 8));
      if (at < 0) return false;
    }
    return true;
  }

  /** The output with this name (bytes of UTF-8), the first if there are several; −1 if there is none. */
  find(message: Uint8Array, name: Uint8Array): number {
    for (let output = 0; output < this.outputCount; output++) {
      const ranges = this.#ranges[output] as Int32Array;
      const start = ranges[0] as number;
      if ((ranges[1] as number) - start !== name.length) continue;
      let index = 0;
      while (index < name.length && message[start + index] === name[index]) index++;
      if (index === name.length) return output;
    }
    return -1;
  }

  /** Whether an output's datatype is this text (ASCII). */
  hasType(message: Uint8Array, output: number, datatype: string): boolean {
    const ranges = this.#ranges[output] as Int32Array;
    const start = ranges[2] as number;
    if ((ranges[3] as number) - start !== datatype.length) return false;
    for (let index = 0; index < datatype.length; index++) if (message[start + index] !== datatype.charCodeAt(index)) return false;
    return true;
  }

  /** An output's datatype as text. For messages. */
  typeText(message: Uint8Array, output: number): string {
    const ranges = this.#ranges[output] as Int32Array;
    return String.fromCharCode(...message.subarray(ranges[2], Math.min(ranges[3] as number, (ranges[2] as number) + 32)));
  }

  rank(output: number): number {
    return this.#ranks[output] as number;
  }

  dim(output: number, index: number): number {
    return (this.#shapes[output] as Float64Array)[index] as number;
  }

  /** Elements of an output by its shape; −1 if a dimension is negative. */
  elementCount(output: number): number {
    let count = 1;
    for (let index = 0; index < this.rank(output); index++) {
      const dim = this.dim(output, index);
      if (dim < 0) return -1;
      count *= dim;
    }
    return count;
  }

  /** Whether an output has typed contents of at least a byte. */
  hasContents(output: number): boolean {
    const ranges = this.#ranges[output] as Int32Array;
    if ((ranges[4] as number) < 0) return false;
    if (ranges[5] !== ranges[4]) return true;
    return this.#pieces.some((entry, at) => at % 3 === 0 && entry === output && this.#pieces[at + 1] !== this.#pieces[at + 2]);
  }

  /** Turns an output's typed contents into raw ones, see {@link readTypedContents}. */
  readContents(message: Uint8Array, output: number, datatype: string, maxElements: number, scratch: RawScratch): number {
    const ranges = this.#ranges[output] as Int32Array;
    const pieces = this.#pieces;
    let count = readTypedContents(message, ranges[4] as number, ranges[5] as number, datatype, maxElements, scratch);
    for (let at = 0; at < pieces.length && count >= 0; at += 3) {
      if (pieces[at] !== output) continue;
      const more = addTypedContents(message, pieces[at + 1] as number, pieces[at + 2] as number, datatype, maxElements - count, scratch);
      count = more < 0 ? -1 : count + more;
    }
    return count;
  }

  rawStart(index: number): number {
    return this.#raw[index * 2] as number;
  }

  rawEnd(index: number): number {
    return this.#raw[index * 2 + 1] as number;
  }

  #addRaw(from: number, to: number): void {
    const at = this.rawCount * 2;
    if (this.#raw.length < at + 2) {
      const next = new Int32Array(this.#raw.length * 2);
      next.set(this.#raw);
      this.#raw = next;
    }
    this.#raw[at] = from;
    this.#raw[at + 1] = to;
    this.rawCount++;
  }

  #addOutput(message: Uint8Array, start: number, end: number): boolean {
    const output = this.outputCount++;
    if (this.#ranges.length === output) {
      this.#ranges.push(new Int32Array(6));
      this.#shapes.push(new Float64Array(MAX_RANK));
      if (this.#ranks.length === output) {
        const ranks = new Int32Array(Math.max(8, output * 2));
        ranks.set(this.#ranks);
        this.#ranks = ranks;
      }
    }
    const ranges = (this.#ranges[output] as Int32Array).fill(0);
    ranges[4] = -1;
    this.#ranks[output] = 0;
    let at = start;
    while (at < end) {
      const tag = readTag(message, at, end);
      if (tag < 0) return false;
      const wireType = tag % 8;
      const field = (tag - wireType) / 8;
      if (wireType === 2 && (field <= 3 || field === 5)) {
        const length = readLength(message, readEnd, end);
        if (length < 0) return false;
        const from = readEnd;
        at = from + length;
        if (field === 3) {
          if (!this.#addDims(message, output, from, at)) return false;
        } else if (field === 5 && (ranges[4] as number) >= 0) {
          if (this.#pieces.push(output, from, at) > MAX_PIECES * 3) return false;
        } else {
          const pair = field === 5 ? 4 : (field - 1) * 2;
          ranges[pair] = from;
          ranges[pair + 1] = at;
        }
        continue;
      }
      if (tag === 0x18) {
        const value = readSigned64(message, readEnd, end);
        at = readEnd;
        if (at < 0 || !this.#addDim(output, value)) return false;
        continue;
      }
      at = skipField(message, readEnd, end, wireType, field);
      if (at < 0) return false;
    }
    return true;
  }

  #addDims(message: Uint8Array, output: number, start: number, end: number): boolean {
    let at = start;
    while (at < end) {
      const value = readSigned64(message, at, end);
      at = readEnd;
      if (at < 0 || !this.#addDim(output, value)) return false;
    }
    return true;
  }

  #addDim(output: number, value: number): boolean {
    const rank = this.#ranks[output] as number;
    if (rank === MAX_RANK) return false;
    (this.#shapes[output] as Float64Array)[rank] = value;
    this.#ranks[output] = rank + 1;
    return true;
  }
}
