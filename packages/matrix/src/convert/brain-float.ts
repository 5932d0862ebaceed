import { DataType, dataTypeInfo } from '../data-type.js';
import type { ConvertColumn } from './convert-job.js';
import { resolveConversion } from './resolve-conversion.js';

const resolved = new Map<DataType, ConvertColumn | null>();
// The FP32 values on their way. Used within one call, never across.
let floats = new Uint8Array(16_384);
let view = new DataView(floats.buffer);

/**
 * The conversion of a column to BF16, which exists only at model servers: to FP32 first, then rounded to nearest even. Null for types
 * that have none to FP32.
 */
export function resolveBrainFloat(from: DataType): ConvertColumn | null {
  const type = dataTypeInfo(from).elementType;
  let known = resolved.get(type);
  if (known === undefined) {
    const toFloat = resolveConversion(type, DataType.FP32, false);
    known = toFloat === null ? null : (job) => narrow(job, toFloat);
    resolved.set(type, known);
  }
  return known;
}

function narrow(job: Parameters<ConvertColumn>[0], toFloat: ConvertColumn): number {
  const { target, targetView, targetAt, targetStride, elements } = job;
  const rows = job.to - job.from;
  if (floats.length < rows * elements * 4) {
    floats = new Uint8Array(rows * elements * 4);
    view = new DataView(floats.buffer);
  }
  job.target = floats;
  job.targetView = view;
  job.targetAt = 0;
  job.targetStride = elements * 4;
  const failed = toFloat(job);
  job.target = target;
  job.targetView = targetView;
  job.targetAt = targetAt;
  job.targetStride = targetStride;
  for (let row = 0; row < rows; row++) {
    const put = targetAt + row * targetStride;
    for (let index = 0; index < elements; index++) {
      targetView.setUint16(put + index * 2, brainFloatOf(view.getUint32((row * elements + index) * 4, true)), true);
    }
  }
  return failed;
}

/** The upper half of an FP32's bits, rounded to nearest even; NaN stays NaN. */
function brainFloatOf(bits: number): number {
  if ((bits & 0x7fff_ffff) > 0x7f80_0000) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}
