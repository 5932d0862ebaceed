import { describe, expect, it } from 'vitest';
import { murmur3 } from './murmur3.js';

const encoder = new TextEncoder();

describe('murmur3', () => {
  it('gives the published values', () => {
    const hash = (text: string) => murmur3(encoder.encode(text), 0, encoder.encode(text).length, 0);
    expect(hash('16022026')).toBe(0x472e8345);
    expect(hash('1234516022026')).toBe(0x244291d1);
    expect(hash('u-129022024')).toBe(0x4d66b668);
    expect(hash('987654321031122025')).toBe(0xce05df80);
  });
});
