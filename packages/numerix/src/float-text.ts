import type { Precision } from './program.js';

// No two parts take the same digits: on text that is no number each is tried once, however long it is.
const GRAMMAR = /^[+-]?(?:(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|inf|infinity|nan)$/i;
const NAMED: Readonly<Record<string, number>> = { inf: Infinity, infinity: Infinity, nan: Number.NaN };

/**
 * Reads a number as the service does: decimal with optional sign, fraction and exponent, `inf`, `infinity` or `nan` in any
 * case; no blanks, no hex. Rounded once, to the given precision. undefined when the text is no such number.
 */
export function parseFloatText(text: string, precision: Precision): number | undefined {
  if (!GRAMMAR.test(text)) return undefined;
  const sign = text.startsWith('-') ? -1 : 1;
  const named = NAMED[text.replace(/^[+-]/, '').toLowerCase()];
  if (named !== undefined) return sign * named;
  return precision === 'fp32' ? parseFloat32(text) : Number(text);
}

/** Nearest FP32 value of a decimal text. Rounding through FP64 errs where the FP64 value is a tie; only then is exact arithmetic used. */
export function parseFloat32(text: string): number {
  const wide = Number(text);
  const narrow = Math.fround(wide);
  if (wide === narrow || !Number.isFinite(wide)) return narrow;
  const other = neighbour(narrow, wide > narrow);
  // Beyond the largest FP32 value the next step would be 2^128.
  const limit = Math.abs(narrow) === Infinity ? Math.sign(narrow) * 2 ** 128 : narrow;
  const otherLimit = Math.abs(other) === Infinity ? Math.sign(other) * 2 ** 128 : other;
  if (Math.abs(wide - limit) !== Math.abs(otherLimit - wide)) return narrow;
  const side = compareDecimal(text, wide);
  if (side === 0) return narrow;
  return side > 0 === otherLimit > limit ? other : narrow;
}

const bits = new DataView(new ArrayBuffer(4));

/** The FP32 value next to `value`, upwards or downwards. */
function neighbour(value: number, upwards: boolean): number {
  if (value === 0) return upwards ? 2 ** -149 : -(2 ** -149);
  bits.setFloat32(0, value);
  bits.setInt32(0, bits.getInt32(0) + (value > 0 === upwards ? 1 : -1));
  return bits.getFloat32(0);
}

/** Sign of (decimal text − FP64 value), exactly. */
function compareDecimal(text: string, value: number): number {
  const [, sign, whole = '', fraction = '', exponentText] = /^([+-]?)([0-9]*)\.?([0-9]*)(?:[eE]([+-]?[0-9]+))?$/.exec(text)!;
  let exponent = Number(exponentText ?? 0) - fraction.length;
  let left = BigInt(`${whole}${fraction}` || '0') * (sign === '-' ? -1n : 1n);
  let shift = 0;
  let mantissa = value;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    shift++;
  }
  let right = BigInt(mantissa);
  left <<= BigInt(shift);
  if (exponent > 0) left *= 10n ** BigInt(exponent);
  else if (exponent < 0) right *= 10n ** BigInt(-exponent);
  exponent = 0;
  return left > right ? 1 : left < right ? -1 : 0;
}

/**
 * Text of a result: the fewest digits that read back, always with a fraction or an exponent (`3.0`, `1e16`, `NaN`, `-inf`).
 */
export function formatFloat(value: number, precision: Precision): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  if (value === 0) return Object.is(value, -0) ? '-0.0' : '0.0';
  const sign = value < 0 ? '-' : '';
  const { digits, pointAt } = precision === 'fp32' ? shortestFloat32(Math.abs(value)) : shortestFloat64(Math.abs(value));
  const [lowest, highest] = precision === 'fp32' ? [-6, 13] : [-5, 16];
  if (pointAt <= lowest || pointAt > highest) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${sign}${digits[0]}${fraction}e${pointAt - 1}`;
  }
  if (pointAt <= 0) return `${sign}0.${'0'.repeat(-pointAt)}${digits}`;
  if (pointAt >= digits.length) return `${sign}${digits}${'0'.repeat(pointAt - digits.length)}.0`;
  return `${sign}${digits.slice(0, pointAt)}.${digits.slice(pointAt)}`;
}

/** Digits without trailing zeros; the value is 0.digits × 10^pointAt. */
interface Decimal {
  readonly digits: string;
  readonly pointAt: number;
}

function shortestFloat64(value: number): Decimal {
  return toDecimal(value.toExponential());
}

/**
 * JavaScript has no shortest form of FP32. For a growing number of digits, look at the decimal nearest to the value and its
 * two neighbours (at a power of two the farther one may be the only one that reads back); of those that read back take the
 * nearest, at a tie the one with an even last digit.
 */
function shortestFloat32(value: number): Decimal {
  for (let count = 1; count < 9; count++) {
    const [mantissa = '', exponentText = ''] = value.toExponential(count - 1).split('e');
    const nearest = BigInt(mantissa.replace('.', ''));
    const scale = Number(exponentText) - (count - 1);
    let best: bigint | undefined;
    let bestDistance: bigint | undefined;
    for (const candidate of [nearest - 1n, nearest, nearest + 1n]) {
      if (parseFloat32(`${candidate}e${scale}`) !== value) continue;
      const distance = distanceOf(candidate, scale, value);
      if (bestDistance === undefined || distance < bestDistance || (distance === bestDistance && candidate % 2n === 0n)) {
        best = candidate;
        bestDistance = distance;
      }
    }
    if (best !== undefined) return toDecimal(`${best}e${scale}`);
  }
  return toDecimal(value.toExponential(8));
}

/** |candidate × 10^scale − value|, in a unit that depends on value and scale only. */
function distanceOf(candidate: bigint, scale: number, value: number): bigint {
  let shift = 0;
  let mantissa = value;
  while (!Number.isInteger(mantissa)) {
    mantissa *= 2;
    shift++;
  }
  const left = (candidate << BigInt(shift)) * 10n ** BigInt(Math.max(0, scale));
  const right = BigInt(mantissa) * 10n ** BigInt(Math.max(0, -scale));
  return left > right ? left - right : right - left;
}

function toDecimal(exponential: string): Decimal {
  const [mantissa = '', exponentText = ''] = exponential.split('e');
  const whole = mantissa.split('.')[0]!.length;
  const digits = mantissa.replace('.', '');
  return { digits: digits.replace(/0+$/, ''), pointAt: whole + Number(exponentText) };
}
