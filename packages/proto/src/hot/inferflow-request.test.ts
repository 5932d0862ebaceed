import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { InferflowRequestProtoSchema } from '../index.js';
import { InferflowRequestScan, NamedTextsScan, placeTexts } from './inferflow-request.js';
import { PositionList } from './position-list.js';

const text = fc.string({ unit: 'grapheme', maxLength: 12 }).map((value) => value.toWellFormed());
const entity = fc.record({
  entity: text,
  ids: fc.array(text, { maxLength: 5 }),
  features: fc.array(fc.record({ name: text, idsFeatureValue: fc.array(text, { maxLength: 5 }) }), { maxLength: 4 }),
});
const request = fc.record({ modelConfigId: text, trackingId: text, entities: fc.array(entity, { maxLength: 4 }) });

function readAll(message: Uint8Array) {
  const scan = new InferflowRequestScan();
  if (!scan.scan(message)) return null;
  const decoded = (start: number, end: number) => new TextDecoder().decode(message.subarray(start, end));
  const named = new NamedTextsScan();
  const features = new PositionList();
  const read = (start: number, end: number, list: PositionList | null) => {
    if (!named.read(message, start, end, list)) throw new Error('entity');
    const words = new Int32Array(named.textCount * 4);
    if (placeTexts(message, start, end, words, 2, 4, named.textCount) < 0) throw new Error('entity');
    const texts = Array.from({ length: named.textCount }, (_, row) =>
      decoded(words[row * 4 + 2] ?? 0, (words[row * 4 + 2] ?? 0) + (words[row * 4 + 3] ?? 0)),
    );
    return { name: decoded(named.nameStart, named.nameEnd), texts };
  };
  return {
    modelConfigId: decoded(scan.modelConfigIdStart, scan.modelConfigIdEnd),
    trackingId: decoded(scan.trackingIdStart, scan.trackingIdEnd),
    entities: Array.from({ length: scan.entities.count }, (_, at) => {
      features.clear();
      const self = read(scan.entities.start(at), scan.entities.end(at), features);
      return {
        ...self,
        features: Array.from({ length: features.count }, (_f, index) => read(features.start(index), features.end(index), null)),
      };
    }),
  };
}

describe('InferflowRequestScan', () => {
  it('reads what the generated code writes', () => {
    fc.assert(
      fc.property(request, (init) => {
        const message = toBinary(InferflowRequestProtoSchema, create(InferflowRequestProtoSchema, init));
        const expected = fromBinary(InferflowRequestProtoSchema, message);
        expect(readAll(message)).toEqual({
          modelConfigId: expected.modelConfigId,
          trackingId: expected.trackingId,
          entities: expected.entities.map((part) => ({
            name: part.entity,
            texts: part.ids,
            features: part.features.map((feature) => ({ name: feature.name, texts: feature.idsFeatureValue })),
          })),
        });
      }),
      { numRuns: 200 },
    );
  });

  it('survives any damage', () => {
    fc.assert(
      fc.property(request, fc.array(fc.tuple(fc.nat(), fc.nat(255)), { minLength: 1, maxLength: 5 }), fc.nat(), (init, changes, cut) => {
        const whole = toBinary(InferflowRequestProtoSchema, create(InferflowRequestProtoSchema, init));
        const message = whole.slice(0, whole.length - (cut % (whole.length + 1)));
        for (const [at, value] of changes) if (message.length > 0) message[at % message.length] = value;
        try {
          readAll(message);
        } catch (error) {
          expect((error as Error).message).toBe('entity');
        }
      }),
      { numRuns: 500 },
    );
  });

  it('refuses texts that are not UTF-8', () => {
    expect(placeTexts(Uint8Array.of(18, 1, 0xff), 0, 3, new Int32Array(2), 0, 2, 1)).toBe(-1);
  });

  it('looks at texts behind the last row, and puts none of them', () => {
    const words = new Int32Array(4);
    expect(placeTexts(Uint8Array.of(18, 1, 97, 18, 1, 98), 0, 6, words, 0, 2, 1)).toBe(1);
    expect([...words]).toEqual([2, 1, 0, 0]);
    expect(placeTexts(Uint8Array.of(18, 1, 97, 18, 1, 0xff), 0, 6, words, 0, 2, 1)).toBe(-1);
    expect(placeTexts(Uint8Array.of(18, 1, 97, 18, 9), 0, 5, words, 0, 2, 1)).toBe(-1);
  });
});
