import type { DataType } from '../data-type.js';
import { dataTypeInfo } from '../data-type.js';
import type { ConvertColumn, ConvertJob } from './convert-job.js';

/**
 * Integer → integer with a 64-bit side, in words: low-order bytes are kept, the rest is the sign of the source. No number in
 * between, so nothing above 2⁵³ is lost. (Up to 32 bits, numbers are exact and the ordinary loops do.)
 */
export function resolveWideIntegers(from: DataType, to: DataType): ConvertColumn {
  const source = dataTypeInfo(from);
  const target = dataTypeInfo(to);
  const isSigned = source.family === 'int';
  const sourceBytes = source.elementBytes;
  const targetBytes = target.elementBytes;
  if (sourceBytes === 8) return (job) => narrow(job, targetBytes);
  return (job) => widen(job, sourceBytes, isSigned);
}

/** 64 bits → fewer, or as many. */
function narrow(job: ConvertJob, targetBytes: number): number {
  const { sourceView, starts, sourceOffset, elements, targetView: view, targetAt, targetStride } = job;
  for (let row = job.from; row < job.to; row++) {
    let from = (starts[row] as number) + sourceOffset;
    let at = targetAt + (row - job.from) * targetStride;
    for (let element = 0; element < elements; element++, from += 8, at += targetBytes) {
      const low = sourceView.getInt32(from, true);
      if (targetBytes === 1) view.setInt8(at, low);
      else if (targetBytes === 2) view.setInt16(at, low, true);
      else view.setInt32(at, low, true);
      if (targetBytes === 8) view.setInt32(at + 4, sourceView.getInt32(from + 4, true), true);
    }
  }
  return 0;
}

/** Up to 32 bits → 64. */
function widen(job: ConvertJob, sourceBytes: number, isSigned: boolean): number {
  const { sourceView: source, starts, sourceOffset, elements, targetView: view, targetAt, targetStride } = job;
  for (let row = job.from; row < job.to; row++) {
    let from = (starts[row] as number) + sourceOffset;
    let at = targetAt + (row - job.from) * targetStride;
    for (let element = 0; element < elements; element++, from += sourceBytes, at += 8) {
      let low: number;
      if (sourceBytes === 1) low = isSigned ? source.getInt8(from) : source.getUint8(from);
      else if (sourceBytes === 2) low = isSigned ? source.getInt16(from, true) : source.getUint16(from, true);
      else low = source.getInt32(from, true);
      view.setInt32(at, low, true);
      view.setInt32(at + 4, isSigned ? low >> 31 : 0, true);
    }
  }
  return 0;
}
