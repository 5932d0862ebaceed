import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { DataType, dataTypeInfo, parseDataType } from '../data-type.js';
import { bytesToText, convertBytes, textToBytes } from './convert-bytes.js';
import {
  e4m3ToFloatBits,
  e5m2ToFloatBits,
  floatBits,
  floatBitsToE4M3,
  floatBitsToE5M2,
  floatBitsToHalf,
  floatBitsToHalfTruncated,
  floatFromBits,
  halfToFloatBits,
} from './half-fp8.js';

type Cell = string | { readonly error: string };
interface Table {
  readonly rows: readonly (readonly Cell[])[];
}

function load(name: string): never {
  return JSON.parse(readFileSync(new URL(`../../../../conformance/data-types/${name}.json`, import.meta.url), 'utf8')) as never;
}
const hex = (bytes: Uint8Array | null): string | null => (bytes === null ? null : Buffer.from(bytes).toString('hex'));
const bytesOf = (text: Cell | undefined): Uint8Array => new Uint8Array(Buffer.from(text as string, 'hex'));
const wanted = (cell: Cell | undefined): string | null => (typeof cell === 'string' ? cell : null);

describe('data type vectors: bytes to bytes', () => {
  const file: { readonly scalar: Table; readonly list: Table } = load('bytes-to-bytes');
  const isFloat = (name: string) => dataTypeInfo(parseDataType(name) ?? 0).family === 'float';
  const isInteger = (name: string) => ['int', 'uint'].includes(dataTypeInfo(parseDataType(name) ?? 0).family);
  // The defects that are mended unless a model asks for the original: FP16 by truncation, float → integer out of range.
  const isMended = (from: string, to: string) => /^fp16$/.test(to) || ((isFloat(from) || from === 'string') && isInteger(to));

  // One row gives a vector's name to the scalar form, which the original refuses; here a vector's name asks for the list form.
  const scalars = file.scalar.rows.filter(([from, to]) => !/vector/i.test(`${from}${to}`));

  it('scalars equal the original throughout with compat', () => {
    const wrong = scalars.filter(
      ([from, to, input, output]) => hex(convertBytes(String(from), String(to), bytesOf(input), true)) !== wanted(output),
    );
    expect(wrong).toEqual([]);
    expect(scalars.length).toBeGreaterThan(2850);
  });

  it('scalars equal the original without compat, but for the mended conversions', () => {
    const wrong = scalars.filter(
      ([from, to, input, output]) =>
        !isMended(String(from), String(to)) && hex(convertBytes(String(from), String(to), bytesOf(input), false)) !== wanted(output),
    );
    expect(wrong).toEqual([]);
  });

  const asVector = (name: string) => `${name}vector`;

  it('lists equal the original throughout with compat', () => {
    const wrong = file.list.rows.filter(
      ([from, to, input, output]) =>
        hex(convertBytes(asVector(String(from)), asVector(String(to)), bytesOf(input), true)) !== wanted(output),
    );
    expect(wrong).toEqual([]);
  });

  it('lists to FP16 round as the original meant to (its unused optimised converter)', () => {
    const rows = file.list.rows.filter(([from, to]) => to === 'fp16' && from !== 'fp16');
    expect(rows.length).toBeGreaterThan(10);
    for (const [from, to, input, , optimised] of rows) {
      expect(hex(convertBytes(asVector(String(from)), asVector(String(to)), bytesOf(input), false))).toBe(wanted(optimised));
    }
  });

  it('floats saturate into integers and NaN is 0', () => {
    const wrong: unknown[] = [];
    for (const [from, to, input, output] of scalars) {
      if (!isFloat(String(from)) || !isInteger(String(to)) || typeof output !== 'string') continue;
      const value = floatOf(String(from), bytesOf(input));
      const { elementBytes, family } = dataTypeInfo(parseDataType(String(to)) ?? 0);
      const bits = BigInt(elementBytes * 8);
      const least = family === 'int' ? -(1n << (bits - 1n)) : 0n;
      const most = least + (1n << bits) - 1n;
      let expected = Number.isNaN(value) ? 0n : value === Infinity ? most : value === -Infinity ? least : BigInt(Math.trunc(value));
      expected = expected < least ? least : expected > most ? most : expected;
      const result = convertBytes(String(from), String(to), bytesOf(input), false);
      const actual = result === null ? null : BigInt.asUintN(Number(bits), readLittle(result));
      if (actual !== BigInt.asUintN(Number(bits), expected)) wrong.push([from, to, input, actual, expected]);
    }
    expect(wrong).toEqual([]);
  });
});

function readLittle(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

function floatOf(name: string, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (name === 'fp64') return view.getFloat64(0, true);
  if (name === 'fp32') return view.getFloat32(0, true);
  if (name === 'fp16') return floatFromBits(halfToFloatBits(view.getUint16(0, true)));
  return floatFromBits(name === 'fp8e4m3' ? e4m3ToFloatBits(view.getUint8(0)) : e5m2ToFloatBits(view.getUint8(0)));
}

describe('data type vectors: text', () => {
  const file: { readonly bytesToString: Table; readonly stringToBytes: Table } = load('text');

  it('bytes to text equals the original, string vectors as they lie with compat', () => {
    const wrong = file.bytesToString.rows.filter(
      ([type, input, output]) => bytesToText(String(type), bytesOf(input), 'compat-answer') !== wanted(output),
    );
    expect(wrong).toEqual([]);
  });

  it('bytes to text without compat differs only for string vectors', () => {
    const wrong = file.bytesToString.rows.filter(
      ([type, input, output]) =>
        !/stringvector/i.test(String(type)) && bytesToText(String(type), bytesOf(input), 'answer') !== wanted(output),
    );
    expect(wrong).toEqual([]);
  });

  it('keys are plain decimals, as the rule without exponents writes them', () => {
    const wrong = file.bytesToString.rows.filter(
      ([type, input, output, plain]) =>
        typeof output === 'string' &&
        typeof plain === 'string' &&
        !/stringvector/i.test(String(type)) &&
        bytesToText(String(type), bytesOf(input), 'key') !== plain,
    );
    expect(wrong).toEqual([]);
  });

  it('text to bytes equals the original', () => {
    const wrong = file.stringToBytes.rows.filter(
      ([type, input, output]) => hex(textToBytes(String(type), String(input))) !== wanted(output),
    );
    expect(wrong).toEqual([]);
  });
});

describe('data type vectors: FP16', () => {
  const file: {
    readonly decode: { readonly samples: readonly (readonly string[])[]; readonly sha256: string; readonly sha256RawNaN: string };
    readonly encode: { readonly samples: readonly (readonly string[])[]; readonly sha256A: string; readonly sha256B: string };
  } = load('fp16');

  it('every code decodes to the same FP32 bits', () => {
    const plain = createHash('sha256');
    const raw = createHash('sha256');
    for (let code = 0; code < 65536; code++) {
      const bits = halfToFloatBits(code);
      const bytes = Buffer.alloc(4);
      bytes.writeUInt32LE(bits);
      raw.update(bytes);
      plain.update(Number.isNaN(floatFromBits(bits)) ? Buffer.from('0000c07f', 'hex') : bytes);
    }
    expect(raw.digest('hex')).toBe(file.decode.sha256RawNaN);
    expect(plain.digest('hex')).toBe(file.decode.sha256);
  });

  it('samples encode alike by both encoders', () => {
    for (const [bits, a, b] of file.encode.samples) {
      expect([bits, floatBitsToHalf(Number(`0x${bits}`)), floatBitsToHalfTruncated(Number(`0x${bits}`))]).toEqual([
        bits,
        Number(`0x${a}`),
        Number(`0x${b}`),
      ]);
    }
  });

  it('every midpoint and its neighbours encode alike by both encoders', () => {
    const a = createHash('sha256');
    const b = createHash('sha256');
    const put = (hash: ReturnType<typeof createHash>, code: number) => hash.update(Uint8Array.of(code & 255, code >>> 8));
    for (let code = 0; code <= 0x7bfe; code++) {
      const low = floatFromBits(halfToFloatBits(code));
      const high = code === 0x7bff ? 65536 : floatFromBits(halfToFloatBits(code + 1));
      const middle = floatBits((low + high) / 2);
      for (const bits of [middle - 1, middle, middle + 1]) {
        for (const signed of [bits, (bits | 0x80000000) >>> 0]) {
          put(a, floatBitsToHalf(signed));
          put(b, floatBitsToHalfTruncated(signed));
        }
      }
    }
    expect(a.digest('hex')).toBe(file.encode.sha256A);
    expect(b.digest('hex')).toBe(file.encode.sha256B);
  });
});

describe('data type vectors: FP8', () => {
  const codes: { readonly codes: Readonly<Record<string, readonly (readonly [number, string, string, string])[]>> } = load('fp8-codes');
  const rounding: {
    readonly types: Readonly<Record<string, { readonly rows: readonly (readonly [string, string])[]; readonly sha256: string }>>;
  } = load('fp8-rounding');
  const encoders: Readonly<Record<string, (bits: number) => number>> = { fp8e4m3: floatBitsToE4M3, fp8e5m2: floatBitsToE5M2 };

  it('every code decodes to the same FP32 bytes and texts', () => {
    for (const [name, rows] of Object.entries(codes.codes)) {
      expect(rows).toHaveLength(256);
      for (const [code, bytes, scientific, plain] of rows) {
        const cell = Uint8Array.of(code);
        expect([name, code, hex(convertBytes(name, 'fp32', cell, false))]).toEqual([name, code, bytes]);
        expect([bytesToText(name, cell, 'answer'), bytesToText(name, cell, 'key')]).toEqual([scientific, plain]);
      }
    }
  });

  it('every rounding edge and 200000 random bit patterns encode alike', () => {
    for (const [name, { rows, sha256 }] of Object.entries(rounding.types)) {
      const encode = encoders[name] as (bits: number) => number;
      for (const [bits, code] of rows) expect([name, bits, encode(Number(`0x${bits}`))]).toEqual([name, bits, Number(`0x${code}`)]);
      const all = new Uint8Array(200000);
      let state = 1;
      for (let index = 0; index < all.length; index++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        all[index] = encode(state);
      }
      expect(createHash('sha256').update(all).digest('hex')).toBe(sha256);
    }
  });

  it('a single value of each type passes through its vector', () => {
    expect(hex(convertBytes(DataType.FP8E4M3Vector, DataType.FP32Vector, Uint8Array.of(0x38, 0x7e), false))).toBe('0000803f0000e043');
  });
});
