import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  lengthFieldSize,
  putBytes,
  putFixed32,
  putFixed64,
  putFloat32,
  putFloat64,
  putLength,
  putSigned32,
  putTag,
  putVarint,
  signed32Size,
  tagSize,
  varintSize,
} from './write.js';

/** What `put` wrote, checked to stay between the position it was given and the one it answered. */
function written(put: (target: Uint8Array, at: number) => number): Uint8Array {
  const target = new Uint8Array(512).fill(0xaa);
  const end = put(target, 5);
  expect(target.subarray(0, 5).every((byte) => byte === 0xaa)).toBe(true);
  expect(target.subarray(end).every((byte) => byte === 0xaa)).toBe(true);
  return target.slice(5, end);
}

function expected(write: (writer: BinaryWriter) => void): Uint8Array {
  const writer = new BinaryWriter();
  write(writer);
  return writer.finish();
}

const upTo53 = fc.bigInt(0n, (1n << 53n) - 1n).chain((value) => fc.nat(52).map((shift) => Number(value >> BigInt(shift))));

describe('putVarint and varintSize', () => {
  it('write what protobuf-es writes, in the announced size', () => {
    const edges = Array.from({ length: 53 }, (_, bit) => [2 ** bit - 1, 2 ** bit]).flat();
    fc.assert(
      fc.property(upTo53, (value) => {
        const bytes = written((target, at) => putVarint(target, at, value));
        expect(bytes).toEqual(expected((writer) => writer.uint64(value)));
        expect(varintSize(value)).toBe(bytes.length);
      }),
      { examples: edges.map((value): [number] => [value]) },
    );
  });
});

describe('putSigned32 and signed32Size', () => {
  it('write what protobuf-es writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (value) => {
        const bytes = written((target, at) => putSigned32(target, at, value));
        expect(bytes).toEqual(expected((writer) => writer.int32(value)));
        expect(signed32Size(value)).toBe(bytes.length);
      }),
      { examples: [[-1], [-(2 ** 31)], [2 ** 31 - 1], [-128]] },
    );
  });
});

describe('putTag, putLength and their sizes', () => {
  it('write what protobuf-es writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 2 ** 29 - 1 }), fc.nat(300), (field, length) => {
        const tag = written((target, at) => putTag(target, at, field, WireType.Bit32));
        expect(tag).toEqual(expected((writer) => writer.tag(field, WireType.Bit32)));
        expect(tagSize(field)).toBe(tag.length);
        const head = written((target, at) => putLength(target, at, field, length));
        expect(head).toEqual(expected((writer) => writer.tag(field, WireType.LengthDelimited).uint32(length)));
        expect(lengthFieldSize(field, length)).toBe(head.length + length);
      }),
    );
  });
});

describe('putBytes', () => {
  it('copies a range of any length', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), fc.nat(200), (source, first, second) => {
        const from = Math.min(first, second, source.length);
        const to = Math.min(Math.max(first, second), source.length);
        expect(written((target, at) => putBytes(target, at, source, from, to))).toEqual(source.slice(from, to));
        expect(written((target, at) => putBytes(target, at, source, 0, source.length))).toEqual(source);
      }),
    );
  });
});

describe('fixed and float puts', () => {
  it('write what protobuf-es writes', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 32 - 1 }), fc.integer({ min: 0, max: 2 ** 32 - 1 }), (low, high) => {
        expect(written((target, at) => putFixed32(target, at, low))).toEqual(expected((writer) => writer.fixed32(low)));
        const both = (BigInt(high) << 32n) | BigInt(low);
        expect(written((target, at) => putFixed64(target, at, low, high))).toEqual(expected((writer) => writer.fixed64(both)));
      }),
    );
    fc.assert(
      fc.property(fc.double(), (value) => {
        expect(written((target, at) => putFloat64(target, at, value))).toEqual(expected((writer) => writer.double(value)));
        const narrow = Math.fround(value);
        if (Number.isFinite(narrow)) {
          expect(written((target, at) => putFloat32(target, at, narrow))).toEqual(expected((writer) => writer.float(narrow)));
        }
      }),
    );
  });
});
