import { fromBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetrieveResultSchema } from '../index.js';
import { WalkScratch, walkFeatureRows } from './feature-answer.js';
import { UNSURE, WasmWalk } from './feature-answer-wasm.js';
import { compileWalk } from './walk-spec.js';

const layout = { offsets: Uint32Array.of(0, 4), widths: Uint32Array.of(4, 4), isVariable: [false, false], stride: 8 };
const spec = compileWalk(layout, [{ slot: 0 }, { slot: 1 }], { present: 2, missing: 8, failed: 10 });
const text = (value: string) => [...new TextEncoder().encode(value)];
const length = (bytes: number) => (bytes < 128 ? [bytes] : [(bytes & 127) | 128, bytes >> 7]);
const field = (tag: readonly number[], content: readonly number[]) => [...tag, ...length(content.length), ...content];
const key = (part: string) => field([0x0a], text(part));
/** A key whose length takes more bytes than it needs. */
const padded = (part: string, zeros = 1) => [
  0x0a,
  ...length(text(part).length).map((byte) => byte | 128),
  ...Array<number>(zeros - 1).fill(128),
  0,
  ...text(part),
];
const column = (value: number) => field([0x12], [value, 0, 0, 0]);
const unknown = [0x78, 1];
const message = (rows: readonly (readonly number[])[]) => Uint8Array.from(rows.flatMap((row) => field([0x22], row)));
const wasm = WasmWalk.create();

/** Keys of the rows as a query has them, by the walk and by the generated code. */
function keysOf(rows: readonly (readonly number[])[]): {
  readonly walked: number[][];
  readonly decoded: number[][];
  readonly firstCell: number;
} {
  const answer = message(rows);
  const scratch = new WalkScratch(wasm);
  expect(walkFeatureRows(answer, 0, answer.length, spec, rows.length, scratch)).toBe(rows.length);
  const source = scratch.lateKeys ?? answer;
  return {
    walked: rows.map((_, row) => [...source.subarray(scratch.keys[row * 2], scratch.keys[row * 2 + 1])]),
    decoded: fromBinary(RetrieveResultSchema, answer).rows.map((row) => row.keys.flatMap(key)),
    firstCell: scratch.words[0] as number,
  };
}

describe('keys that do not begin their row', () => {
  it.each([
    ['behind a column', [...column(7), ...key('a'), ...column(8)]],
    ['behind all columns', [...column(7), ...column(8), ...key('a'), ...key('b')]],
    ['behind a field that nobody knows', [...unknown, ...key('a'), ...column(7), ...column(8)]],
    ['in two places', [...key('a'), ...column(7), ...key('b'), ...column(8)]],
    ['with a length of two bytes where one is enough', [...padded('a'), ...column(7), ...column(8)]],
    ['with a length of ten bytes, behind another', [...key('b'), ...padded('', 9), ...column(7), ...column(8)]],
    ['with a tag of two bytes', [...field([0x8a, 0], text('a')), ...column(7), ...column(8)]],
  ])('are found %s', (_where, row) => {
    const { walked, decoded, firstCell } = keysOf([row]);
    expect(walked).toEqual(decoded);
    expect(firstCell).toBe(7);
    expect(wasm?.walk(message([row]), 0, row.length + 2, spec, 1, new WalkScratch())).toBe(UNSURE);
  });

  it('are found whatever the other rows look like', () => {
    const part = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 9 }).map((value) => key(value.toWellFormed())),
      fc.tuple(fc.string({ maxLength: 3 }), fc.integer({ min: 1, max: 8 })).map(([value, zeros]) => padded(value, zeros)),
      fc.nat(200).map(column),
      fc.constant(unknown),
    );
    const row = fc.array(part, { maxLength: 5 }).map((parts) => parts.flat());
    fc.assert(
      fc.property(fc.array(row, { minLength: 1, maxLength: 6 }), (rows) => {
        const { walked, decoded } = keysOf(rows);
        expect(walked).toEqual(decoded);
      }),
      { numRuns: 500 },
    );
  });

  it('are no matter of the next answer', () => {
    const scratch = new WalkScratch();
    const late = message([[...column(7), ...key('a'), ...column(8)]]);
    const usual = message([[...key('a'), ...column(7), ...column(8)]]);
    expect(walkFeatureRows(late, 0, late.length, spec, 1, scratch)).toBe(1);
    expect(scratch.lateKeys).toEqual(Uint8Array.from(key('a')));
    expect(walkFeatureRows(usual, 0, usual.length, spec, 1, scratch)).toBe(1);
    expect([scratch.lateKeys, [...scratch.keys.subarray(0, 2)]]).toEqual([null, [2, 5]]);
  });
});
