import type { GrowingBytes } from './growing-bytes.js';

/** Compact Thrift, as far as Parquet's headers need it. Fields must be written in ascending order. */
export class ThriftWriter {
  readonly #target: GrowingBytes;
  readonly #lastIds: number[] = [];
  #lastId = 0;

  constructor(target: GrowingBytes) {
    this.#target = target;
  }

  int32(id: number, value: number): this {
    this.#field(id, 5);
    this.#zigzag(value);
    return this;
  }

  int64(id: number, value: number): this {
    this.#field(id, 6);
    this.#zigzag(value);
    return this;
  }

  int8(id: number, value: number): this {
    this.#field(id, 3);
    this.#target.appendByte(value);
    return this;
  }

  boolean(id: number, value: boolean): this {
    this.#field(id, value ? 1 : 2);
    return this;
  }

  text(id: number, value: string): this {
    this.#field(id, 8);
    this.#text(value);
    return this;
  }

  struct(id: number, write: () => void): this {
    this.#field(id, 12);
    this.#struct(write);
    return this;
  }

  structs(id: number, writes: readonly (() => void)[]): this {
    this.#list(id, 12, writes.length);
    for (const write of writes) this.#struct(write);
    return this;
  }

  int32s(id: number, values: readonly number[]): this {
    this.#list(id, 5, values.length);
    for (const value of values) this.#zigzag(value);
    return this;
  }

  texts(id: number, values: readonly string[]): this {
    this.#list(id, 8, values.length);
    for (const value of values) this.#text(value);
    return this;
  }

  /** Ends the outermost struct. */
  end(): void {
    this.#target.appendByte(0);
  }

  #struct(write: () => void): void {
    this.#lastIds.push(this.#lastId);
    this.#lastId = 0;
    write();
    this.#target.appendByte(0);
    this.#lastId = this.#lastIds.pop() ?? 0;
  }

  #field(id: number, type: number): void {
    // Our ids never jump by more than 15.
    this.#target.appendByte(((id - this.#lastId) << 4) | type);
    this.#lastId = id;
  }

  #list(id: number, type: number, length: number): void {
    this.#field(id, 9);
    if (length < 15) this.#target.appendByte((length << 4) | type);
    else {
      this.#target.appendByte(0xf0 | type);
      this.#varint(length);
    }
  }

  #text(value: string): void {
    const bytes = new TextEncoder().encode(value);
    this.#varint(bytes.length);
    this.#target.append(bytes, 0, bytes.length);
  }

  #zigzag(value: number): void {
    this.#varint(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  #varint(value: number): void {
    let rest = value;
    while (rest > 127) {
      this.#target.appendByte((rest % 128) | 0x80);
      rest = Math.floor(rest / 128);
    }
    this.#target.appendByte(rest);
  }
}
