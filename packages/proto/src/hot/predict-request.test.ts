import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type DataType, PairWiseRequestSchema, PointWiseRequestSchema, SlateWiseRequestSchema } from '../index.js';
import { FeatureScan, IndexList, PredictKind, PredictRequestScan, placedCells, placeSlate, placeTarget } from './predict-request.js';

const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const bytes = fc.uint8Array({ maxLength: 20 });
// Numbers outside the enum travel too.
const anyType = fc.integer({ min: 0, max: 40 }).map((number) => number as DataType);
const feature = fc.record({ name: text, dataType: anyType, vectorDim: fc.integer() });
const context = fc.record({ name: text, value: bytes, dataType: anyType, vectorDim: fc.nat() });
const target = fc.record({ id: text, featureValues: fc.array(bytes, { maxLength: 5 }) });
const index = fc.integer({ min: -2, max: 300 });
const options = fc.option(fc.record({ omitQuality: fc.option(fc.boolean(), { nil: undefined }), includeConfigHash: fc.boolean() }), {
  nil: undefined,
});
const base = {
  modelConfigId: text,
  trackingId: text,
  tenantId: text,
  contextFeatures: fc.array(context, { maxLength: 4 }),
  targetInputSchema: fc.array(feature, { maxLength: 4 }),
  targets: fc.array(target, { maxLength: 6 }),
  options,
};
const pointWise = fc.record(base);
const pairWise = fc.record({
  ...base,
  pairInputSchema: fc.array(feature, { maxLength: 3 }),
  pairs: fc.array(fc.record({ firstTargetIndex: index, secondTargetIndex: index, featureValues: fc.array(bytes, { maxLength: 4 }) }), {
    maxLength: 5,
  }),
});
const slateWise = fc.record({
  ...base,
  slateInputSchema: fc.array(feature, { maxLength: 3 }),
  slates: fc.array(fc.record({ targetIndices: fc.array(index, { maxLength: 6 }), featureValues: fc.array(bytes, { maxLength: 4 }) }), {
    maxLength: 5,
  }),
});

function decodeText(message: Uint8Array, start: number, end: number): string {
  return new TextDecoder().decode(message.subarray(start, end));
}

/** Reads everything through the hand codec into plain objects. */
function readAll(message: Uint8Array, kind: PredictKind) {
  const scan = new PredictRequestScan();
  if (!scan.scan(message, kind)) return null;
  const entry = new FeatureScan();
  const schemaOf = (list: PredictRequestScan['targetSchema']) =>
    Array.from({ length: list.count }, (_, at) => {
      if (!entry.readSchema(message, list.start(at), list.end(at))) throw new Error('schema');
      return { name: decodeText(message, entry.nameStart, entry.nameEnd), dataType: entry.dataType, vectorDim: entry.vectorDim };
    });
  const contextFeatures = Array.from({ length: scan.contextFeatures.count }, (_, at) => {
    if (!entry.readContext(message, scan.contextFeatures.start(at), scan.contextFeatures.end(at))) throw new Error('context');
    return {
      name: decodeText(message, entry.nameStart, entry.nameEnd),
      value: [...message.subarray(entry.valueStart, entry.valueEnd)],
      dataType: entry.dataType,
      vectorDim: entry.vectorDim,
    };
  });
  const width = 8;
  const valueWords = Int32Array.from({ length: width }, (_, at) => 2 + at * 2);
  const rowWords = 2 + width * 2;
  const cells = (words: Int32Array, count: number) =>
    Array.from({ length: count }, (_, at) => [...message.subarray(words[2 + at * 2], (words[2 + at * 2] ?? 0) + (words[3 + at * 2] ?? 0))]);
  const targets = Array.from({ length: scan.targets.count }, (_, at) => {
    const words = new Int32Array(rowWords);
    const count = placeTarget(message, scan.targets.start(at), scan.targets.end(at), words, 0, 0, valueWords);
    if (count < 0) throw new Error('target');
    const filled = [...words].filter((_word, position) => position % 2 === 1).filter((length) => length > 0).length;
    expect(placedCells).toBe(filled);
    return { id: decodeText(message, words[0] ?? 0, (words[0] ?? 0) + (words[1] ?? 0)), featureValues: cells(words, count) };
  });
  const indices = new IndexList();
  const slates = Array.from({ length: scan.slates.count }, (_, at) => {
    const words = new Int32Array(rowWords);
    indices.clear();
    const count = placeSlate(message, scan.slates.start(at), scan.slates.end(at), kind, indices, words, 0, valueWords);
    if (count < 0) throw new Error('slate');
    return { indices: [...indices.values.subarray(0, indices.count)], featureValues: cells(words, count) };
  });
  return {
    modelConfigId: decodeText(message, scan.modelConfigIdStart, scan.modelConfigIdEnd),
    trackingId: decodeText(message, scan.trackingIdStart, scan.trackingIdEnd),
    tenantId: decodeText(message, scan.tenantIdStart, scan.tenantIdEnd),
    omitQuality: scan.options.omitQuality,
    includeConfigHash: scan.options.includeConfigHash,
    contextFeatures,
    targetSchema: schemaOf(scan.targetSchema),
    slateSchema: schemaOf(scan.slateSchema),
    targets,
    slates,
  };
}

type Plain = { name: string; dataType: number; vectorDim: number };
const plain = (features: readonly Plain[]) => features.map(({ name, dataType, vectorDim }) => ({ name, dataType, vectorDim }));
// A lone surrogate cannot be sent; the encoder writes U+FFFD for it.
const wellFormed = <T>(value: T): T =>
  JSON.parse(JSON.stringify(value), (_key, part) => (typeof part === 'string' ? part.toWellFormed() : part));

describe('PredictRequestScan', () => {
  it('reads what the generated code writes: points', () => {
    fc.assert(
      fc.property(pointWise, (init) => {
        const message = toBinary(PointWiseRequestSchema, create(PointWiseRequestSchema, wellFormedBytes(init)));
        const expected = fromBinary(PointWiseRequestSchema, message);
        const got = readAll(message, PredictKind.pointWise);
        expect(got).toMatchObject({
          modelConfigId: expected.modelConfigId,
          trackingId: expected.trackingId,
          tenantId: expected.tenantId,
          omitQuality: expected.options?.omitQuality,
          includeConfigHash: expected.options?.includeConfigHash ?? false,
          targetSchema: plain(expected.targetInputSchema),
          slateSchema: [],
          targets: expected.targets.map(({ id, featureValues }) => ({ id, featureValues: featureValues.map((value) => [...value]) })),
          contextFeatures: expected.contextFeatures.map(({ name, value, dataType, vectorDim }) => ({
            name,
            value: [...value],
            dataType,
            vectorDim,
          })),
        });
      }),
      { numRuns: 200 },
    );
  });

  it('reads what the generated code writes: pairs', () => {
    fc.assert(
      fc.property(pairWise, (init) => {
        const message = toBinary(PairWiseRequestSchema, create(PairWiseRequestSchema, wellFormedBytes(init)));
        const expected = fromBinary(PairWiseRequestSchema, message);
        expect(readAll(message, PredictKind.pairWise)).toMatchObject({
          tenantId: expected.tenantId,
          slateSchema: plain(expected.pairInputSchema),
          slates: expected.pairs.map((pair) => ({
            indices: [pair.firstTargetIndex, pair.secondTargetIndex],
            featureValues: pair.featureValues.map((value) => [...value]),
          })),
          targets: expected.targets.map(({ id }) => ({ id })),
        });
      }),
      { numRuns: 200 },
    );
  });

  it('reads what the generated code writes: slates', () => {
    fc.assert(
      fc.property(slateWise, (init) => {
        const message = toBinary(SlateWiseRequestSchema, create(SlateWiseRequestSchema, wellFormedBytes(init)));
        const expected = fromBinary(SlateWiseRequestSchema, message);
        expect(readAll(message, PredictKind.slateWise)).toMatchObject({
          slateSchema: plain(expected.slateInputSchema),
          slates: expected.slates.map((slate) => ({
            indices: slate.targetIndices,
            featureValues: slate.featureValues.map((value) => [...value]),
          })),
        });
      }),
      { numRuns: 200 },
    );
  });

  it('reads unpacked target indices as well as packed ones', () => {
    const indices = new IndexList();
    const message = Uint8Array.of(8, 3, 10, 2, 4, 5, 8, 6);
    expect(placeSlate(message, 0, message.length, PredictKind.slateWise, indices, new Int32Array(8), 0, new Int32Array(0))).toBe(0);
    expect([...indices.values.subarray(0, indices.count)]).toEqual([3, 4, 5, 6]);
  });

  it('survives any damage: it reads something within the message or says no', () => {
    fc.assert(
      fc.property(slateWise, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 6 }), fc.nat(), (init, changes, cut) => {
        const whole = toBinary(SlateWiseRequestSchema, create(SlateWiseRequestSchema, wellFormedBytes(init)));
        const message = whole.slice(0, whole.length - (cut % (whole.length + 1)));
        for (const [at, value] of changes) if (message.length > 0) message[at % message.length] = value;
        for (const kind of [PredictKind.pointWise, PredictKind.pairWise, PredictKind.slateWise]) {
          try {
            readAll(message, kind);
          } catch (error) {
            // A part that is malformed is reported where it is read, by name.
            expect((error as Error).message).toMatch(/^(schema|context|target|slate)$/);
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses ids that are not UTF-8', () => {
    expect(new PredictRequestScan().scan(Uint8Array.of(10, 2, 0xc3, 0x28), PredictKind.pointWise)).toBe(false);
    expect(placeTarget(Uint8Array.of(10, 1, 0xff), 0, 3, new Int32Array(4), 0, 0, new Int32Array(0))).toBe(-1);
  });
});

function wellFormedBytes<T extends object>(init: T): T {
  const clean = (value: unknown): unknown => {
    if (typeof value === 'string') return wellFormed(value);
    if (value instanceof Uint8Array) return value;
    if (Array.isArray(value)) return value.map(clean);
    if (typeof value === 'object' && value !== null)
      return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, clean(part)]));
    return value;
  };
  return clean(init) as T;
}
