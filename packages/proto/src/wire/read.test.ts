import { fromBinary } from '@bufbuild/protobuf';
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RpcStatusSchema } from '../index.js';
import { readEnd, readFixed32, readLength, readSigned32, readSigned64, readTag, readVarint, SATURATED, skipField } from './read.js';

const MAX_U64 = (1n << 64n) - 1n;
const uint64 = fc.bigInt(0n, MAX_U64).chain((value) => fc.nat(63).map((shift) => value >> BigInt(shift)));

function bytesOf(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

/** The bytes at an offset, with garbage around them that must not be read. */
function framed(bytes: Uint8Array): { bytes: Uint8Array; at: number; end: number } {
  const all = new Uint8Array(bytes.length + 8).fill(0xff);
  all.set(bytes, 3);
  return { bytes: all, at: 3, end: 3 + bytes.length };
}

describe('readVarint', () => {
  it('is exact below 2^53 and saturates from there on', () => {
    fc.assert(
      fc.property(uint64, (value) => {
        const { bytes, at, end } = framed(bytesOf((writer) => writer.uint64(value)));
        expect(readVarint(bytes, at, end)).toBe(value < 1n << 53n ? Number(value) : SATURATED);
        expect(readEnd).toBe(end);
      }),
      { examples: [[(1n << 53n) - 1n], [1n << 53n], [(1n << 53n) + 1n], [MAX_U64], [0n], [127n], [128n]] },
    );
  });

  it('refuses every truncation', () => {
    fc.assert(
      fc.property(uint64, (value) => {
        const { bytes, at, end } = framed(bytesOf((writer) => writer.uint64(value)));
        for (let short = at; short < end; short++) {
          expect(readVarint(bytes, at, short)).toBe(-1);
          expect(readEnd).toBe(-1);
        }
      }),
    );
  });

  it('refuses more than 64 bits', () => {
    const eleven = new Uint8Array(11).fill(0x80);
    expect(readVarint(eleven, 0, 11)).toBe(-1);
    const overflow = new Uint8Array(10).fill(0xff);
    overflow[9] = 2;
    expect(readVarint(overflow, 0, 10)).toBe(-1);
    overflow[9] = 1;
    expect(readVarint(overflow, 0, 10)).toBe(SATURATED);
  });

  it('accepts padded encodings', () => {
    expect(readVarint(Uint8Array.of(0x85, 0x80, 0x00), 0, 3)).toBe(5);
    expect(readEnd).toBe(3);
  });
});

describe('readSigned32', () => {
  it('reads what protobuf-es writes, negatives in ten bytes included', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (value) => {
        const { bytes, at, end } = framed(bytesOf((writer) => writer.int32(value)));
        expect(readSigned32(bytes, at, end)).toBe(value);
        expect(readEnd).toBe(end);
        expect(readSigned32(bytes, at, end - 1)).toBe(0);
        expect(readEnd).toBe(-1);
      }),
      { examples: [[-1], [-(2 ** 31)], [2 ** 31 - 1]] },
    );
  });

  it('keeps the low 32 bits of a longer value, as protobuf-es does', () => {
    fc.assert(
      fc.property(uint64, (value) => {
        const bytes = bytesOf((writer) => writer.uint64(value));
        expect(readSigned32(bytes, 0, bytes.length)).toBe(new BinaryReader(bytes).int32());
      }),
    );
  });
});

describe('readSigned64', () => {
  it('is exact within 2^53 and saturates on both sides', () => {
    const int64 = fc.bigInt(-(1n << 63n), (1n << 63n) - 1n).chain((value) => fc.nat(62).map((shift) => value >> BigInt(shift)));
    const limit = 1n << 53n;
    fc.assert(
      fc.property(int64, (value) => {
        const { bytes, at, end } = framed(bytesOf((writer) => writer.int64(value)));
        const expected = value > limit ? SATURATED : value < -limit ? -SATURATED : Number(value);
        expect(readSigned64(bytes, at, end)).toBe(expected);
        expect(readEnd).toBe(end);
      }),
      { examples: [[-1n], [-limit], [-limit - 1n], [limit], [limit + 1n], [-(1n << 63n)], [(1n << 63n) - 1n]] },
    );
    expect(readSigned64(Uint8Array.of(0x80), 0, 1)).toBe(0);
    expect(readEnd).toBe(-1);
  });
});

describe('readTag', () => {
  it('reads field and wire type', () => {
    const types = [WireType.Varint, WireType.Bit64, WireType.LengthDelimited, WireType.StartGroup, WireType.EndGroup, WireType.Bit32];
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 29 - 1 }), fc.constantFrom(...types), (field, type) => {
        const { bytes, at, end } = framed(bytesOf((writer) => writer.tag(field, type)));
        expect(readTag(bytes, at, end)).toBe(field * 8 + type);
      }),
    );
  });

  it('refuses field 0, wire types 6 and 7 and more than 32 bits', () => {
    for (const tag of [0, 2, 7, 14, 15]) {
      expect(readTag(Uint8Array.of(tag), 0, 1)).toBe(-1);
      expect(readEnd).toBe(-1);
    }
    const long = bytesOf((writer) => writer.uint64((1n << 32n) + 8n));
    expect(readTag(long, 0, long.length)).toBe(-1);
  });
});

describe('readLength', () => {
  it('answers the length and where the payload starts', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (payload) => {
        const { bytes, at, end } = framed(bytesOf((writer) => writer.bytes(payload)));
        expect(readLength(bytes, at, end)).toBe(payload.length);
        expect(bytes.subarray(readEnd, readEnd + payload.length)).toEqual(payload);
        expect(readLength(bytes, at, end - 1)).toBe(-1);
        expect(readEnd).toBe(-1);
      }),
    );
  });
});

describe('readFixed32', () => {
  it('reads an unsigned value', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), (value) => {
        const { bytes, at, end } = framed(bytesOf((writer) => writer.fixed32(value)));
        expect(readFixed32(bytes, at, end)).toBe(value);
        expect(readFixed32(bytes, at, end - 1)).toBe(-1);
      }),
    );
  });
});

describe('skipField', () => {
  type Field = (writer: BinaryWriter) => void;
  const { field } = fc.letrec<{ field: Field }>((tie) => ({
    field: fc.oneof(
      { maxDepth: 4 },
      uint64.map(
        (value): Field =>
          (writer) =>
            writer.tag(1, WireType.Varint).uint64(value),
      ),
      fc.nat().map(
        (value): Field =>
          (writer) =>
            writer.tag(2, WireType.Bit32).fixed32(value),
      ),
      uint64.map(
        (value): Field =>
          (writer) =>
            writer.tag(3, WireType.Bit64).fixed64(value),
      ),
      fc.uint8Array().map(
        (value): Field =>
          (writer) =>
            writer.tag(1000, WireType.LengthDelimited).bytes(value),
      ),
      fc.array(tie('field'), { maxLength: 3 }).map(
        (fields): Field =>
          (writer) => {
            writer.tag(70_000, WireType.StartGroup);
            for (const write of fields) write(writer);
            writer.tag(70_000, WireType.EndGroup);
          },
      ),
    ),
  }));

  it('ends where protobuf-es ends and refuses every truncation', () => {
    fc.assert(
      fc.property(field, (write) => {
        const { bytes, at, end } = framed(bytesOf(write));
        const tag = readTag(bytes, at, end);
        const start = readEnd;
        expect(skipField(bytes, start, end, tag % 8, (tag - (tag % 8)) / 8)).toBe(end);
        expect(readEnd).toBe(end);
        for (let short = start; short < end; short++) {
          expect(skipField(bytes, start, short, tag % 8)).toBe(-1);
        }
      }),
    );
  });

  it('refuses a group that ends with another number, a lone end and endless nesting', () => {
    const wrong = bytesOf((writer) => writer.tag(1, WireType.StartGroup).tag(2, WireType.EndGroup));
    expect(skipField(wrong, 1, wrong.length, 3, 1)).toBe(-1);
    expect(skipField(wrong, 1, wrong.length, 4)).toBe(-1);
    expect(skipField(wrong, 1, wrong.length, 7)).toBe(-1);
    const deep = new Uint8Array(100_000).fill(0x0b);
    expect(skipField(deep, 0, deep.length, 3)).toBe(-1);
  });

  it.each([99, 100])('nests groups as deep as protobuf-es does: %i', (depth) => {
    const bytes = Uint8Array.of(...Array<number>(depth).fill(0x7b), ...Array<number>(depth).fill(0x7c));
    let end = bytes.length;
    try {
      fromBinary(RpcStatusSchema, bytes);
    } catch {
      end = -1;
    }
    expect(end).toBe(depth < 100 ? bytes.length : -1);
    expect(skipField(bytes, 1, bytes.length, 3, 15)).toBe(end);
  });

  it('never leaves the bytes on garbage', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.nat(7), (bytes, type) => {
        const end = skipField(bytes, 0, bytes.length, type);
        expect(end === -1 || end <= bytes.length).toBe(true);
      }),
    );
  });
});
