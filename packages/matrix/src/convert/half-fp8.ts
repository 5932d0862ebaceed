/**
 * FP16 and the two FP8 formats, on bit patterns: a JavaScript number does not keep the sign and payload of a NaN.
 * All encoders take the bits of an FP32; wider values are rounded to FP32 first.
 */
const float = new Float32Array(1);
const bitsOfFloat = new Uint32Array(float.buffer);

/** The bits of a number rounded to FP32. */
export function floatBits(value: number): number {
  float[0] = value;
  return bitsOfFloat[0] as number;
}

/** The number with these FP32 bits. */
export function floatFromBits(bits: number): number {
  bitsOfFloat[0] = bits;
  return float[0] as number;
}

/** FP16 code → FP32 bits; a NaN becomes quiet, its payload moves up, its sign stays. */
export function halfToFloatBits(code: number): number {
  const sign = (code & 0x8000) << 16;
  const exponent = (code >>> 10) & 0x1f;
  const mantissa = code & 0x3ff;
  if (exponent === 0x1f) return (sign | 0x7f800000 | (mantissa === 0 ? 0 : 0x400000) | (mantissa << 13)) >>> 0;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (mantissa << 13)) >>> 0;
  return (sign | floatBits(mantissa * 2 ** -24)) >>> 0;
}

/** FP32 bits → FP16: nearest, ties to even; infinities stay, NaN becomes quiet. */
export function floatBitsToHalf(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff);
  if (magnitude < 0x38800000) return sign | roundEven(floatFromBits(magnitude) * 2 ** 24);
  const rounded = ((magnitude + 0xfff + ((magnitude >>> 13) & 1)) >>> 13) - (112 << 10);
  return sign | Math.min(rounded, 0x7c00);
}

/** FP32 bits → FP16 as the original's typed conversion does: clamp to ±65000, drop the low mantissa bits, flush what is too small. */
export function floatBitsToHalfTruncated(bits: number): number {
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7c00 | ((magnitude >>> 13) & 0x3ff);
  const clamped = Math.min(magnitude, 0x477de800);
  const exponent = clamped >>> 23;
  if (exponent === 0) return sign | ((clamped >>> 13) & 0x3ff);
  if (exponent < 113) return sign;
  return sign | ((clamped >>> 13) - (112 << 10));
}

/** FP32 bits → FP8 E4M3: nearest even; beyond 464, infinite and NaN all become NaN with the sign kept. */
export function floatBitsToE4M3(bits: number): number {
  const sign = (bits >>> 24) & 0x80;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | 0x7f;
  if (magnitude < 0x3c800000) return sign | roundEven(floatFromBits(magnitude) * 512);
  const rounded = ((magnitude + 0x7ffff + ((magnitude >>> 20) & 1)) >>> 20) - (120 << 3);
  return sign | (rounded > 0x7e ? 0x7f : rounded);
}

/** FP32 bits → FP8 E5M2: nearest even; from 61440 upward infinite. */
export function floatBitsToE5M2(bits: number): number {
  const sign = (bits >>> 24) & 0x80;
  const magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7f;
  if (magnitude < 0x38800000) return sign | roundEven(floatFromBits(magnitude) * 65536);
  const rounded = ((magnitude + 0xfffff + ((magnitude >>> 21) & 1)) >>> 21) - (112 << 2);
  return sign | Math.min(rounded, 0x7c);
}

/** FP8 E4M3 code → FP32 bits; NaN loses its sign. */
export function e4m3ToFloatBits(code: number): number {
  const sign = (code & 0x80) << 24;
  const exponent = (code >>> 3) & 0xf;
  const mantissa = code & 7;
  if ((code & 0x7f) === 0x7f) return 0x7fc00000;
  if (exponent !== 0) return (sign | ((exponent + 120) << 23) | (mantissa << 20)) >>> 0;
  return (sign | floatBits(mantissa / 512)) >>> 0;
}

/** FP8 E5M2 code → FP32 bits; NaN loses its sign. */
export function e5m2ToFloatBits(code: number): number {
  const sign = (code & 0x80) << 24;
  const exponent = (code >>> 2) & 0x1f;
  const mantissa = code & 3;
  if (exponent === 0x1f) return mantissa === 0 ? (sign | 0x7f800000) >>> 0 : 0x7fc00000;
  if (exponent !== 0) return (sign | ((exponent + 112) << 23) | (mantissa << 21)) >>> 0;
  return (sign | floatBits(mantissa / 65536)) >>> 0;
}

// Exact for the small non-negative values that reach it: scaling by a power of two loses nothing.
function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && (floor & 1) === 1) ? floor + 1 : floor;
}

function tableOf(length: number, toBits: (code: number) => number): Float32Array {
  const table = new Float32Array(length);
  const bits = new Uint32Array(table.buffer);
  for (let code = 0; code < length; code++) bits[code] = toBits(code);
  return table;
}

/** Value per FP8 E4M3 code. */
export const e4m3Values: Float32Array = tableOf(256, e4m3ToFloatBits);
/** Value per FP8 E5M2 code. */
export const e5m2Values: Float32Array = tableOf(256, e5m2ToFloatBits);

let halfTable: Float32Array | null = null;

/** Value per FP16 code (256 KiB, made when first asked for). */
export function halfValues(): Float32Array {
  halfTable ??= tableOf(65536, halfToFloatBits);
  return halfTable;
}
