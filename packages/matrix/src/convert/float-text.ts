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

/**
 * Looks for the shortest decimal within half a unit in the last place, in double precision: 9 digits of the value carry an error
 * below 1e-6 of the last one. False when a boundary or a tie is closer than that; then only exact arithmetic can tell.
 */
function findDigits32(value: number): boolean {
  if (value === 0) return setDigits(0, 0);
  if (value < 1e9 && Number.isInteger(value) && value < 16777216) return setDigits(value, 0);
  float[0] = value;
  const bits = floatBits[0] as number;
  const exponent = bits >>> 23;
  let exponent10 = Math.floor(Math.log10(value));
  let scaled = value * (powers[68 - exponent10] as number);
  if (scaled >= 1e9) scaled = value * (powers[68 - ++exponent10] as number);
  else if (scaled < 1e8) scaled = value * (powers[68 - --exponent10] as number);
  const above = 2 ** ((exponent === 0 ? 1 : exponent) - 151) * (powers[68 - exponent10] as number);
  // Below a power of two the neighbours are twice as dense.
  const below = (bits & 0x7fffff) === 0 && exponent > 1 ? above / 2 : above;
  const doubt = 1e-5;
  for (let unit = 1e9; unit >= 1; unit /= 10) {
    const down = Math.floor(scaled / unit) * unit;
    const downBy = scaled - down;
    const upBy = unit - downBy;
    if (Math.abs(downBy - below) < doubt || Math.abs(upBy - above) < doubt) return false;
    const downFits = downBy < below;
    const upFits = upBy < above;
    if (!downFits && !upFits) continue;
    if (downFits && upFits && Math.abs(downBy - upBy) < doubt) return false;
    const decimal = downFits && (!upFits || downBy < upBy) ? down : down + unit;
    return setDigits(Math.round(decimal), exponent10 - 8);
  }
  return false;
}

/** Digits of an integer below 2^53 times 10^scale, trailing zeros dropped. */
function setDigits(integer: number, scale: number): true {
  if (integer === 0) {
    digitCount = 1;
    digits[0] = 0;
    decimalExponent = 0;
    return true;
  }
  let rest = integer;
  let zeros = 0;
  while (rest % 10 === 0) {
    rest /= 10;
    zeros++;
  }
  let count = 0;
  for (let probe = rest; probe >= 1; probe = Math.floor(probe / 10)) count++;
  for (let at = count - 1; at >= 0; at--) {
    const next = Math.floor(rest / 10);
    digits[at] = rest - next * 10;
    rest = next;
  }
  digitCount = count;
  decimalExponent = count - 1 + zeros + scale;
  return true;
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
