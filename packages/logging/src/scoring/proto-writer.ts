import { putBytes, putFixed32, putLength, putTag, putUtf8, putVarint, utf8Size } from '@inferflow/proto/hot';
import { GrowingBytes } from '../encode/growing-bytes.js';

/** Lengths of open messages are written in this many bytes, whatever they are: they are known only when the message is closed. */
const lengthBytes = 4;

/** Protobuf fields behind one another, nested messages included. Default values are left out, as proto3 has it. */
export class ProtoWriter {
  readonly out = new GrowingBytes(1 << 16);

  text(field: number, value: string): void {
    if (value === '') return;
    const size = utf8Size(value);
    this.out.ensure(size + 12);
    this.out.end = putUtf8(this.out.bytes, putLength(this.out.bytes, this.out.end, field, size), value);
  }

  bytes(field: number, source: Uint8Array, from = 0, to = source.length): void {
    if (to <= from) return;
    this.out.ensure(to - from + 12);
    this.out.end = putBytes(this.out.bytes, putLength(this.out.bytes, this.out.end, field, to - from), source, from, to);
  }

  /** An integer from 0 to 2^53. */
  number(field: number, value: number): void {
    if (value <= 0) return;
    this.out.ensure(16);
    this.out.end = putVarint(this.out.bytes, putTag(this.out.bytes, this.out.end, field, 0), value);
  }

  flag(field: number, value: boolean): void {
    if (value) this.number(field, 1);
  }

  fixed32(field: number, value: number): void {
    if (value === 0) return;
    this.out.ensure(8);
    this.out.end = putFixed32(this.out.bytes, putTag(this.out.bytes, this.out.end, field, 5), value);
  }

  /** One number of a packed list that is open. */
  packed(value: number): void {
    this.out.ensure(8);
    this.out.end = putVarint(this.out.bytes, this.out.end, value);
  }

  /** Begins a message, bytes or a packed list; returns what `close` needs. */
  open(field: number): number {
    this.out.ensure(12);
    this.out.end = putTag(this.out.bytes, this.out.end, field, 2) + lengthBytes;
    return this.out.end;
  }

  close(start: number): void {
    let rest = this.out.end - start;
    const { bytes } = this.out;
    for (let at = start - lengthBytes; at < start - 1; at++) {
      bytes[at] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    bytes[start - 1] = rest & 0x7f;
  }
}
