import { DataType } from '../data-type.js';
import type { ConvertJob } from './convert-job.js';
import { e4m3ToFloatBits, e5m2ToFloatBits, floatBitsToE4M3, floatBitsToE5M2, halfToFloatBits } from './half-fp8.js';

/**
 * Second pass of a float → float conversion: numbers carry no sign or payload of a NaN, so those cells are converted by their bits.
 * Cheap when there is none: one comparison per element.
 */
export function repairNaNs(
  job: ConvertJob,
  from: number,
  to: number,
  numbers: Float64Array,
  fromType: DataType,
  toType: DataType,
  halfCode: (bits: number) => number,
): void {
  const { elements } = job;
  const sourceBytes = widthOf(fromType);
  const targetBytes = widthOf(toType);
  let get = 0;
  for (let row = from; row < to; row++) {
    for (let element = 0; element < elements; element++) {
      const value = numbers[get++] as number;
      if (!Number.isNaN(value)) continue;
      const source = (job.starts[row] as number) + job.sourceOffset + element * sourceBytes;
      putNaN(
        job,
        job.targetAt + (row - job.from) * job.targetStride + element * targetBytes,
        nanBits(job.sourceView, source, fromType),
        toType,
        halfCode,
      );
    }
  }
}

/** The cell's NaN as FP32 bits. */
function nanBits(view: DataView, at: number, type: DataType): number {
  switch (type) {
    case DataType.FP64: {
      const high = view.getUint32(at + 4, true);
      return ((high & 0x80000000) | 0x7fc00000 | ((high & 0x7ffff) << 3) | (view.getUint32(at, true) >>> 29)) >>> 0;
    }
    case DataType.FP32:
      return view.getUint32(at, true);
    case DataType.FP16:
      return halfToFloatBits(view.getUint16(at, true));
    case DataType.FP8E4M3:
      return e4m3ToFloatBits(view.getUint8(at));
    default:
      return e5m2ToFloatBits(view.getUint8(at));
  }
}

function putNaN(job: ConvertJob, at: number, bits: number, type: DataType, halfCode: (bits: number) => number): void {
  const view = job.targetView;
  if (type === DataType.FP64) {
    view.setUint32(at, (bits << 29) >>> 0, true);
    view.setUint32(at + 4, (bits & 0x80000000) | 0x7ff80000 | ((bits & 0x3fffff) >>> 3), true);
  } else if (type === DataType.FP32) {
    view.setUint32(at, bits, true);
  } else if (type === DataType.FP16) {
    view.setUint16(at, halfCode(bits), true);
  } else {
    view.setUint8(at, type === DataType.FP8E4M3 ? floatBitsToE4M3(bits) : floatBitsToE5M2(bits));
  }
}

function widthOf(type: DataType): number {
  return type === DataType.FP64 ? 8 : type === DataType.FP32 ? 4 : type === DataType.FP16 ? 2 : 1;
}
