import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DataType, dataTypes, parseDataType, v2ElementBytes } from '../data-type.js';
import { MatrixError } from '../errors.js';
import { assertLittleEndianHost } from '../host-order.js';
import { bytesToText, textToBytes } from './convert-bytes.js';
import { decodeValue, encodeValue } from './encode-value.js';

const types = dataTypes.map((info) => info.dataType);
const numberish = fc.string({ unit: fc.constantFrom(...'0123456789+-._eExXpPinfatyNTrue:, ') });

describe('text of values', () => {
  it('never throws, whatever the type, bytes or text', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...types),
        fc.uint8Array({ maxLength: 40 }),
        fc.oneof(numberish, fc.string({ unit: 'binary' })),
        (type, bytes, text) => {
          bytesToText(type, bytes, 'key');
          bytesToText(type, bytes, 'compat-answer');
          decodeValue(type, bytes);
          const parsed = textToBytes(type, text);
          if (parsed !== null) expect(bytesToText(type, parsed)).not.toBeNull();
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('reads back every number it writes', () => {
    const scalars = dataTypes.filter((info) => info.elementBytes > 0 && !info.isVector);
    fc.assert(
      fc.property(
        fc.constantFrom(...scalars),
        fc.uint8Array({ minLength: 8, maxLength: 8 }),
        fc.constantFrom('answer', 'key'),
        (info, random, style) => {
          const bytes = random.slice(0, info.elementBytes);
          if (info.family === 'bool') bytes[0] = (bytes[0] as number) & 1;
          const value = decodeValue(info.dataType, bytes);
          if (Number.isNaN(value)) return;
          expect(textToBytes(info.dataType, bytesToText(info.dataType, bytes, style as 'answer') ?? '')).toEqual(bytes);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('writes the shortest digits: one digit less reads back as another number', () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (value) => {
        const text = bytesToText(DataType.FP32, encodeValue(DataType.FP32, value), 'key') as string;
        const digits = text.replace(/^-|\./g, '').replace(/^0+/, '').replace(/0+$/, '').length;
        if (digits > 1) expect(Math.fround(Number(Math.fround(value).toPrecision(digits - 1)))).not.toBe(Math.fround(value));
        expect(Math.fround(Number(text))).toBe(Math.fround(value));
      }),
      { numRuns: 5000 },
    );
  });

  it('has two notations of floats', () => {
    const both = (type: DataType, value: number) =>
      (['answer', 'key'] as const).map((style) => bytesToText(type, encodeValue(type, value), style));
    expect(both(DataType.FP32, 1234567)).toEqual(['1.234567e+06', '1234567']);
    expect(both(DataType.FP32, 999999)).toEqual(['999999', '999999']);
    expect(both(DataType.FP32, 1e-5)).toEqual(['1e-05', '0.00001']);
    expect(both(DataType.FP64, 1.2345678901234568e18)).toEqual(['1.2345678901234568e+18', '1234567890123456800']);
    expect(both(DataType.FP64, 5e-324)[0]).toBe('5e-324');
    expect(both(DataType.FP32, -0)).toEqual(['-0', '-0']);
    expect(both(DataType.FP32, Number.NEGATIVE_INFINITY)).toEqual(['-Inf', '-Inf']);
  });

  it('rounds a decimal to FP32 once, where rounding to FP64 first goes wrong', () => {
    // Just above the midpoint of 1 and its successor: FP64 cannot see the difference.
    const text = '1.00000005960464477539062500000000000000001';
    expect(Math.fround(Number(text))).toBe(1);
    expect(textToBytes('fp32', text)).toEqual(encodeValue(DataType.FP32, 1.00000011920929));
  });
});

describe('encodeValue and decodeValue', () => {
  it('are each other’s inverse for every type', () => {
    const samples: readonly [DataType, Parameters<typeof encodeValue>[1]][] = [
      [DataType.Int64, -9007199254740993n],
      [DataType.Uint64, 18446744073709551615n],
      [DataType.FP16, 0.5],
      [DataType.FP8E4M3, 448],
      [DataType.FP8E5M2Vector, [1, -2]],
      [DataType.Bool, true],
      [DataType.BoolVector, [true, false]],
      [DataType.String, 'naïve'],
      [DataType.StringVector, ['ab', '', 'é']],
      [DataType.Int64Vector, [1n, -1n]],
      [DataType.Uint8Vector, []],
    ];
    for (const [type, value] of samples) expect(decodeValue(type, encodeValue(type, value))).toEqual(value);
    expect([...encodeValue(DataType.StringVector, ['ab', 'c'])]).toEqual([2, 0, 1, 0, 97, 98, 99]);
  });

  it('parse texts, saturate numbers and wrap bigints', () => {
    expect(decodeValue(DataType.Int16, encodeValue(DataType.Int16, '-7'))).toBe(-7);
    expect(decodeValue(DataType.FP32Vector, encodeValue(DataType.FP32Vector, '1:2.5'))).toEqual([1, 2.5]);
    expect(decodeValue(DataType.Uint8, encodeValue(DataType.Uint8, 300.7))).toBe(255);
    expect(decodeValue(DataType.Uint8, encodeValue(DataType.Uint8, 300n))).toBe(44);
    expect(decodeValue(DataType.Int64, encodeValue(DataType.Int64, Number.NaN))).toBe(0n);
  });

  it('refuse what cannot be that type', () => {
    expect(() => encodeValue(DataType.Int32, 'x')).toThrow(MatrixError);
    expect(() => encodeValue(DataType.Int32, [1])).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_TYPE_MISMATCH' }));
    expect([
      decodeValue(DataType.FP32, new Uint8Array(3)),
      decodeValue(DataType.Unknown, new Uint8Array(3)),
      decodeValue(DataType.StringVector, Uint8Array.of(9, 0)),
    ]).toEqual([null, null, null]);
  });
});

describe('data types', () => {
  it('are read in every spelling their users have', () => {
    for (const info of dataTypes)
      for (const text of [info.name, info.name.toUpperCase(), info.name.slice(8), info.name.slice(8).toLowerCase()])
        expect(parseDataType(text)).toBe(info.dataType);
    expect(['BYTES', 'INT64', 'DataTypeFP32', ' fp32vector ', 'BF16', 'float', ''].map(parseDataType)).toEqual([
      DataType.String,
      DataType.Int64,
      DataType.FP32,
      DataType.FP32Vector,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('know the widths of the model server’s types', () => {
    expect(['FP16', 'FP32', 'FP64', 'BF16', 'INT8', 'UINT64', 'BOOL', 'BYTES', 'FP8', 'fp32'].map(v2ElementBytes)).toEqual([
      2, 4, 8, 2, 1, 8, 1, 0, -1, -1,
    ]);
  });

  it('need a little-endian host', () => {
    expect(() => assertLittleEndianHost(0)).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_HOST_BYTE_ORDER' }));
  });
});
