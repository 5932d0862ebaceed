import { describe, expect, it } from 'vitest';
import { copyBytes, fillRange } from './short-ranges.js';

const source = Uint8Array.from({ length: 120 }, (_, index) => index + 1);

describe('copyBytes', () => {
  it.each([0, 1, 11, 47, 48, 49, 100])('copies %s bytes and nothing else', (length) => {
    const target = new Uint8Array(120).fill(0xee);
    copyBytes(source, 7, 7 + length, target, 3);
    const wanted = new Uint8Array(120).fill(0xee);
    wanted.set(source.slice(7, 7 + length), 3);
    expect(target).toEqual(wanted);
  });
});

describe('fillRange', () => {
  it.each([0, 1, 11, 12, 13, 100])('sets %s cells and nothing else', (count) => {
    for (const target of [new Uint8Array(120), new Int32Array(120)]) {
      fillRange(target, 9, 5, 5 + count);
      expect([...target]).toEqual(Array.from({ length: 120 }, (_, index) => (index >= 5 && index < 5 + count ? 9 : 0)));
    }
  });
});
