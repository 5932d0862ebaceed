import { DataType, dataTypeInfo } from '../data-type.js';
import type { ConvertColumn, ConvertJob } from './convert-job.js';
import { decoderOf } from './decode-numbers.js';
import { resolveDirect } from './direct.js';
import { encoderOf, type IntegerMode } from './encode-numbers.js';
import { floatBitsToHalf, floatBitsToHalfTruncated } from './half-fp8.js';
import { resolveWideIntegers } from './integers.js';
import { repairNaNs } from './nan-bits.js';
import { parseFloat64 } from './parse-number.js';

// Numbers on their way from decode to encode: 32 KiB stay in the first cache. Used within one call, never across.
const chunk = 4096;
let numbers = new Float64Array(chunk);

const resolved = new Map<number, ConvertColumn | null>();

/**
 * The conversion of a column between two types, or null when there is none (a lint error). A vector type stands for its elements: the
 * job says how many. Text → number parses the text as FP64 and converts that; into text there is no conversion of this kind.
 * FP16 is rounded to nearest even and float → integer saturates (NaN is 0), unless `compat`.
 */
export function resolveConversion(from: DataType, to: DataType, compat: boolean): ConvertColumn | null {
  const source = dataTypeInfo(from).elementType;
  const target = dataTypeInfo(to).elementType;
  const key = (source << 6) | (target << 1) | (compat ? 1 : 0);
  let known = resolved.get(key);
  if (known === undefined) {
    known = buildConversion(source, target, compat);
    resolved.set(key, known);
  }
  return known;
}

function buildConversion(from: DataType, to: DataType, compat: boolean): ConvertColumn | null {
  const source = dataTypeInfo(from);
  const target = dataTypeInfo(to);
  if (from === to && source.elementBytes > 0) return copyCells(source.elementBytes);
  if (target.elementBytes === 0 || source.family === 'unknown') return null;
  if (source.isText) return convertText(to, compat);
  if (source.elementBytes === 8 || target.elementBytes === 8) {
    const integral = (source.family === 'int' || source.family === 'uint') && (target.family === 'int' || target.family === 'uint');
    if (integral) return resolveWideIntegers(from, to);
  }
  return resolveDirect(from, to, compat) ?? throughNumbers(from, to, compat);
}

function throughNumbers(from: DataType, to: DataType, compat: boolean): ConvertColumn | null {
  const source = dataTypeInfo(from);
  const target = dataTypeInfo(to);
  const mode: IntegerMode = source.family !== 'float' ? 'wrap' : compat ? 'host' : 'saturate';
  const decode = decoderOf(from, target.family === 'float' && to !== DataType.FP64);
  const encode = encoderOf(to, mode, compat);
  if (decode === null || encode === null) return null;
  const isFloatToFloat = source.family === 'float' && target.family === 'float';
  const halfCode = compat ? floatBitsToHalfTruncated : floatBitsToHalf;
  return (job) => {
    const rowsPerChunk = Math.max(1, Math.floor(chunk / job.elements));
    if (job.elements > numbers.length) numbers = new Float64Array(job.elements);
    for (let first = job.from; first < job.to; first += rowsPerChunk) {
      const last = Math.min(job.to, first + rowsPerChunk);
      const doubt = decode(job, first, last, numbers);
      encode(job, first, last, numbers);
      if (doubt !== 0 && isFloatToFloat) repairNaNs(job, first, last, numbers, from, to, halfCode);
    }
    return 0;
  };
}

function convertText(to: DataType, compat: boolean): ConvertColumn | null {
  const encode = encoderOf(to, compat ? 'host' : 'saturate', compat);
  const width = dataTypeInfo(to).elementBytes;
  if (encode === null) return null;
  return (job) => {
    let failed = 0;
    const { from, to: end, targetAt } = job;
    for (let row = from; row < end; row++) {
      const start = (job.starts[row] as number) + job.sourceOffset;
      const value = parseFloat64(job.source, start, start + (job.lengths?.[row] ?? 0));
      const at = targetAt + (row - from) * job.targetStride;
      if (value === undefined) {
        failed++;
        job.target.fill(0, at, at + width);
        if (job.failedRows !== null) job.failedRows[row] = 1;
        continue;
      }
      numbers[0] = value;
      encode(job, row, row + 1, numbers);
    }
    return failed;
  };
}

function copyCells(width: number): ConvertColumn {
  return (job) => {
    copyRows(job, job.elements * width);
    return 0;
  };
}

/** Copies `bytes` bytes per row. Short rows go word by word: a call to `set` costs more than it saves. */
export function copyRows(job: ConvertJob, bytes: number): void {
  const { source, sourceView, starts, sourceOffset, target, targetView, targetAt, targetStride } = job;
  if (bytes > 512) {
    for (let row = job.from; row < job.to; row++) {
      const start = (starts[row] as number) + sourceOffset;
      target.set(source.subarray(start, start + bytes), targetAt + (row - job.from) * targetStride);
    }
    return;
  }
  const blocks = bytes & ~15;
  const words = bytes & ~3;
  for (let row = job.from; row < job.to; row++) {
    const start = (starts[row] as number) + sourceOffset;
    const put = targetAt + (row - job.from) * targetStride;
    let at = 0;
    for (; at < blocks; at += 16) {
      targetView.setInt32(put + at, sourceView.getInt32(start + at, true), true);
      targetView.setInt32(put + at + 4, sourceView.getInt32(start + at + 4, true), true);
      targetView.setInt32(put + at + 8, sourceView.getInt32(start + at + 8, true), true);
      targetView.setInt32(put + at + 12, sourceView.getInt32(start + at + 12, true), true);
    }
    for (; at < words; at += 4) targetView.setInt32(put + at, sourceView.getInt32(start + at, true), true);
    for (; at < bytes; at++) target[put + at] = source[start + at] as number;
  }
}
