/** A struct of compact Thrift by field id; binary values are views. */
export type ThriftStruct = ReadonlyMap<number, ThriftValue>;
/** Any value of compact Thrift. Integers are numbers: nothing in a Parquet footer needs more than 53 bits. */
export type ThriftValue = boolean | number | Uint8Array | readonly ThriftValue[] | ThriftStruct;

const deepest = 64;

/** Reads compact Thrift; throws a RangeError for what is cut or too deep. */
export class ThriftReader {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  struct(depth = 0): ThriftStruct {
    if (depth > deepest) throw new RangeError('nested too deep');
    const fields = new Map<number, ThriftValue>();
    let id = 0;
    for (;;) {
      const head = this.byte();
      if (head === 0) return fields;
      id = head >> 4 === 0 ? this.zigzag() : id + (head >> 4);
      fields.set(id, this.#value(head & 15, depth));
    }
  }

  byte(): number {
    const value = this.#bytes[this.at++];
    if (value === undefined) throw new RangeError('cut');
    return value;
  }

  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
      scale *= 128;
    }
    throw new RangeError('a number that is too long');
  }

  zigzag(): number {
    const value = this.varint();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  #take(length: number): Uint8Array {
    if (length > this.#bytes.length - this.at) throw new RangeError('cut');
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  #value(type: number, depth: number): ThriftValue {
    switch (type) {
      case 1:
        return true;
      case 2:
        return false;
      case 3:
        return this.byte();
      case 4:
      case 5:
      case 6:
        return this.zigzag();
      case 7:
        return this.#take(8);
      case 8:
        return this.#take(this.varint());
      case 9:
      case 10: {
        const head = this.byte();
        const count = head >> 4 === 15 ? this.varint() : head >> 4;
        if (count > this.#bytes.length) throw new RangeError('a list that is too long');
        const element = head & 15;
        return Array.from({ length: count }, () => (element <= 2 ? this.byte() === 1 : this.#value(element, depth + 1)));
      }
      case 12:
        return this.struct(depth + 1);
      default:
        throw new RangeError(`type ${type}`);
    }
  }
}
