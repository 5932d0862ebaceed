import { describe, expect, it } from 'vitest';
import { utf8Bytes } from './utf8-bytes.js';

describe('utf8Bytes', () => {
  it.each(['', 'a', 'grün', '名前', '🦜'.repeat(40), 'lone \ud800 half'])(
    'encodes %j as everybody does, into just as many bytes',
    (text) => {
      expect(utf8Bytes(text)).toEqual(new TextEncoder().encode(text));
    },
  );
});
