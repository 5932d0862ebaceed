import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCallHead, formatGrpcTimeout } from '../grpc-head.js';
import { HpackDecoder } from './hpack-decoder.js';
import { putRequestBlock, requestBlockOf } from './request-block.js';

function read(bytes: Buffer): string[] | null {
  return new HpackDecoder<string[]>({ maxTableBytes: 0, maxListBytes: 1 << 20 }, (fields) => [...fields]).decode(bytes, 0, bytes.length);
}

const head = createCallHead({
  path: '/pkg.Service/Method',
  authority: 'host:1234',
  metadata: [
    ['x-token', 'secret'],
    ['x-long', 'y'.repeat(300)],
  ],
});

function fieldsOf(remainingMs: number, isTls: boolean): string[] | null {
  const block = requestBlockOf(head, isTls);
  const target = Buffer.alloc(block.mostBytes + 20, 0xee);
  const end = putRequestBlock(target, 10, block, remainingMs);
  expect(end - 10).toBeLessThanOrEqual(block.mostBytes);
  expect(target.subarray(0, 10)).toEqual(Buffer.alloc(10, 0xee));
  expect(target.subarray(end).every((byte) => byte === 0xee)).toBe(true);
  return read(target.subarray(10, end));
}

describe('putRequestBlock', () => {
  it('says what the head says, pseudo-headers first, the timeout behind them', () => {
    const rest = ['te', 'trailers', 'content-type', 'application/grpc', 'x-token', 'secret', 'x-long', 'y'.repeat(300)];
    const pseudo = (scheme: string) => [':method', 'POST', ':scheme', scheme, ':path', '/pkg.Service/Method', ':authority', 'host:1234'];
    expect(fieldsOf(Number.POSITIVE_INFINITY, false)).toEqual([...pseudo('http'), ...rest]);
    expect(fieldsOf(250.9, true)).toEqual([...pseudo('https'), 'grpc-timeout', '250m', ...rest]);
  });

  it('writes every timeout as formatGrpcTimeout does', () => {
    const times = fc.oneof(
      fc.double({ min: -5, max: 20, noNaN: true }),
      fc.double({ min: 0, max: 1e6, noNaN: true }),
      fc.double({ min: 0, max: 1e15, noNaN: true }),
    );
    fc.assert(
      fc.property(times, (remainingMs) => {
        const fields = fieldsOf(remainingMs, false);
        expect(fields?.slice(8, 10)).toEqual(['grpc-timeout', formatGrpcTimeout(remainingMs)]);
      }),
      { numRuns: 500 },
    );
    expect(fieldsOf(Number.NaN, false)).toEqual(fieldsOf(Number.POSITIVE_INFINITY, false));
    for (const edge of [0, 9.999, 10, 10.5, 99_999_999, 1e8 - 0.5, 1e8, 1e11, 1e12])
      expect(fieldsOf(edge, false)?.[9]).toBe(formatGrpcTimeout(edge));
  });

  it('knows what the peer counts, with any timeout', () => {
    const { listBytes } = requestBlockOf(head, true);
    const sizes = [Number.POSITIVE_INFINITY, 250, 99_999_999].map((remainingMs) =>
      (fieldsOf(remainingMs, true) ?? []).reduce((sum, text) => sum + text.length + 16, 0),
    );
    expect(Math.max(...sizes)).toBe(listBytes);
    expect(listBytes - Math.min(...sizes)).toBeLessThan(64);
  });

  it('makes a block once per head', () => {
    expect(requestBlockOf(head, false)).toBe(requestBlockOf(head, false));
    expect(requestBlockOf(head, true)).not.toBe(requestBlockOf(head, false));
  });
});
