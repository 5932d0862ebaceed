import { DataType, dataTypeInfo } from '../data-type.js';
import type { ConvertJob } from './convert-job.js';
import { floatBitsToE4M3, floatBitsToE5M2, floatBitsToHalf, floatBitsToHalfTruncated } from './half-fp8.js';

/** Writes rows from … to−1 of a job out of `source`, one number per element, into the job's target. `source` may be changed. */
export type EncodeNumbers = (job: ConvertJob, from: number, to: number, source: Float64Array) => void;

/**
 * What becomes of a number that the target cannot hold. `wrap`: low-order bits (numbers that came from integers of up to 32 bits).
 * `saturate`: the nearest end of the range, NaN is 0 (from floats). `host`: what the original's processor does with floats.
 */
export type IntegerMode = 'wrap' | 'saturate' | 'host';

const encodeBool: EncodeNumbers = (job, from, to, source) => {
  const { target, targetAt, targetStride, elements } = job;
  for (let row = from, get = 0; row < to; row++) {
    const start = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements; at++) target[at] = source[get++] !== 0 ? 1 : 0;
  }
};

const encodeFloat32: EncodeNumbers = (job, from, to, source) => {
  const { targetView: view, targetAt, targetStride, elements } = job;
  for (let row = from, get = 0; row < to; row++) {
    const start = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements * 4; at += 4) view.setFloat32(at, source[get++] as number, true);
  }
};

const encodeFloat64: EncodeNumbers = (job, from, to, source) => {
  const { targetView: view, targetAt, targetStride, elements } = job;
  for (let row = from, get = 0; row < to; row++) {
    const start = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements * 8; at += 8) view.setFloat64(at, source[get++] as number, true);
  }
};

const float = new Float32Array(1);
const floatBits = new Uint32Array(float.buffer);

function encodeHalf(toCode: (bits: number) => number): EncodeNumbers {
  return (job, from, to, source) => {
    const { targetView: view, targetAt, targetStride, elements } = job;
    for (let row = from, get = 0; row < to; row++) {
      const start = targetAt + (row - job.from) * targetStride;
      for (let at = start; at < start + elements * 2; at += 2) {
        float[0] = source[get++] as number;
        view.setUint16(at, toCode(floatBits[0] as number), true);
      }
    }
  };
}

function encodeByte(toCode: (bits: number) => number): EncodeNumbers {
  return (job, from, to, source) => {
    const { target, targetAt, targetStride, elements } = job;
    for (let row = from, get = 0; row < to; row++) {
      const start = targetAt + (row - job.from) * targetStride;
      for (let at = start; at < start + elements; at++) {
        float[0] = source[get++] as number;
        target[at] = toCode(floatBits[0] as number);
      }
    }
  };
}

// Setters of a view take the low-order bits of the integer part, which is exactly two's-complement wrapping; NaN becomes 0.

const wrap8: EncodeNumbers = (job, from, to, source) => {
  const { targetView: view, targetAt, targetStride, elements } = job;
  for (let row = from, get = 0; row < to; row++) {
    const start = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements; at++) view.setInt8(at, source[get++] as number);
  }
};

const wrap16: EncodeNumbers = (job, from, to, source) => {
  const { targetView: view, targetAt, targetStride, elements } = job;
  for (let row = from, get = 0; row < to; row++) {
    const start = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements * 2; at += 2) view.setInt16(at, source[get++] as number, true);
  }
};

const wrap32: EncodeNumbers = (job, from, to, source) => {
  const { targetView: view, targetAt, targetStride, elements } = job;
  for (let row = from, get = 0; row < to; row++) {
    const start = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements * 4; at += 4) view.setInt32(at, source[get++] as number, true);
  }
};

/** Holds the numbers within the range first; choosing per cell between a bound and the number would make an object of each. */
function saturate(encode: EncodeNumbers, least: number, most: number): EncodeNumbers {
  return (job, from, to, source) => {
    const count = (to - from) * job.elements;
    for (let index = 0; index < count; index++) source[index] = Math.min(Math.max(source[index] as number, least), most);
    encode(job, from, to, source);
  };
}

/** A 32-bit conversion whose failure is −2³¹, then its low bits. */
function hostInto(width: 1 | 2 | 4): EncodeNumbers {
  return (job, from, to, source) => {
    const { targetView: view, targetAt, targetStride, elements } = job;
    for (let row = from, get = 0; row < to; row++) {
      const start = targetAt + (row - job.from) * targetStride;
      for (let at = start; at < start + elements * width; at += width) {
        const value = source[get++] as number;
        const held = value > -2147483649 && value < 2147483648 ? value : -2147483648;
        if (width === 1) view.setInt8(at, held);
        else if (width === 2) view.setInt16(at, held, true);
        else view.setInt32(at, held, true);
      }
    }
  };
}

/** Low 32 bits of a 64-bit conversion. */
const hostUint32: EncodeNumbers = (job, from, to, source) => {
  const { targetView: view, targetAt, targetStride, elements } = job;
  for (let row = from, get = 0; row < to; row++) {
    const start = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements * 4; at += 4) {
      const value = source[get++] as number;
      view.setInt32(at, value >= -(2 ** 63) && value < 2 ** 63 ? value : 0, true);
    }
  }
};

function encode64(put: (view: DataView, at: number, value: number) => void): EncodeNumbers {
  return (job, from, to, source) => {
    const { targetView: view, targetAt, targetStride, elements } = job;
    for (let row = from, get = 0; row < to; row++) {
      const start = targetAt + (row - job.from) * targetStride;
      for (let at = start; at < start + elements * 8; at += 8) put(view, at, source[get++] as number);
    }
  };
}

/** An integral float within ±2⁶⁴ as two words: exact, because a float's bits below 2³² and above it are split without rounding. */
function putWords(view: DataView, at: number, integer: number): void {
  const high = Math.floor(integer / 4294967296);
  view.setInt32(at, integer - high * 4294967296, true);
  view.setInt32(at + 4, high, true);
}

function putInt64(view: DataView, at: number, value: number): void {
  if (value >= 2 ** 63) {
    view.setUint32(at, 0xffffffff, true);
    view.setUint32(at + 4, 0x7fffffff, true);
  } else {
    putWords(view, at, value <= -(2 ** 63) ? -(2 ** 63) : integral(value));
  }
}

function putUint64(view: DataView, at: number, value: number): void {
  if (value >= 2 ** 64) {
    view.setUint32(at, 0xffffffff, true);
    view.setUint32(at + 4, 0xffffffff, true);
  } else {
    putWords(view, at, value <= 0 ? 0 : integral(value));
  }
}

function putHostInt64(view: DataView, at: number, value: number): void {
  putWords(view, at, value >= -(2 ** 63) && value < 2 ** 63 ? Math.trunc(value) : -(2 ** 63));
}

/** Through a signed conversion; the upper half of the range is shifted down before it and its top bit set after. */
function putHostUint64(view: DataView, at: number, value: number): void {
  if (value >= 2 ** 63 && value < 2 ** 64) putWords(view, at, value);
  else putHostInt64(view, at, value);
}

function integral(value: number): number {
  return Number.isNaN(value) ? 0 : Math.trunc(value);
}

const wrapping: readonly EncodeNumbers[] = [wrap8, wrap16, wrap32];
const hosting: readonly EncodeNumbers[] = [hostInto(1), hostInto(2), hostInto(4)];
const saturating: readonly EncodeNumbers[] = [
  saturate(wrap8, -128, 127),
  saturate(wrap16, -32768, 32767),
  saturate(wrap32, -2147483648, 2147483647),
  saturate(wrap8, 0, 255),
  saturate(wrap16, 0, 65535),
  saturate(wrap32, 0, 4294967295),
];
const halfRounded = encodeHalf(floatBitsToHalf);
const halfTruncated = encodeHalf(floatBitsToHalfTruncated);
const e4m3 = encodeByte(floatBitsToE4M3);
const e5m2 = encodeByte(floatBitsToE5M2);
const int64 = encode64(putInt64);
const uint64 = encode64(putUint64);
const hostInt64 = encode64(putHostInt64);
const hostUint64 = encode64(putHostUint64);

/** The loop that encodes into a scalar type; null for text and unknown. `truncateHalf`: FP16 as the original's typed conversion. */
export function encoderOf(type: DataType, mode: IntegerMode, truncateHalf: boolean): EncodeNumbers | null {
  switch (type) {
    case DataType.Bool:
      return encodeBool;
    case DataType.FP32:
      return encodeFloat32;
    case DataType.FP64:
      return encodeFloat64;
    case DataType.FP16:
      return truncateHalf ? halfTruncated : halfRounded;
    case DataType.FP8E4M3:
      return e4m3;
    case DataType.FP8E5M2:
      return e5m2;
    case DataType.Int64:
      return mode === 'host' ? hostInt64 : int64;
    case DataType.Uint64:
      return mode === 'host' ? hostUint64 : uint64;
    case DataType.String:
    case DataType.Unknown:
      return null;
    default:
      return narrowEncoder(type, mode);
  }
}

function narrowEncoder(type: DataType, mode: IntegerMode): EncodeNumbers | null {
  const { elementBytes, family } = dataTypeInfo(type);
  const size = elementBytes === 1 ? 0 : elementBytes === 2 ? 1 : 2;
  if (mode === 'wrap') return wrapping[size] ?? null;
  if (mode === 'host') return family === 'uint' && size === 2 ? hostUint32 : (hosting[size] ?? null);
  return saturating[family === 'uint' ? size + 3 : size] ?? null;
}
