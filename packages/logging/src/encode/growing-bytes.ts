/** Bytes that grow at the end and are used again; its owner resets it before each use. */
export class GrowingBytes {
  bytes: Uint8Array<ArrayBuffer>;
  view: DataView<ArrayBuffer>;
  end = 0;

  constructor(initialBytes = 4096) {
    this.bytes = new Uint8Array(initialBytes);
    this.view = new DataView(this.bytes.buffer);
  }

  /** Room for `length` more bytes behind `end`; may replace `bytes`. */
  ensure(length: number): void {
    const need = this.end + length;
    if (need <= this.bytes.byteLength) return;
    const next = new Uint8Array(Math.max(need, this.bytes.byteLength * 2));
    next.set(this.bytes.subarray(0, this.end));
    this.bytes = next;
    this.view = new DataView(next.buffer);
  }

  /** Appends `source[start, start + length)`. */
  append(source: Uint8Array, start: number, length: number): void {
    this.ensure(length);
    const { bytes, end } = this;
    if (length <= 32) for (let index = 0; index < length; index++) bytes[end + index] = source[start + index] as number;
    else bytes.set(source.subarray(start, start + length), end);
    this.end = end + length;
  }

  appendByte(value: number): void {
    this.ensure(1);
    this.bytes[this.end++] = value;
  }

  appendUint32(value: number): void {
    this.ensure(4);
    this.view.setUint32(this.end, value, true);
    this.end += 4;
  }

  /** Zeros up to a multiple of `alignment`, counted from the start of the buffer. */
  align(alignment: number): void {
    const rest = this.end % alignment;
    if (rest !== 0) this.appendZeros(alignment - rest);
  }

  appendZeros(count: number): void {
    this.ensure(count);
    this.bytes.fill(0, this.end, this.end + count);
    this.end += count;
  }

  /** A copy of what was written. */
  toBytes(): Uint8Array<ArrayBuffer> {
    return this.bytes.slice(0, this.end);
  }

  /** What was written, valid until the next write. */
  get written(): Uint8Array {
    return this.bytes.subarray(0, this.end);
  }

  /** Forgets the content; memory above `keepBytes` is given back. */
  reset(keepBytes = 1 << 21): void {
    this.end = 0;
    if (this.bytes.byteLength <= keepBytes) return;
    this.bytes = new Uint8Array(4096);
    this.view = new DataView(this.bytes.buffer);
  }
}
