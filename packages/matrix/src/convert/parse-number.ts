/**
 * Numbers written as text, by the grammar of the original: decimal and hexadecimal floats, underscores between digits, infinities and
 * NaN in any case; integers without blanks, points or exponents. Everything here answers `undefined` for what does not parse; nothing throws.
 */

const powersOfTen = Float64Array.from({ length: 23 }, (_, exponent) => Number(`1e${exponent}`));

/** A 64-bit float; beyond its range undefined, too small for it zero. */
export function parseFloat64(bytes: Uint8Array, start: number, end: number): number | undefined {
  return fastDecimal(bytes, start, end) ?? slowFloat(bytes, start, end, 53);
}

/** A 32-bit float, rounded once from the decimal; beyond its range undefined. */
export function parseFloat32(bytes: Uint8Array, start: number, end: number): number | undefined {
  const value = fastDecimal(bytes, start, end);
  // Rounding twice goes wrong only where the 64-bit value lies exactly between two 32-bit ones or where those are denser or end.
  if (value === undefined || isMidpoint(value)) return slowFloat(bytes, start, end, 24);
  return Math.fround(value);
}

const probe = new DataView(new ArrayBuffer(8));

function isMidpoint(value: number): boolean {
  const magnitude = Math.abs(value);
  if (magnitude === 0) return false;
  if (magnitude < 2 ** -125 || magnitude >= 2 ** 127) return true;
  probe.setFloat64(0, value);
  return (probe.getUint32(4) & 0x1fffffff) === 0x10000000;
}

/** Plain decimals of at most 15 digits are one exact division away: no string is made. */
function fastDecimal(bytes: Uint8Array, start: number, end: number): number | undefined {
  let at = start;
  const first = bytes[at];
  const negative = first === 45;
  if (negative || first === 43) at++;
  let mantissa = 0;
  let seen = 0;
  let decimals = -1;
  for (; at < end; at++) {
    const code = bytes[at] as number;
    if (code >= 48 && code <= 57) {
      mantissa = mantissa * 10 + (code - 48);
      seen++;
      if (decimals >= 0) decimals++;
    } else if (code === 46 && decimals < 0) {
      decimals = 0;
    } else {
      return undefined;
    }
  }
  if (seen === 0 || seen > 15) return undefined;
  const value = decimals > 0 ? mantissa / (powersOfTen[decimals] as number) : mantissa;
  return negative ? -value : value;
}

const longestNumber = 4096;

function slowFloat(bytes: Uint8Array, start: number, end: number, mantissaBits: 24 | 53): number | undefined {
  if (end <= start || end - start > longestNumber) return undefined;
  let text = '';
  for (let at = start; at < end; at++) {
    const code = bytes[at] as number;
    if (code > 127) return undefined;
    text += String.fromCharCode(code);
  }
  const special = parseSpecial(text.toLowerCase());
  if (special !== undefined) return special;
  if (text.includes('_')) {
    if (!underscoresSeparateDigits(text)) return undefined;
    text = text.replaceAll('_', '');
  }
  const value = /^[+-]?0x/i.test(text) ? parseHexadecimal(text, mantissaBits) : parseDecimal(text, mantissaBits);
  return value === undefined || !Number.isFinite(value) ? undefined : value;
}

function parseSpecial(lower: string): number | undefined {
  if (lower === 'nan') return Number.NaN;
  const unsigned = lower[0] === '+' || lower[0] === '-' ? lower.slice(1) : lower;
  if (unsigned !== 'inf' && unsigned !== 'infinity') return undefined;
  return lower[0] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** Each underscore stands between two digits, or behind a hexadecimal prefix. */
function underscoresSeparateDigits(text: string): boolean {
  const unsigned = text.replace(/^[+-]/, '');
  const isHexadecimal = /^0x/i.test(unsigned);
  const body = isHexadecimal ? `0${unsigned.slice(2)}` : unsigned;
  const digit = isHexadecimal ? /[0-9a-f]/i : /[0-9]/;
  for (let at = 0; at < body.length; at++) {
    if (body[at] !== '_') continue;
    const before = body[at - 1];
    const after = body[at + 1];
    if (before === undefined || after === undefined || !digit.test(before) || !digit.test(after)) return false;
  }
  return true;
}

function parseDecimal(text: string, mantissaBits: 24 | 53): number | undefined {
  const match = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  const value = Number(text);
  if (mantissaBits === 53) return value;
  if (!isMidpoint(value)) return Math.fround(value);
  if (Math.abs(value) >= 2 ** 129 || Math.abs(value) < 2 ** -151) return Math.fround(value);
  const numerator = BigInt(whole + fraction);
  const scale = Number(exponent) - fraction.length;
  const magnitude = scale >= 0 ? roundRatio(numerator * 10n ** BigInt(scale), 1n, 24) : roundRatio(numerator, 10n ** BigInt(-scale), 24);
  return sign === '-' ? -magnitude : magnitude;
}

function parseHexadecimal(text: string, mantissaBits: 24 | 53): number | undefined {
  const match = /^([+-]?)0x([0-9a-f]*)(?:\.([0-9a-f]*))?p([+-]?\d+)$/i.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponentText = '0'] = match;
  if (whole === '' && fraction === '') return undefined;
  const mantissa = BigInt(`0x${whole}${fraction}`);
  const exponent = Number(exponentText) - 4 * fraction.length;
  const top = mantissa.toString(2).length + exponent;
  let magnitude: number;
  if (mantissa === 0n || top < -1100) magnitude = 0;
  else if (top > 1100) magnitude = Number.POSITIVE_INFINITY;
  else if (exponent >= 0) magnitude = roundRatio(mantissa << BigInt(exponent), 1n, mantissaBits);
  else magnitude = roundRatio(mantissa, 1n << BigInt(-exponent), mantissaBits);
  return sign === '-' ? -magnitude : magnitude;
}

/** numerator ÷ denominator as the nearest float with that many mantissa bits, ties to even, subnormals and overflow included. */
function roundRatio(numerator: bigint, denominator: bigint, mantissaBits: 24 | 53): number {
  if (numerator === 0n) return 0;
  const smallest = mantissaBits === 24 ? -149 : -1074;
  const largest = mantissaBits === 24 ? 128 : 1024;
  const bits = numerator.toString(2).length - denominator.toString(2).length;
  // 2^power is the unit in the last place; one step down where the quotient turns out to have a bit less.
  let power = Math.max(bits + 1 - mantissaBits, smallest);
  if (power > smallest && quotient(numerator, denominator, power) < 1n << BigInt(mantissaBits - 1)) power--;
  let units = quotient(numerator, denominator, power);
  const scaledNumerator = power < 0 ? numerator << BigInt(-power) : numerator;
  const scaledDenominator = power > 0 ? denominator << BigInt(power) : denominator;
  const twice = 2n * (scaledNumerator - units * scaledDenominator);
  if (twice > scaledDenominator || (twice === scaledDenominator && (units & 1n) === 1n)) units++;
  if (units.toString(2).length + power > largest) return Number.POSITIVE_INFINITY;
  return scalePower(Number(units), power);
}

function quotient(numerator: bigint, denominator: bigint, power: number): bigint {
  return power < 0 ? (numerator << BigInt(-power)) / denominator : numerator / (denominator << BigInt(power));
}

/** In two steps, because 2^power alone may be below the smallest number. */
function scalePower(value: number, power: number): number {
  const half = Math.trunc(power / 2);
  return value * 2 ** half * 2 ** (power - half);
}

/** A decimal integer between `least` and `most` (both within ±2^53); `+`/`-` only when `signed`. */
export function parseInteger(
  bytes: Uint8Array,
  start: number,
  end: number,
  signed: boolean,
  least: number,
  most: number,
): number | undefined {
  const at = firstDigit(bytes, start, end, signed);
  if (at < 0) return undefined;
  let value = 0;
  for (let index = at; index < end; index++) {
    const digit = (bytes[index] as number) - 48;
    if (digit < 0 || digit > 9) return undefined;
    value = value * 10 + digit;
    if (value > 9007199254740991) return undefined;
  }
  if (bytes[start] === 45) value = 0 - value;
  return value < least || value > most ? undefined : value;
}

/** A decimal 64-bit integer. */
export function parseInteger64(bytes: Uint8Array, start: number, end: number, signed: boolean): bigint | undefined {
  const at = firstDigit(bytes, start, end, signed);
  if (at < 0) return undefined;
  let value = 0n;
  // 15 digits at a time fit a number exactly.
  for (let chunk = at; chunk < end; chunk += 15) {
    const stop = Math.min(end, chunk + 15);
    let part = 0;
    for (let index = chunk; index < stop; index++) {
      const digit = (bytes[index] as number) - 48;
      if (digit < 0 || digit > 9) return undefined;
      part = part * 10 + digit;
    }
    value = value * 10n ** BigInt(stop - chunk) + BigInt(part);
    if (value > 0xffffffffffffffffn) return undefined;
  }
  if (!signed) return value;
  if (bytes[start] === 45) value = -value;
  return value < -0x8000000000000000n || value > 0x7fffffffffffffffn ? undefined : value;
}

function firstDigit(bytes: Uint8Array, start: number, end: number, signed: boolean): number {
  const sign = bytes[start];
  const at = signed && (sign === 43 || sign === 45) ? start + 1 : start;
  return at < end ? at : -1;
}

/** `true` or `false`, any case. */
export function parseBool(bytes: Uint8Array, start: number, end: number): boolean | undefined {
  if (equalsLetters(bytes, start, end, 'true')) return true;
  if (equalsLetters(bytes, start, end, 'false')) return false;
  return undefined;
}

function equalsLetters(bytes: Uint8Array, start: number, end: number, letters: string): boolean {
  if (end - start !== letters.length) return false;
  for (let index = 0; index < letters.length; index++) {
    if (((bytes[start + index] as number) | 0x20) !== letters.charCodeAt(index)) return false;
  }
  return true;
}
