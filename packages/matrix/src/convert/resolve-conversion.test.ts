import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataType, dataTypeInfo, dataTypes } from '../data-type.js';
import { convertBytes } from './convert-bytes.js';
import { createConvertJob } from './convert-job.js';
import { decodeValue, encodeValue } from './encode-value.js';
import { resolveConversion } from './resolve-conversion.js';

const numeric = dataTypes.filter((info) => info.elementBytes > 0 && !info.isVector);
const isInteger = (type: DataType) => ['int', 'uint'].includes(dataTypeInfo(type).family);

/** Exact value of a cell. */
function exact(type: DataType, bytes: Uint8Array): bigint | number | null {
  const value = decodeValue(type, bytes);
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'number' || typeof value === 'bigint' ? value : null;
}

/** One value by the rules, with big integers: no shared code with the column kernels. */
function naive(from: DataType, to: DataType, bytes: Uint8Array): Uint8Array {
  const value = exact(from, bytes) as bigint | number;
  const target = dataTypeInfo(to);
  if (to === DataType.Bool) return Uint8Array.of(value === 0 || value === 0n ? 0 : 1);
  if (isInteger(to)) {
    const bits = target.elementBytes * 8;
    let integer: bigint;
    if (dataTypeInfo(from).family !== 'float') {
      integer = BigInt(value);
    } else {
      const least = target.family === 'int' ? -(1n << BigInt(bits - 1)) : 0n;
      const most = least + (1n << BigInt(bits)) - 1n;
      const number = value as number;
      integer = Number.isNaN(number) ? 0n : number === Infinity ? most : number === -Infinity ? least : BigInt(Math.trunc(number));
      integer = integer < least ? least : integer > most ? most : integer;
    }
    const result = new Uint8Array(8);
    new DataView(result.buffer).setBigUint64(0, BigInt.asUintN(64, integer), true);
    return result.slice(0, target.elementBytes);
  }
  // Integers above 2^53 are rounded to FP32 once: the nearest of the candidates around it, by exact distance.
  const number = typeof value === 'bigint' ? (to === DataType.FP64 ? Number(value) : nearestFloat32(value)) : value;
  return encodeValue(to, number);
}

function nearestFloat32(value: bigint): number {
  const guess = Math.fround(Number(value));
  if (Math.abs(guess) < 2 ** 53) return guess;
  const bits = new Uint32Array(new Float32Array([guess]).buffer)[0] as number;
  const around = [bits - 1, bits, bits + 1].map((candidate) => ({
    candidate,
    number: new Float32Array(new Uint32Array([candidate]).buffer)[0] as number,
  }));
  const distance = (number: number) => {
    const difference = BigInt(number) - value;
    return difference < 0n ? -difference : difference;
  };
  around.sort((left, right) =>
    distance(left.number) < distance(right.number)
      ? -1
      : distance(left.number) > distance(right.number)
        ? 1
        : (left.candidate & 1) - (right.candidate & 1),
  );
  return around[0]?.number as number;
}

const column = fc.constantFrom(...numeric).chain((from) =>
  fc.record({
    from: fc.constant(from.dataType),
    to: fc.constantFrom(...numeric.map((info) => info.dataType)),
    elements: fc.integer({ min: 1, max: 3 }),
    cells: fc.array(
      fc.oneof(
        fc.uint8Array({ minLength: from.elementBytes, maxLength: from.elementBytes }),
        fc
          .oneof(
            fc.double(),
            fc.float(),
            fc.integer(),
            fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n }),
            fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 + 2, -0.5, 254.9, 65535.5),
          )
          .map((value) => encodeValue(from.dataType, value)),
      ),
      { minLength: 3, maxLength: 24 },
    ),
    gap: fc.nat(5),
  }),
);

describe('resolveConversion', () => {
  it('agrees with exact arithmetic on any two types, strides, offsets and row order', () => {
    fc.assert(
      fc.property(column, ({ from, to, elements, cells, gap }) => {
        const width = dataTypeInfo(from).elementBytes;
        const targetWidth = dataTypeInfo(to).elementBytes;
        const rows = Math.floor(cells.length / elements);
        const stride = elements * width + gap;
        const source = new Uint8Array(rows * stride + 3);
        const job = createConvertJob();
        job.starts = Int32Array.from({ length: rows }, (_, row) => (rows - 1 - row) * stride);
        for (let cell = 0; cell < rows * elements; cell++) {
          source.set(cells[cell] as Uint8Array, (job.starts[Math.floor(cell / elements)] as number) + 3 + (cell % elements) * width);
        }
        job.source = source;
        job.sourceView = new DataView(source.buffer);
        job.sourceOffset = 3;
        job.elements = elements;
        job.to = rows;
        job.targetStride = elements * targetWidth + gap;
        job.targetAt = 1;
        job.target = new Uint8Array(rows * job.targetStride + 1);
        job.targetView = new DataView(job.target.buffer);
        expect(resolveConversion(from, to, false)?.(job)).toBe(0);
        for (let cell = 0; cell < rows * elements; cell++) {
          const at = 1 + Math.floor(cell / elements) * job.targetStride + (cell % elements) * targetWidth;
          const actual = job.target.slice(at, at + targetWidth);
          const value = exact(from, cells[cell] as Uint8Array);
          // NaN payloads are checked bit by bit against the recorded vectors; here a NaN is a NaN.
          if (Number.isNaN(value) && dataTypeInfo(to).family === 'float') expect(decodeValue(to, actual)).toBeNaN();
          else if (from === to) expect(actual).toEqual(cells[cell]);
          else expect([from, to, value, ...actual]).toEqual([from, to, value, ...naive(from, to, cells[cell] as Uint8Array)]);
        }
      }),
      { numRuns: 4000 },
    );
  });

  it('converts columns longer than its scratch memory', () => {
    const rows = 3000;
    const source = new Uint8Array(new Float32Array(rows * 4).map((_, index) => index).buffer);
    const job = createConvertJob();
    Object.assign(job, {
      source,
      sourceView: new DataView(source.buffer),
      starts: Int32Array.from({ length: rows }, (_, row) => row * 16),
      elements: 4,
      to: rows,
      targetStride: 16,
    });
    job.target = new Uint8Array(rows * 16);
    job.targetView = new DataView(job.target.buffer);
    resolveConversion(DataType.FP32, DataType.Int32, false)?.(job);
    expect(new Int32Array(job.target.buffer).every((value, index) => value === index)).toBe(true);
    const one = createConvertJob();
    Object.assign(one, {
      source,
      sourceView: new DataView(source.buffer),
      starts: new Int32Array(1),
      elements: rows * 4,
      to: 1,
      target: job.target.fill(0),
      targetView: job.targetView,
    });
    resolveConversion(DataType.FP32Vector, DataType.Int32Vector, false)?.(one);
    expect(new Int32Array(job.target.buffer).every((value, index) => value === index)).toBe(true);
  });

  it('parses text columns as numbers and marks the rows that are none', () => {
    const source = new TextEncoder().encode('12.5x300 ');
    const job = createConvertJob();
    Object.assign(job, {
      source,
      sourceView: new DataView(source.buffer),
      starts: Int32Array.of(0, 4, 5, 0),
      lengths: Int32Array.of(4, 1, 3, 0),
      to: 4,
      targetStride: 1,
    });
    job.target = new Uint8Array(4).fill(9);
    job.targetView = new DataView(job.target.buffer);
    job.failedRows = new Uint8Array(4);
    expect(resolveConversion(DataType.String, DataType.Int8, false)?.(job)).toBe(2);
    expect([[...job.target], [...job.failedRows]]).toEqual([
      [12, 0, 127, 0],
      [0, 1, 0, 1],
    ]);
  });

  it('has none into text, from raw bytes or from lists of texts to numbers', () => {
    expect(resolveConversion(DataType.FP32, DataType.String, false)).toBeNull();
    expect(resolveConversion(DataType.Unknown, DataType.FP32, false)).toBeNull();
    expect(convertBytes('stringvector', 'fp32', new Uint8Array(4), false)).toBeNull();
    expect(convertBytes('bytes', 'fp32', new Uint8Array(4), false)).toBeNull();
  });
});
