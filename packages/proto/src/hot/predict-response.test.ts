import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  InferflowResponseProtoSchema,
  PairWiseResponseSchema,
  PointWiseResponseSchema,
  QualitySchema,
  SlateWiseResponseSchema,
} from '../index.js';
import { encodeHeaderRow, InferflowResponseBody } from './inferflow-response.js';
import { encodeOutputSchemas } from './output-schema.js';
import { PredictKind } from './predict-request.js';
import { PredictResponseBody } from './predict-response.js';
import { ComponentStatus, QualityWriter } from './quality.js';
import type { ScoreTable } from './score-table.js';

const encoder = new TextEncoder();
const name = fc.string({ unit: 'grapheme', maxLength: 10 }).map((text) => text.toWellFormed());
const cell = fc.uint8Array({ maxLength: 200 });
const column = fc.record({ name, dataType: fc.nat(30), width: fc.nat(500) });
const table = fc.tuple(fc.nat(5), fc.nat(4)).chain(([rows, columns]) =>
  fc.record({
    rows: fc.array(fc.array(cell, { minLength: columns, maxLength: columns }), { minLength: rows, maxLength: rows }),
    errors: fc.array(name, { minLength: rows, maxLength: rows }),
  }),
);

function fill(into: ScoreTable, rows: readonly (readonly Uint8Array[])[], errors: readonly string[] | null): void {
  const columns = rows[0]?.length ?? 0;
  into.open(rows.length, columns);
  for (let at = 0; at < columns; at++) {
    const source = new Uint8Array(rows.reduce((sum, row) => sum + (row[at]?.length ?? 0), 0) + 3);
    let put = 3;
    rows.forEach((row, index) => {
      const value = row[at] as Uint8Array;
      source.set(value, put);
      into.ranges[(index * columns + at) * 2] = put;
      into.ranges[(index * columns + at) * 2 + 1] = value.length;
      put += value.length;
    });
    into.sources[at] = source;
  }
  into.errors = errors === null ? null : errors.map((text) => (text === '' ? null : encoder.encode(text)));
}

function written(body: { byteLength: number; write(target: Uint8Array, at: number): number }): Uint8Array {
  const target = new Uint8Array(body.byteLength + 7);
  expect(body.write(target, 4)).toBe(4 + body.byteLength);
  const again = new Uint8Array(body.byteLength);
  body.write(again, 0);
  expect(again).toEqual(target.slice(4, 4 + body.byteLength));
  return again;
}

describe('PredictResponseBody', () => {
  it('writes what the generated code reads, for every kind, twice the same', () => {
    const body = new PredictResponseBody();
    const quality = new QualityWriter();
    fc.assert(
      fc.property(
        table,
        table,
        fc.array(column, { maxLength: 4 }),
        fc.array(column, { maxLength: 3 }),
        fc.boolean(),
        (targets, slates, schema, slateSchema, hasQuality) => {
          quality.begin();
          quality.cells([1, 300, 0, 0, 0, 70000]);
          fill(body.targets, targets.rows, targets.errors);
          fill(body.slates, slates.rows, slates.errors);
          const plainRows = (part: { rows: Uint8Array[][]; errors: string[] }) =>
            part.rows.map((row, at) => ({ error: part.errors[at], outputValues: row.map((value) => [...value]) }));
          const read = (rows: { error: string; outputValues: Uint8Array[] }[]) =>
            rows.map(({ error, outputValues }) => ({ error, outputValues: outputValues.map((value) => [...value]) }));
          const readSchema = (columns: { name: string; dataType: number; width: number; vectorDim: number }[]) =>
            columns.map(({ name: columnName, dataType, width, vectorDim }) => {
              expect(vectorDim).toBe(0);
              return { name: columnName, dataType, width };
            });
          const length = hasQuality ? quality.length : -1;
          body.measure(PredictKind.pointWise, encodeOutputSchemas(PredictKind.pointWise, schema, slateSchema), quality.bytes, length);
          const point = fromBinary(PointWiseResponseSchema, written(body));
          expect(read(point.targetScores)).toEqual(plainRows(targets));
          expect(readSchema(point.targetOutputSchema)).toEqual(schema);
          expect(point.quality?.cells?.missing).toBe(hasQuality ? 70000 : undefined);
          body.measure(PredictKind.pairWise, encodeOutputSchemas(PredictKind.pairWise, schema, slateSchema), quality.bytes, length);
          const pair = fromBinary(PairWiseResponseSchema, written(body));
          expect(read(pair.targetScores)).toEqual(plainRows(targets));
          expect(read(pair.pairScores)).toEqual(plainRows(slates));
          expect(readSchema(pair.pairOutputSchema)).toEqual(slateSchema);
          body.measure(PredictKind.slateWise, encodeOutputSchemas(PredictKind.slateWise, schema, slateSchema), quality.bytes, length);
          const slate = fromBinary(SlateWiseResponseSchema, written(body));
          expect(read(slate.slateScores)).toEqual(plainRows(slates));
          expect(readSchema(slate.slateOutputSchema)).toEqual(slateSchema);
          expect(readSchema(slate.targetOutputSchema)).toEqual(schema);
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('InferflowResponseBody', () => {
  it('writes what the generated code reads', () => {
    const body = new InferflowResponseBody();
    fc.assert(
      fc.property(
        fc.array(fc.array(name, { minLength: 2, maxLength: 2 }), { maxLength: 6 }),
        fc.array(name, { minLength: 6, maxLength: 6 }),
        (rows, errors) => {
          fill(
            body.rows,
            rows.map((row) => row.map((text) => encoder.encode(text))),
            errors.slice(0, rows.length),
          );
          body.measure(encodeHeaderRow(['id', 'größe']), new Uint8Array(0), -1);
          const read = fromBinary(InferflowResponseProtoSchema, written(body));
          expect(read.componentData.map(({ data }) => data)).toEqual([['id', 'größe'], ...rows]);
          expect(read.rowErrors.map(({ row, error }) => [row, error])).toEqual(
            errors.slice(0, rows.length).flatMap((error, row) => (error === '' ? [] : [[row, error]])),
          );
        },
      ),
      { numRuns: 150 },
    );
  });
});

describe('QualityWriter', () => {
  it('writes what the generated code reads', () => {
    const writer = new QualityWriter();
    const outcome = fc.record({ name, reason: name, status: fc.constantFrom(...Object.values(ComponentStatus)), durationUs: fc.nat() });
    fc.assert(
      fc.property(
        fc.array(outcome, { maxLength: 60 }),
        fc.array(fc.nat(), { minLength: 9, maxLength: 9 }),
        fc.nat(),
        (components, counts, defaulted) => {
          writer.begin();
          for (const component of components)
            writer.component(encoder.encode(component.name), component.status, encoder.encode(component.reason), component.durationUs);
          writer.cells(counts);
          writer.inputsDefaulted(encoder.encode('ranker'), defaulted);
          writer.configHash(encoder.encode('abc'));
          const read = fromBinary(QualitySchema, writer.bytes.subarray(0, writer.length));
          expect(
            read.components.map(({ name: componentName, reason, status, durationUs }) => ({
              name: componentName,
              reason,
              status: status as number,
              durationUs,
            })),
          ).toEqual(components);
          const cells = read.cells;
          expect([
            cells?.provided,
            cells?.fresh,
            cells?.cached,
            cells?.stale,
            cells?.defaulted,
            cells?.missing,
            cells?.null,
            cells?.failed,
            cells?.skipped,
          ]).toEqual(counts);
          expect(read.inputsDefaulted.map(({ component, count }) => [component, count])).toEqual([['ranker', defaulted]]);
          expect(read.configHash).toBe('abc');
        },
      ),
      { numRuns: 150 },
    );
  });

  it('is as long for one duration as for another, below two seconds', () => {
    const lengthWith = (durationUs: number) => {
      const writer = new QualityWriter();
      writer.begin();
      writer.component(encoder.encode('ranker'), ComponentStatus.ok, null, durationUs);
      expect(fromBinary(QualitySchema, writer.bytes.subarray(0, writer.length)).components[0]?.durationUs).toBe(durationUs);
      return writer.length;
    };
    expect(new Set([0, 1, 127, 128, 16_383, 16_384, 1_999_999].map(lengthWith)).size).toBe(1);
    expect(lengthWith(2 ** 32 - 1)).toBe(lengthWith(0) + 2);
  });
});
