import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { BinaryWriter } from '@bufbuild/protobuf/wire';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ModelInferRequestSchema, ModelInferResponseSchema, NumerixRequestProtoSchema, NumerixResponseProtoSchema } from '../index.js';
import {
  ComputeAnswer,
  compileComputeRequest,
  computeRequestSize,
  computeRowSize,
  putComputeHead,
  putComputeRow,
  putComputeTail,
} from './compute.js';
import { compileInferRequest, inferRequestSize, putInferHead, putRawInputHead } from './infer-request.js';
import { InferAnswer } from './infer-response.js';
import { RawScratch, readTypedContents } from './typed-contents.js';

const text = fc.string({ unit: 'grapheme', maxLength: 9 }).map((value) => value.toWellFormed());
const bytes = fc.uint8Array({ maxLength: 200 });
const decode = (message: Uint8Array, start: number, end: number) => new TextDecoder().decode(message.subarray(start, end));

describe('model calls', () => {
  it('are what the generated code writes', () => {
    const input = fc.record({ name: text, datatype: text, shape: fc.array(fc.nat(), { maxLength: 4 }), raw: bytes });
    const request = fc.record({
      modelName: text,
      modelVersion: text,
      inputs: fc.array(input, { maxLength: 4 }),
      outputs: fc.array(text, { maxLength: 3 }),
    });
    fc.assert(
      fc.property(request, ({ modelName, modelVersion, inputs, outputs }) => {
        const template = compileInferRequest({
          modelName,
          modelVersion,
          inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, rank: shape.length })),
          outputs,
        });
        const dims = inputs.flatMap(({ shape }) => shape);
        const message = new Uint8Array(
          inferRequestSize(
            template,
            dims,
            inputs.map(({ raw }) => raw.length),
          ) + 1,
        );
        let at = putInferHead(template, message, 1, dims);
        for (const { raw } of inputs) {
          at = putRawInputHead(message, at, raw.length);
          message.set(raw, at);
          at += raw.length;
        }
        const expected = toBinary(
          ModelInferRequestSchema,
          create(ModelInferRequestSchema, {
            modelName,
            modelVersion,
            inputs: inputs.map(({ name, datatype, shape }) => ({ name, datatype, shape: shape.map(BigInt) })),
            outputs: outputs.map((name) => ({ name })),
            rawInputContents: inputs.map(({ raw }) => raw),
          }),
        );
        expect(at).toBe(message.length);
        expect([...message.subarray(1)]).toEqual([...expected]);
      }),
      { numRuns: 300 },
    );
  });

  it('answers are read as they were written', () => {
    const output = fc.record({
      name: text,
      datatype: fc.constantFrom('FP32', 'INT64', 'BF16'),
      shape: fc.array(fc.integer({ min: -5, max: 1 << 30 }), { maxLength: 5 }),
    });
    const answer = new InferAnswer();
    fc.assert(
      fc.property(fc.array(output, { maxLength: 12 }), fc.array(bytes, { maxLength: 30 }), (outputs, raw) => {
        const message = toBinary(
          ModelInferResponseSchema,
          create(ModelInferResponseSchema, {
            modelName: 'm',
            id: '1',
            outputs: outputs.map((entry) => ({ ...entry, shape: entry.shape.map(BigInt) })),
            rawOutputContents: raw,
          }),
        );
        expect(answer.read(message, 0, message.length)).toBe(true);
        expect([answer.outputCount, answer.rawCount]).toEqual([outputs.length, raw.length]);
        raw.forEach((entry, index) => {
          expect([...message.subarray(answer.rawStart(index), answer.rawEnd(index))]).toEqual([...entry]);
        });
        outputs.forEach(({ name, datatype, shape }, index) => {
          expect(answer.find(message, new TextEncoder().encode(name))).toBe(outputs.findIndex((entry) => entry.name === name));
          expect([
            answer.hasType(message, index, datatype),
            answer.hasType(message, index, 'FP3'),
            answer.typeText(message, index),
          ]).toEqual([true, false, datatype]);
          expect(Array.from({ length: answer.rank(index) }, (_, dim) => answer.dim(index, dim))).toEqual(shape);
          expect(answer.hasContents(index)).toBe(false);
        });
      }),
      { numRuns: 300 },
    );
  });

  it('typed contents become raw ones, packed or not', () => {
    const scratch = new RawScratch();
    // int_contents 5 packed, then 300 by itself, then bool_contents, which another datatype skips.
    const contents = Uint8Array.of(0x12, 1, 5, 0x10, 0xac, 2, 0x0a, 1, 1);
    expect(readTypedContents(contents, 0, contents.length, 'INT16', 10, scratch)).toBe(2);
    expect([...scratch.bytes.subarray(0, scratch.length)]).toEqual([5, 0, 0x2c, 1]);
    expect(readTypedContents(contents, 0, contents.length, 'BOOL', 10, scratch)).toBe(1);
    expect(readTypedContents(contents, 0, contents.length, 'FP32', 10, scratch)).toBe(0);
    expect(readTypedContents(contents, 0, contents.length, 'FP16', 10, scratch)).toBe(-1);
    expect(readTypedContents(Uint8Array.of(0x32, 3, 0, 0, 0), 0, 5, 'FP32', 10, scratch)).toBe(-1);
  });

  it.each([
    ['UINT8', 0x20, [255, 0], [256, 300]],
    ['UINT16', 0x20, [65_535], [65_536]],
    ['INT8', 0x10, [127, -128], [128, -129]],
    ['INT16', 0x10, [32_767, -32_768], [32_768, -32_769]],
  ] as const)('typed contents beyond %s are malformed', (datatype, tag, within, beyond) => {
    const scratch = new RawScratch();
    const read = (value: number) => {
      const bytes = Uint8Array.of(tag, ...new BinaryWriter().int32(value).finish());
      return readTypedContents(bytes, 0, bytes.length, datatype, 1, scratch);
    };
    expect(within.map(read)).toEqual(within.map(() => 1));
    expect(beyond.map(read)).toEqual(beyond.map(() => -1));
  });

  it('typed contents in several pieces are one after the other, as the generated code reads them', () => {
    const field = (number: number, content: readonly number[]) => [number * 8 + 2, content.length, ...content];
    const piece = (...values: number[]) => field(5, field(6, [...new Uint8Array(Float32Array.from(values).buffer)]));
    const [answer, scratch] = [new InferAnswer(), new RawScratch()];
    const pieces = [[piece(1, 2), [], piece(3)], [field(5, []), piece(4)], [piece(5)], []];
    const message = Uint8Array.from(pieces.flatMap((parts) => field(5, parts.flat())));
    expect(answer.read(message, 0, message.length)).toBe(true);
    fromBinary(ModelInferResponseSchema, message).outputs.forEach(({ contents }, output) => {
      expect(answer.hasContents(output)).toBe(contents !== undefined);
      if (contents === undefined) return;
      const { fp32Contents } = contents;
      expect(answer.readContents(message, output, 'FP32', fp32Contents.length, scratch)).toBe(fp32Contents.length);
      expect([...new Float32Array(scratch.bytes.slice(0, scratch.length).buffer)]).toEqual(fp32Contents);
      expect(answer.readContents(message, output, 'FP32', fp32Contents.length - 1, scratch)).toBe(-1);
    });
    const flood = Uint8Array.from([...[0x2a, 0x80 | 72, 1], ...Array.from({ length: 100 }, () => [0x2a, 0]).flat()]);
    expect(answer.read(flood, 0, flood.length)).toBe(false);
  });

  it.each([
    ['packed varints', 'INT64', [0x1a, 3, 1, 2, 3]],
    ['packed floats', 'FP32', [0x32, 12, ...new Array<number>(12).fill(0)]],
    ['varints one at a time', 'INT8', [0x10, 1, 0x10, 2, 0x10, 3]],
    ['texts', 'BYTES', [0x42, 1, 65, 0x42, 0, 0x42, 1, 66]],
    ['some packed, some not', 'UINT16', [0x22, 2, 1, 2, 0x20, 3]],
  ])('typed contents of more elements than may be are refused: %s', (_name, datatype, wire) => {
    const scratch = new RawScratch();
    const read = (most: number) => readTypedContents(Uint8Array.from(wire), 0, wire.length, datatype, most, scratch);
    expect([4, 3, 2, 0].map(read)).toEqual([3, 3, -1, -1]);
  });

  it('typed contents are not expanded beyond the elements that may be', () => {
    const scratch = new RawScratch();
    const tags = Uint8Array.of(0x1a, 0x80, 0x80, 0x40);
    const contents = new Uint8Array(tags.length + (1 << 20));
    contents.set(tags);
    expect(readTypedContents(contents, 0, contents.length, 'INT64', 5, scratch)).toBe(-1);
    expect(scratch.length).toBe(5 * 8);
    expect(scratch.bytes.length).toBe(1024);
    // As many as there may be take eight times the message, and are let go of when they were read.
    expect(readTypedContents(contents, 0, contents.length, 'INT64', 1 << 20, scratch)).toBe(1 << 20);
    expect([scratch.length, scratch.isLarge]).toEqual([1 << 23, true]);
    scratch.trim();
    expect([scratch.length, scratch.bytes.length, scratch.isLarge]).toEqual([0, 1024, false]);
  });
});

describe('compute calls', () => {
  it('are what the generated code writes', () => {
    const request = fc.integer({ min: 0, max: 4 }).chain((valueCount) =>
      fc.record({
        valueCount: fc.constant(valueCount),
        schema: fc.array(text, { maxLength: 4 }),
        computeId: text,
        rows: fc.array(fc.record({ id: bytes, values: fc.uint8Array({ minLength: valueCount * 4, maxLength: valueCount * 4 }) }), {
          maxLength: 6,
        }),
      }),
    );
    fc.assert(
      fc.property(request, ({ valueCount, schema, computeId, rows }) => {
        const template = compileComputeRequest({ schema, computeId, dataType: 'fp32' });
        const rowsSize = rows.reduce((size, { id }) => size + computeRowSize(id.length, valueCount, 4), 0);
        const message = new Uint8Array(computeRequestSize(template, rowsSize));
        let at = putComputeHead(template, message, 0, rowsSize);
        for (const { id, values } of rows) at = putComputeRow(message, at, id, 0, id.length, values, 0, valueCount, 4);
        expect(putComputeTail(template, message, at)).toBe(message.length);
        const expected = toBinary(
          NumerixRequestProtoSchema,
          create(NumerixRequestProtoSchema, {
            entityScoreData: {
              schema,
              computeId,
              dataType: 'fp32',
              entityScores: rows.map(({ id, values }) => ({
                matrixFormat: {
                  case: 'byteData' as const,
                  value: { values: [id, ...Array.from({ length: valueCount }, (_, value) => values.subarray(value * 4, value * 4 + 4))] },
                },
              })),
            },
          }),
        );
        // The generated code leaves an empty compute id out, as this codec does.
        expect([...message]).toEqual([...expected]);
      }),
      { numRuns: 300 },
    );
  });

  it('answers are read as they were written', () => {
    const answer = new ComputeAnswer();
    const row = fc.record({ isText: fc.boolean(), values: fc.array(text, { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 60 }), (rows) => {
        const message = toBinary(
          NumerixResponseProtoSchema,
          create(NumerixResponseProtoSchema, {
            response: {
              case: 'computationScoreData',
              value: {
                schema: ['id', 'score'],
                computationScores: rows.map(({ isText, values }) => ({
                  matrixFormat: isText
                    ? { case: 'stringData' as const, value: { values } }
                    : { case: 'byteData' as const, value: { values: values.map((value) => new TextEncoder().encode(value)) } },
                })),
              },
            },
          }),
        );
        expect(answer.read(message, 0, message.length)).toBe(true);
        expect([answer.rowCount, answer.errorStart]).toEqual([rows.length, -1]);
        rows.forEach(({ isText, values }, index) => {
          if (values[1] === undefined) expect(answer.valueStart(index)).toBe(-1);
          else {
            expect(decode(message, answer.valueStart(index), answer.valueEnd(index))).toBe(values[1]);
            expect(answer.isText(index)).toBe(isText);
          }
        });
      }),
      { numRuns: 300 },
    );
    const error = toBinary(
      NumerixResponseProtoSchema,
      create(NumerixResponseProtoSchema, { response: { case: 'error', value: { message: 'no' } } }),
    );
    expect(answer.read(error, 0, error.length)).toBe(true);
    expect(decode(error, answer.errorStart, answer.errorEnd)).toBe('no');
    const pieces = Uint8Array.of(...error, 0x12, 0);
    expect(answer.read(pieces, 0, pieces.length)).toBe(true);
    expect(decode(pieces, answer.errorStart, answer.errorEnd)).toBe('no');
  });
});
