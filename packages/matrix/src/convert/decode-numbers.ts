import { DataType } from '../data-type.js';
import type { ConvertJob } from './convert-job.js';
import { e4m3Values, e5m2Values, halfValues } from './half-fp8.js';

/** Reads rows from … to−1 of a job into `target`, one number per element. The answer is 0, or NaN if one of them is infinite or NaN. */
export type DecodeNumbers = (job: ConvertJob, from: number, to: number, target: Float64Array) => number;

// One loop per type, spelled out: a shared loop with a reader function costs a call per cell.

const decodeInt8: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements; at++) target[put++] = view.getInt8(at);
  }
  return 0;
};

const decodeUint8: DecodeNumbers = (job, from, to, target) => {
  const { source, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements; at++) target[put++] = source[at] as number;
  }
  return 0;
};

const decodeBool: DecodeNumbers = (job, from, to, target) => {
  const { source, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements; at++) target[put++] = source[at] !== 0 ? 1 : 0;
  }
  return 0;
};

function decodeByCode(values: Float32Array): DecodeNumbers {
  return (job, from, to, target) => {
    const { source, starts, sourceOffset, elements } = job;
    let doubt = 0;
    for (let row = from, put = 0; row < to; row++) {
      const start = (starts[row] as number) + sourceOffset;
      for (let at = start; at < start + elements; at++) {
        const value = values[source[at] as number] as number;
        target[put++] = value;
        doubt += value - value;
      }
    }
    return doubt;
  };
}

const decodeInt16: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 2; at += 2) target[put++] = view.getInt16(at, true);
  }
  return 0;
};

const decodeUint16: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 2; at += 2) target[put++] = view.getUint16(at, true);
  }
  return 0;
};

const decodeHalf: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  const values = halfValues();
  let doubt = 0;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 2; at += 2) {
      const value = values[view.getUint16(at, true)] as number;
      target[put++] = value;
      doubt += value - value;
    }
  }
  return doubt;
};

const decodeInt32: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 4; at += 4) target[put++] = view.getInt32(at, true);
  }
  return 0;
};

const decodeUint32: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 4; at += 4) target[put++] = view.getUint32(at, true);
  }
  return 0;
};

const decodeFloat32: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  let doubt = 0;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 4; at += 4) {
      const value = view.getFloat32(at, true);
      target[put++] = value;
      doubt += value - value;
    }
  }
  return doubt;
};

const decodeFloat64: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  let doubt = 0;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 8; at += 8) {
      const value = view.getFloat64(at, true);
      target[put++] = value;
      doubt += value - value;
    }
  }
  return doubt;
};

const decodeInt64: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 8; at += 8)
      target[put++] = view.getInt32(at + 4, true) * 4294967296 + view.getUint32(at, true);
  }
  return 0;
};

const decodeUint64: DecodeNumbers = (job, from, to, target) => {
  const { sourceView: view, starts, sourceOffset, elements } = job;
  for (let row = from, put = 0; row < to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    for (let at = start; at < start + elements * 8; at += 8)
      target[put++] = view.getUint32(at + 4, true) * 4294967296 + view.getUint32(at, true);
  }
  return 0;
};

/**
 * 64-bit integers on their way to FP32 or less: the bits that an FP64 cannot hold are folded into one, so that rounding the result to
 * FP32 rounds the integer itself, once.
 */
function decodeSticky64(isSigned: boolean): DecodeNumbers {
  return (job, from, to, target) => {
    const { sourceView: view, starts, sourceOffset, elements } = job;
    for (let row = from, put = 0; row < to; row++) {
      const start = (starts[row] as number) + sourceOffset;
      for (let at = start; at < start + elements * 8; at += 8) {
        const high = isSigned ? view.getInt32(at + 4, true) : view.getUint32(at + 4, true);
        let low = view.getUint32(at, true);
        if ((high > 0x1fffff || high < -0x200000) && (low & 0x7ff) !== 0) low = ((low & ~0xfff) | 0x800) >>> 0;
        target[put++] = high * 4294967296 + low;
      }
    }
    return 0;
  };
}

const decoders: readonly (DecodeNumbers | null)[] = [
  null,
  decodeByCode(e5m2Values),
  decodeByCode(e4m3Values),
  decodeHalf,
  decodeFloat32,
  decodeFloat64,
  decodeInt8,
  decodeInt16,
  decodeInt32,
  decodeInt64,
  decodeUint8,
  decodeUint16,
  decodeUint32,
  decodeUint64,
  null,
  decodeBool,
];
const stickyInt64 = decodeSticky64(true);
const stickyUint64 = decodeSticky64(false);

/** The loop that decodes a scalar type; null for text and unknown. `towardsFloat32`: the numbers will be rounded to FP32 next. */
export function decoderOf(type: DataType, towardsFloat32: boolean): DecodeNumbers | null {
  if (towardsFloat32 && type === DataType.Int64) return stickyInt64;
  if (towardsFloat32 && type === DataType.Uint64) return stickyUint64;
  return decoders[type] ?? null;
}
