import type { ByteBuffer } from '../byte-buffer.js';

/**
 * How a float is written. `scientific`: plain while the decimal exponent is −4 … 5, else like `1.5e+06` (answers).
 * `plain`: never an exponent (keys).
 */
export type FloatNotation = 'scientific' | 'plain';

// Digits of the number in hand, most significant first: value = 0.d₁d₂… × 10^(exponent + 1).
const digits = new Uint8Array(24);
let digitCount = 0;
let decimalExponent = 0;

const powers = Float64Array.from({ length: 121 }, (_, index) => Number(`1e${index - 60}`));
const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

/** Appends the shortest digits that read back as the same FP32. */
export function appendFloat32(buffer: ByteBuffer, value: number, notation: FloatNotation): void {
  if (appendSpecial(buffer, value)) return;
  const magnitude = Math.abs(value);
  if (!findDigits32(magnitude)) exactDigits32(magnitude);
  appendDigits(buffer, isNegative(value), notation);
}

/** Appends the shortest digits that read back as the same FP64. */
export function appendFloat64(buffer: ByteBuffer, value: number, notation: FloatNotation): void {
  if (appendSpecial(buffer, value)) return;
  findDigits64(Math.abs(value));
  appendDigits(buffer, isNegative(value), notation);
}

function isNegative(value: number): boolean {
  return value < 0 || (value === 0 && 1 / value < 0);
}

function appendSpecial(buffer: ByteBuffer, value: number): boolean {
  if (Number.isFinite(value)) return false;
  buffer.ensure(4);
  const text = Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
  for (let index = 0; index < text.length; index++) buffer.bytes[buffer.end++] = text.charCodeAt(index);
  return true;
}

// Decimal exponent of 2^(e − 127) per FP32 exponent e; the value itself may reach one more.
const exponents10 = Int8Array.from({ length: 256 }, (_, exponent) => Math.floor((exponent - 127) * Math.LOG10E * Math.LN2));

/**
 * Takes 9 digits of the value and of the ends of the interval that reads back as it, in double precision, and drops digits while a
 * number remains between the ends. Their error is below 1e-6 of the last digit: false when an end or a tie is closer than that, then only
 * exact arithmetic can tell.
 */
function findDigits32(value: number): boolean {
  if (value < 16777216 && Number.isInteger(value)) {
    setDigits(value | 0, 0);
    return true;
  }
  float[0] = value;
  const bits = floatBits[0] as number;
  const exponent = bits >>> 23;
  let exponent10 = exponent === 0 ? Math.floor(Math.log10(value)) : (exponents10[exponent] as number);
  let power = powers[68 - exponent10] as number;
  while (value * power >= 1e9) power = powers[68 - ++exponent10] as number;
  while (value * power < 1e8) power = powers[68 - --exponent10] as number;
  const scaled = value * power;
  const above = (halfUlps[exponent] as number) * power;
  // Below a power of two the neighbours are twice as dense.
  const below = (bits & 0x7fffff) === 0 && exponent > 1 ? above / 2 : above;
  let low = Math.ceil(scaled - below);
  let high = Math.floor(scaled + above);
  if (low - (scaled - below) < doubt || low - (scaled - below) > 1 - doubt) return false;
  if (scaled + above - high < doubt || scaled + above - high > 1 - doubt) return false;
  let unit = 1;
  let dropped = 0;
  for (;;) {
    const lower = Math.ceil(low / 10);
    const upper = Math.floor(high / 10);
    if (lower > upper) break;
    low = lower;
    high = upper;
    unit *= 10;
    dropped++;
  }
  const exact = scaled / unit;
  const down = Math.floor(exact);
  if (down >= low && down < high && Math.abs(exact - down - 0.5) * unit < doubt) return false;
  const nearest = exact - down > 0.5 ? down + 1 : down;
  setDigits(Math.min(Math.max(nearest, low), high), exponent10 - 8 + dropped);
  return true;
}

const doubt = 1e-5;
const halfUlps = Float64Array.from({ length: 255 }, (_, exponent) => 2 ** (Math.max(exponent, 1) - 151));

/** Digits of a non-negative integer below 2^53 times 10^scale, trailing zeros dropped. */
function setDigits(integer: number, scale: number): void {
  if (integer === 0) {
    digitCount = 1;
    digits[0] = 0;
    decimalExponent = 0;
    return;
  }
  let at = 17;
  let rest = integer;
  while (rest > 2147483647) {
    const next = Math.floor(rest / 10);
    digits[at--] = rest - next * 10;
    rest = next;
  }
  for (let small = rest | 0; small > 0; ) {
    const next = (small / 10) | 0;
    digits[at--] = small - next * 10;
    small = next;
  }
  const count = 17 - at;
  digits.copyWithin(0, at + 1, 18);
  decimalExponent = count - 1 + scale;
  digitCount = count;
  while (digits[digitCount - 1] === 0) digitCount--;
}

/**
 * The same search in exact integers: value = mantissa × 2^power, the interval ends at the midpoints to its neighbours. Ties go to the even
 * digit, but up for powers of two, which is how the original's formatter comes out.
 */
function exactDigits32(value: number): void {
  float[0] = value;
  const bits = floatBits[0] as number;
  const exponent = bits >>> 23;
  const fraction = bits & 0x7fffff;
  const mantissa = BigInt(exponent === 0 ? fraction : fraction | 0x800000);
  const power = (exponent === 0 ? 1 : exponent) - 150;
  const isEven = (fraction & 1) === 0;
  // All numbers × 4 × 10^k × 2^-power become integers; the interval is [low, high] around middle.
  const narrow = fraction === 0 && exponent > 1;
  const middle = mantissa * 4n;
  const high = middle + 2n;
  const low = middle - (narrow ? 1n : 2n);
  const top = Math.floor(Math.log10(value)) + 1;
  for (let scale = top; ; scale--) {
    // unit = 10^scale in units of 2^(power − 2)
    const twos = 2 - power;
    const unitNumerator = (scale > 0 ? 10n ** BigInt(scale) : 1n) * (twos > 0 ? 1n << BigInt(twos) : 1n);
    const denominator = (scale < 0 ? 10n ** BigInt(-scale) : 1n) * (twos < 0 ? 1n << BigInt(-twos) : 1n);
    const value4 = middle * denominator;
    const down = value4 / unitNumerator;
    const fits = (count: bigint): boolean => {
      const at = count * unitNumerator;
      return isEven ? at >= low * denominator && at <= high * denominator : at > low * denominator && at < high * denominator;
    };
    const downFits = fits(down);
    const upFits = fits(down + 1n);
    if (!downFits && !upFits) continue;
    const twice = 2n * (value4 - down * unitNumerator) - unitNumerator;
    const takeUp = !downFits || (upFits && (twice > 0n || (twice === 0n && (narrow || (down & 1n) === 1n))));
    setDigits(Number(takeUp ? down + 1n : down), scale);
    return;
  }
}

/** The host's own shortest digits, read from its exponential form `d.ddde±x`. */
function findDigits64(value: number): void {
  if (value < 1e15 && Number.isInteger(value)) {
    setDigits(value, 0);
    return;
  }
  const text = value.toExponential();
  const mark = text.indexOf('e');
  digitCount = 0;
  for (let index = 0; index < mark; index++) {
    const code = text.charCodeAt(index);
    if (code !== 46) digits[digitCount++] = code - 48;
  }
  decimalExponent = Number(text.slice(mark + 1));
}

function appendDigits(buffer: ByteBuffer, negative: boolean, notation: FloatNotation): void {
  buffer.ensure(32 + digitCount + Math.abs(decimalExponent));
  if (negative) buffer.bytes[buffer.end++] = 45;
  if (notation === 'scientific' && (decimalExponent < -4 || decimalExponent > 5)) appendScientific(buffer);
  else appendPlain(buffer);
}

function appendScientific(buffer: ByteBuffer): void {
  const bytes = buffer.bytes;
  let at = buffer.end;
  bytes[at++] = 48 + (digits[0] as number);
  if (digitCount > 1) bytes[at++] = 46;
  for (let index = 1; index < digitCount; index++) bytes[at++] = 48 + (digits[index] as number);
  const exponent = Math.abs(decimalExponent);
  bytes[at++] = 101;
  bytes[at++] = decimalExponent < 0 ? 45 : 43;
  if (exponent >= 100) bytes[at++] = 48 + Math.floor(exponent / 100);
  bytes[at++] = 48 + (Math.floor(exponent / 10) % 10);
  bytes[at++] = 48 + (exponent % 10);
  buffer.end = at;
}

function appendPlain(buffer: ByteBuffer): void {
  const bytes = buffer.bytes;
  let at = buffer.end;
  if (decimalExponent < 0) {
    bytes[at++] = 48;
    bytes[at++] = 46;
    for (let zeros = -1; zeros > decimalExponent; zeros--) bytes[at++] = 48;
    for (let index = 0; index < digitCount; index++) bytes[at++] = 48 + (digits[index] as number);
  } else {
    for (let index = 0; index <= decimalExponent; index++) bytes[at++] = 48 + (index < digitCount ? (digits[index] as number) : 0);
    if (digitCount > decimalExponent + 1) bytes[at++] = 46;
    for (let index = decimalExponent + 1; index < digitCount; index++) bytes[at++] = 48 + (digits[index] as number);
  }
  buffer.end = at;
}
