import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TimingLine } from './timing-line.js';

function text(line: TimingLine, milliseconds: number): string {
  const target = Buffer.alloc(line.maxBytes + 7, '#');
  const end = line.write(milliseconds, target, 3);
  expect(end - 3).toBeLessThanOrEqual(line.maxBytes);
  expect(target.toString('latin1', 0, 3)).toBe('###');
  expect(target.toString('latin1', end)).toMatch(/^#+$/);
  return target.toString('utf8', 3, end);
}

describe('TimingLine', () => {
  it.each([
    [0, 'a:0.000000|ms'],
    [1.25, 'a:1.250000|ms'],
    [9.9999999, 'a:10.000000|ms'],
    [0.0000004, 'a:0.000000|ms'],
    [1000, 'a:1000.000000|ms'],
    [3_999_999_999.5, 'a:3999999999.500000|ms'],
    [4e9, 'a:4000000000.000000|ms'],
    [1e300, 'a:999999999999999999999.000000|ms'],
  ])('%f is %s', (milliseconds, line) => {
    expect(text(new TimingLine('a', 1, ''), milliseconds)).toBe(line);
  });

  it('carries rate and tags', () => {
    expect(text(new TimingLine('größe', 0.1, '|#env:é'), 3)).toBe('größe:3.000000|ms|@0.1|#env:é');
  });

  it('is within a nanosecond of the value', () => {
    const line = new TimingLine('a', 1, '');
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1e7, noNaN: true }), (milliseconds) => {
        const written = /^a:(\d+\.\d{6})\|ms$/.exec(text(line, milliseconds))?.[1];
        expect(Math.abs(Number(written) - milliseconds)).toBeLessThanOrEqual(0.0000006);
      }),
      { numRuns: 2000 },
    );
  });
});
