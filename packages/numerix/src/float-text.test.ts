import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatFloat, parseFloat32, parseFloatText } from './float-text.js';

describe('formatFloat', () => {
  it.each([
    [3, '3.0', '3.0'],
    [0.1, '0.1', '0.1'],
    [1e12, '1000000000000.0', '1000000000000.0'],
    [1e13, '10000000000000.0', '1e13'],
    [1e15, '1000000000000000.0', '1e15'],
    [1e16, '1e16', '1e16'],
    [0.00001, '0.00001', '0.00001'],
    [0.000001, '1e-6', '0.000001'],
    [1e-7, '1e-7', '1e-7'],
    [-0, '-0.0', '-0.0'],
    [Number.NaN, 'NaN', 'NaN'],
    [Infinity, 'inf', 'inf'],
    [-Infinity, '-inf', '-inf'],
  ])('%d', (value, wide, narrow) => {
    expect(formatFloat(value, 'fp64')).toBe(wide);
    expect(formatFloat(Math.fround(value), 'fp32')).toBe(narrow);
  });

  it.each([
    [300000.125, '300000.12'],
    [262145.625, '262145.62'],
    [33000.0625, '33000.062'],
    [123456789012345680, '1.2345679e17'],
    [2 ** -149, '1e-45'],
    [3.4028234663852886e38, '3.4028235e38'],
    // At a power of two the decimals below lie twice as dense: the shortest one is not the nearest with its number of digits.
    [2 ** -44, '5.684342e-14'],
    [9007199254740992, '9.007199e15'],
  ])('FP32 %d is %s', (value, text) => {
    expect(formatFloat(Math.fround(value), 'fp32')).toBe(text);
  });

  it('reads back, with no more digits than needed', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = formatFloat(value, 'fp32');
        expect(Object.is(parseFloatText(text, 'fp32'), value), text).toBe(true);
        const digits = text.replace(/e.*$/, '').replace(/\.0$/, '').replace(/[-.]/g, '').replace(/^0+/, '').replace(/0+$/, '');
        if (digits.length > 1) expect(Math.fround(Number(value.toPrecision(digits.length - 1)))).not.toBe(value);
      }),
      { numRuns: 2000 },
    );
  });
});

describe('parseFloatText', () => {
  it.each([
    ['1', 1],
    ['+1', 1],
    ['-1.5', -1.5],
    ['.5', 0.5],
    ['5.', 5],
    ['1e3', 1000],
    ['1E3', 1000],
    ['-INF', -Infinity],
    ['Infinity', Infinity],
    ['1e400', Infinity],
    ['NaN', Number.NaN],
  ])('reads %j', (text, value) => {
    expect(parseFloatText(text, 'fp64')).toBe(value);
  });

  it.each(['', ' 1', '1 ', '1_0', '0x10', '1f', '.', '1,5', '+', 'e5', '1e', '1e5.0', '--1', 'nanx'])('refuses %j', (text) => {
    expect(parseFloatText(text, 'fp64')).toBeUndefined();
  });

  it('refuses a long text as fast as it reads one', () => {
    const started = performance.now();
    expect(parseFloatText(`${'1'.repeat(100_000)}x`, 'fp64')).toBeUndefined();
    expect(parseFloatText(`1.${'1'.repeat(100_000)}x`, 'fp64')).toBeUndefined();
    expect(performance.now() - started).toBeLessThan(2000);
  });

  it('rounds a decimal to FP32 once, not twice', () => {
    // Halfway between 1 and its FP32 neighbour, plus less than FP64 can tell.
    expect(parseFloat32('1.000000059604644775390625')).toBe(1);
    expect(parseFloat32('1.0000000596046447753906250000001')).toBe(Math.fround(1 + 2 ** -23));
    expect(parseFloat32('1.000000178813934327')).toBe(Math.fround(1 + 2 ** -22));
    expect(parseFloat32('1.000000178813934326171874999')).toBe(Math.fround(1 + 2 ** -23));
    expect(parseFloat32('-1.0000000596046447753906250000001')).toBe(-Math.fround(1 + 2 ** -23));
    expect(parseFloat32('340282356779733661637539395458142568447')).toBe(3.4028234663852886e38);
    expect(parseFloat32('340282356779733661637539395458142568448')).toBe(Infinity);
    expect(parseFloat32('7.006492321624085e-46')).toBe(0);
    expect(parseFloat32('7.0064923216240853546186479164495806564013097093825788587853e-46')).toBe(0);
    expect(parseFloat32('7.0064923216240853546186479164495807e-46')).toBe(2 ** -149);
  });
});
