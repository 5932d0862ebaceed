import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isValidUtf8, putUtf8, readUtf8, utf8Size } from './utf8.js';

const loose = new TextDecoder('utf-8', { ignoreBOM: true });
const strict = new TextDecoder('utf-8', { fatal: true });
const text = fc.string({
  unit: fc.oneof(fc.constantFrom('a', 'é', '€', '😀', '\ud800', '\udc00', '\ufeff'), fc.string({ unit: 'binary', maxLength: 1 })),
  maxLength: 80,
});

function isValid(bytes: Uint8Array): boolean {
  try {
    strict.decode(bytes);
    return true;
  } catch {
    return false;
  }
}

describe('isValidUtf8', () => {
  it('agrees with a strict decoder', () => {
    const pieces = fc.constantFrom(
      [0x61],
      [0x61, 0x62, 0x63, 0x64],
      [0xc3, 0xa9],
      [0xe2, 0x82, 0xac],
      [0xf0, 0x9f, 0x98, 0x80],
      [0xed, 0xa0, 0x80],
      [0xc0, 0x80],
      [0xe0, 0x80, 0x80],
      [0xf4, 0x90, 0x80, 0x80],
      [0xf0, 0x80, 0x80, 0x80],
      [0x80],
      [0xe2, 0x82],
      [0xff],
    );
    fc.assert(
      fc.property(fc.array(pieces, { maxLength: 12 }), (list) => {
        const bytes = Uint8Array.from(list.flat());
        expect(isValidUtf8(bytes, 0, bytes.length)).toBe(isValid(bytes));
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 6 }), (bytes) => {
        expect(isValidUtf8(bytes, 0, bytes.length)).toBe(isValid(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('reads only its range', () => {
    const bytes = Uint8Array.of(0xff, 0x61, 0xc3, 0xa9, 0xff);
    expect(isValidUtf8(bytes, 1, 4)).toBe(true);
    expect(isValidUtf8(bytes, 1, 3)).toBe(false);
    expect(isValidUtf8(bytes, 2, 2)).toBe(true);
  });
});

describe('putUtf8 and utf8Size', () => {
  it('write what TextEncoder writes, short and long, in the announced size', () => {
    fc.assert(
      fc.property(text, (value) => {
        const expected = new TextEncoder().encode(value);
        expect(utf8Size(value)).toBe(expected.length);
        const target = new Uint8Array(expected.length + 4).fill(0xaa);
        expect(putUtf8(target, 2, value)).toBe(2 + expected.length);
        expect(target.subarray(2, 2 + expected.length)).toEqual(expected);
        expect(target[1]).toBe(0xaa);
        expect(target[2 + expected.length]).toBe(0xaa);
      }),
      { numRuns: 500 },
    );
  });
});

describe('readUtf8', () => {
  it('reads what was written, byte order marks included', () => {
    fc.assert(
      fc.property(text, (value) => {
        const bytes = new TextEncoder().encode(`<${value}>`);
        expect(readUtf8(bytes, 1, bytes.length - 1)).toBe(loose.decode(new TextEncoder().encode(value)));
      }),
      { numRuns: 500 },
    );
  });

  it('replaces malformed parts', () => {
    expect(readUtf8(Uint8Array.of(0x61, 0xff, 0x62), 0, 3)).toBe('a\ufffdb');
  });
});
