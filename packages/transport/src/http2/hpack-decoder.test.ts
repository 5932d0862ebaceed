import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { HpackEncoder } from '../testing/hpack-encoder.js';
import { HpackDecoder } from './hpack-decoder.js';

/** Fuzzing takes this many times as long. */
const long = Number(process.env['FUZZ_TIMES'] ?? 1);
const limits = { maxTableBytes: 4096, maxListBytes: 65_536 };

interface List {
  readonly fields: readonly string[];
  readonly isTooLong: boolean;
}

function decoder(overrides: Partial<typeof limits> = {}): HpackDecoder<List> {
  return new HpackDecoder<List>({ ...limits, ...overrides }, (fields, isTooLong) => ({ fields: [...fields], isTooLong }));
}

function decode(hpack: HpackDecoder<List>, hex: string): Record<string, string> | null {
  const block = Buffer.from(hex.replaceAll(/\s/g, ''), 'hex');
  const list = hpack.decode(block, 0, block.length);
  if (list === null) return null;
  const fields: Record<string, string> = {};
  for (let i = 0; i < list.fields.length; i += 2) fields[list.fields[i]!] = list.fields[i + 1]!;
  return fields;
}

describe('HpackDecoder: RFC 7541 appendix C', () => {
  it('reads integers (C.1)', () => {
    // As table sizes, with a prefix of 5 bits: 10, which has room for no field, and 1337, which has room for one of 1337 bytes exactly.
    const field = (valueBytes: string, length: number) => `40 01 61 ${valueBytes} ${'62'.repeat(length)}`;
    const small = decoder();
    expect(decode(small, `2a ${field('01', 1)}`)).toEqual({ a: 'b' });
    expect(small.dynamicCount).toBe(0);
    const exact = decoder();
    expect(decode(exact, `3f 9a 0a ${field('7f 99 09', 1304)}`)).toEqual({ a: 'b'.repeat(1304) });
    expect(exact).toMatchObject({ dynamicCount: 1, dynamicBytes: 1337 });
    const above = decoder();
    expect(decode(above, `3f 9a 0a ${field('7f 9a 09', 1305)}`)).toEqual({ a: 'b'.repeat(1305) });
    expect(above.dynamicCount).toBe(0);
    // 42 in whole octets, here as the length of a string.
    expect(decode(decoder(), field('2a', 42))).toEqual({ a: 'b'.repeat(42) });
  });

  it('reads literals and indexed fields (C.2)', () => {
    const added = decoder();
    expect(decode(added, '400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572')).toEqual({ 'custom-key': 'custom-header' });
    expect(added).toMatchObject({ dynamicCount: 1, dynamicBytes: 55 });
    const plain = decoder();
    expect(decode(plain, '040c 2f73 616d 706c 652f 7061 7468')).toEqual({ ':path': '/sample/path' });
    expect(decode(plain, '1008 7061 7373 776f 7264 0673 6563 7265 74')).toEqual({ password: 'secret' });
    expect(decode(plain, '82')).toEqual({ ':method': 'GET' });
    expect(plain.dynamicCount).toBe(0);
  });

  const first = { ':method': 'GET', ':scheme': 'http', ':path': '/', ':authority': 'www.example.com' };
  const third = {
    ':method': 'GET',
    ':scheme': 'https',
    ':path': '/index.html',
    ':authority': 'www.example.com',
    'custom-key': 'custom-value',
  };

  it.each([
    [
      'plain (C.3)',
      ['8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d', '8286 84be 5808 6e6f 2d63 6163 6865'],
      '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
    ],
    [
      'Huffman-coded (C.4)',
      ['8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff', '8286 84be 5886 a8eb 1064 9cbf'],
      '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
    ],
  ])('reads a row of requests, %s', (_how, [one, two], three) => {
    const hpack = decoder();
    expect(decode(hpack, one!)).toEqual(first);
    expect(hpack).toMatchObject({ dynamicCount: 1, dynamicBytes: 57 });
    expect(decode(hpack, two!)).toEqual({ ...first, 'cache-control': 'no-cache' });
    expect(hpack).toMatchObject({ dynamicCount: 2, dynamicBytes: 110 });
    expect(decode(hpack, three)).toEqual(third);
    expect(hpack).toMatchObject({ dynamicCount: 3, dynamicBytes: 164 });
  });

  it.each([
    [
      'plain (C.5)',
      `4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073
       3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d`,
      '4803 3330 37c1 c0bf',
      `88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48
       514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e 3d31`,
    ],
    [
      'Huffman-coded (C.6)',
      '4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3',
      '4883 640e ffc1 c0bf',
      `88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af
       2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07`,
    ],
  ])('reads a row of responses with a table of 256 bytes, %s', (_how, one, two, three) => {
    const hpack = decoder({ maxTableBytes: 256 });
    const fields = {
      ':status': '302',
      'cache-control': 'private',
      date: 'Mon, 21 Oct 2013 20:13:21 GMT',
      location: 'https://www.example.com',
    };
    expect(decode(hpack, one)).toEqual(fields);
    expect(hpack).toMatchObject({ dynamicCount: 4, dynamicBytes: 222 });
    expect(decode(hpack, two)).toEqual({ ...fields, ':status': '307' });
    expect(hpack).toMatchObject({ dynamicCount: 4, dynamicBytes: 222 });
    expect(decode(hpack, three)).toEqual({
      ...fields,
      ':status': '200',
      date: 'Mon, 21 Oct 2013 20:13:22 GMT',
      'content-encoding': 'gzip',
      'set-cookie': 'foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1',
    });
    expect(hpack).toMatchObject({ dynamicCount: 3, dynamicBytes: 215 });
  });
});

describe('HpackDecoder', () => {
  it.each([
    ['index 0', '80', 'no table'],
    ['an index beyond the tables', 'be', 'no table'],
    ['a name index beyond the tables', '7e 0161', 'no table'],
    ['a number that never ends', 'ff ff ff', 'beyond the block'],
    ['a number that is too large', 'ff ff ff ff ff ff 0f', 'too large'],
    ['a string that is cut off', '00 05 61 62', 'beyond the block'],
    ['a literal without a value', '00 01 61', 'beyond its end'],
    ['a table size above the announced one', '3f e2 1f', 'table size'],
    ['a table size update after a field', '82 20', 'table size update'],
    ['Huffman padding of a whole byte', '00 01 61 82 1f ff', 'Huffman'],
    ['Huffman padding with zeros', '00 01 61 81 18', 'Huffman'],
    ['EOS in a Huffman string', '00 01 61 84 ff ff ff ff', 'Huffman'],
  ])('refuses %s', (_what, hex, problem) => {
    const hpack = decoder();
    expect(decode(hpack, hex)).toBeNull();
    expect(hpack.problem).toContain(problem);
  });

  it('takes table size updates, to nothing and back', () => {
    const hpack = decoder();
    expect(decode(hpack, '40 01 61 01 62')).toEqual({ a: 'b' });
    expect(decode(hpack, '20 3f e1 1f 82')).toEqual({ ':method': 'GET' });
    expect(hpack.dynamicCount).toBe(0);
    expect(decode(hpack, 'be')).toBeNull();
  });

  it('empties the table for a field that is larger than it', () => {
    const hpack = decoder({ maxTableBytes: 64 });
    expect(decode(hpack, '40 01 61 01 62')).toEqual({ a: 'b' });
    expect(hpack.dynamicCount).toBe(1);
    expect(decode(hpack, `40 01 61 28 ${'62'.repeat(40)}`)).toEqual({ a: 'b'.repeat(40) });
    expect(hpack).toMatchObject({ dynamicCount: 0, dynamicBytes: 0 });
  });

  it('cuts a list at the limit and stays in step', () => {
    const hpack = decoder({ maxListBytes: 200 });
    const bomb = Buffer.from(`40 01 61 28 ${'62'.repeat(40)} ${'be'.repeat(1000)}`.replaceAll(' ', ''), 'hex');
    const list = hpack.decode(bomb, 0, bomb.length);
    expect(list?.isTooLong).toBe(true);
    expect(list?.fields.length).toBeLessThanOrEqual(4);
    expect(decode(hpack, 'be')).toEqual({ a: 'b'.repeat(40) });
  });

  it('answers a repeated block from the cache until the table changes', () => {
    let digests = 0;
    const hpack = new HpackDecoder(limits, (fields) => {
      digests++;
      return fields[1];
    });
    const at = (hex: string) => {
      const block = Buffer.from(hex, 'hex');
      return hpack.decode(block, 0, block.length);
    };
    expect(at('4001610162')).toBe('b');
    expect(at('be')).toBe('b');
    expect(at('be')).toBe('b');
    expect(digests).toBe(2);
    expect(at('4001610163')).toBe('c');
    expect(at('be')).toBe('c');
    expect(at('bf')).toBe('b');
    expect(digests).toBe(5);
  });

  const name = fc.stringMatching(/^[a-z0-9-]{1,20}$/);
  const value = fc.oneof(
    fc.stringMatching(/^[ -~]{0,60}$/),
    fc.string({ unit: fc.integer({ min: 0, max: 255 }).map((c) => String.fromCharCode(c)), maxLength: 40 }),
  );
  const lists = fc.array(fc.array(fc.tuple(name, value), { maxLength: 8 }), { maxLength: 12 });

  it('reads whatever an encoder writes: tables, Huffman, size updates', () => {
    fc.assert(
      fc.property(lists, fc.infiniteStream(fc.nat(999)), (blocks, dice) => {
        const encoder = new HpackEncoder(4096, () => dice.next().value);
        const hpack = decoder();
        for (const fields of blocks) {
          const block = encoder.encode(fields);
          const padded = Buffer.concat([Buffer.alloc(7, 0xbe), block, Buffer.alloc(9, 0xff)]);
          const list = hpack.decode(padded, 7, 7 + block.length);
          expect(list?.fields).toEqual(fields.flat());
          expect(hpack.dynamicBytes).toBe(encoder.tableBytes);
        }
      }),
      { numRuns: 300 * long },
    );
  });

  it('never throws, never reads beyond a block, and says the same whatever lies around it', () => {
    fc.assert(
      fc.property(
        lists,
        fc.infiniteStream(fc.nat(999)),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        fc.nat(),
        (blocks, dice, changes, cut) => {
          const encoder = new HpackEncoder(4096, () => dice.next().value);
          const [exact, embedded] = [decoder(), decoder()];
          for (const fields of blocks) {
            const block = encoder.encode(fields);
            for (const [at, byte] of changes) if (block.length > 0) block[at % block.length] = byte;
            const length = cut % 3 === 0 ? cut % (block.length + 1) : block.length;
            const noise = Buffer.alloc(length + 40, dice.next().value);
            block.copy(noise, 11, 0, length);
            const one = exact.decode(block.subarray(0, length), 0, length);
            const other = embedded.decode(noise, 11, 11 + length);
            expect(other).toEqual(one);
            expect(embedded.problem).toBe(exact.problem);
            if (one === null) return;
          }
        },
      ),
      { numRuns: 600 * long },
    );
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => {
        const hpack = decoder();
        const list = hpack.decode(Buffer.from(bytes), 0, bytes.length);
        expect(list === null).toBe(hpack.problem !== '');
      }),
      { numRuns: 2000 * long },
    );
  });
});
