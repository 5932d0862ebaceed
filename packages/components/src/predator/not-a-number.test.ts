import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type FloatFormat, floatFormatOf, holdsNaN } from './not-a-number.js';

const format = (name: string): FloatFormat => floatFormatOf(name) as FloatFormat;

describe('holdsNaN', () => {
  it('agrees with the machine on every FP32 and FP64 pattern, wherever it lies', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 9, maxLength: 40 }), fc.boolean(), (bytes, makeSpecial) => {
        if (makeSpecial) {
          bytes[4] = 0xff;
          bytes[3] = 0xf0 | (bytes[3] as number);
        }
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        expect(holdsNaN(format('FP32'), bytes, 1, 5)).toBe(Number.isNaN(view.getFloat32(1, true)));
        expect(holdsNaN(format('FP64'), bytes, 1, 9)).toBe(Number.isNaN(view.getFloat64(1, true)));
      }),
    );
  });

  it('knows the half formats, and that infinity is a number', () => {
    const pair = (bits: number) => new Uint8Array([bits & 255, bits >> 8]);
    expect([0x7e00, 0xfc01, 0x7c00, 0xfc00, 0x3c00, 0x0000].map((bits) => holdsNaN(format('FP16'), pair(bits), 0, 2))).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    expect([0x7fc0, 0xff81, 0x7f80, 0xff80, 0x3f80].map((bits) => holdsNaN(format('BF16'), pair(bits), 0, 2))).toEqual([
      true,
      true,
      false,
      false,
      false,
    ]);
    const infinite = new Uint8Array(new Float32Array([Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1]).buffer);
    expect(holdsNaN(format('FP32'), infinite, 0, 12)).toBe(false);
    expect(floatFormatOf('INT32')).toBeNull();
  });
});
