import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { joinByteTexts, splitByteTexts } from './byte-texts.js';

describe('BYTES tensors', () => {
  it('are split into the texts they were joined from, wherever they begin in a buffer', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 })), fc.nat(5), (texts, offset) => {
        const joined = joinByteTexts(texts);
        const moved = new Uint8Array(joined.length + offset);
        moved.set(joined, offset);
        expect(splitByteTexts(moved.subarray(offset))?.map((text) => [...text])).toEqual(texts.map((text) => [...text]));
      }),
    );
  });

  it('are nothing when they are cut off', () => {
    const whole = joinByteTexts([Uint8Array.of(1, 2, 3), Uint8Array.of(4)]);
    for (const length of [1, 3, 5, 6, 8, 10, 11]) expect(splitByteTexts(whole.subarray(0, length)), String(length)).toBeNull();
    expect(splitByteTexts(whole.subarray(0, 7))).toHaveLength(1);
  });
});
