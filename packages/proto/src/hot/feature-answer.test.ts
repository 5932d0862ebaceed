import { create, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RetrieveQuerySchema, RetrieveResultSchema } from '../index.js';
import { TOO_MANY_ROWS, WalkScratch, walkFeatureRows } from './feature-answer.js';
import { countFeatureRows, findFeatureRows, readFeatureSchema } from './feature-answer-head.js';
import { WasmWalk } from './feature-answer-wasm.js';
import { encodeFeatureQueryHead, keyPartSize, putKeyHead, putKeyPart, putShortKey, SHORT_KEY_PART } from './feature-query.js';
import { compileWalk, type WalkSpec } from './walk-spec.js';

const text = fc.string({ unit: 'grapheme', maxLength: 9 }).map((value) => value.toWellFormed());
const encoder = new TextEncoder();
const statuses = { present: 2, missing: 8, failed: 10 };

describe('feature query', () => {
  it('is what the generated code writes', () => {
    const query = fc.record({
      entityLabel: text,
      groups: fc.array(fc.record({ label: text, features: fc.array(text, { maxLength: 4 }) }), { maxLength: 4 }),
      keySchema: fc.array(text, { maxLength: 3 }),
      keys: fc.array(fc.array(fc.string({ unit: 'grapheme', maxLength: 200 }), { maxLength: 3 }), { maxLength: 6 }),
    });
    fc.assert(
      fc.property(query, ({ entityLabel, groups, keySchema, keys }) => {
        const head = encodeFeatureQueryHead({ entityLabel, groups, keySchema });
        const message = new Uint8Array(head.length + 20_000);
        message.set(head);
        let at = head.length;
        for (const key of keys) {
          const parts = key.map((part) => encoder.encode(part));
          at = putKeyHead(
            message,
            at,
            parts.reduce((size, part) => size + keyPartSize(part.length), 0),
          );
          for (const part of parts) at = putKeyPart(message, at, part, 0, part.length);
        }
        const expected = toBinary(
          RetrieveQuerySchema,
          create(RetrieveQuerySchema, {
            entityLabel,
            featureGroups: groups.map(({ label, features }) => ({ label, featureLabels: features })),
            keysSchema: keySchema,
            keys: keys.map((cols) => ({ cols: cols.map((part) => part.toWellFormed()) })),
          }),
        );
        expect([...message.subarray(0, at)]).toEqual([...expected]);
      }),
      { numRuns: 200 },
    );
  });
});

type Kind = 'word' | 'wide' | 'text' | 'ignored';
const widthOf: Record<Kind, number> = { word: 4, wide: 9, text: 8, ignored: 0 };

function specOf(kinds: readonly Kind[]): { spec: WalkSpec; slotKinds: Kind[] } {
  const slotKinds = kinds.filter((kind) => kind !== 'ignored');
  let stride = 0;
  const offsets = slotKinds.map((kind) => {
    stride += widthOf[kind];
    return stride - widthOf[kind];
  });
  let slot = 0;
  const columns = kinds.map((kind) => ({ slot: kind === 'ignored' ? -1 : slot++ }));
  const layout = {
    offsets: Uint32Array.from(offsets),
    widths: Uint32Array.from(slotKinds, (kind) => widthOf[kind]),
    isVariable: slotKinds.map((kind) => kind === 'text'),
    stride,
  };
  return { spec: compileWalk(layout, columns, statuses), slotKinds };
}

/** What the walk left in a cell: its bytes, or null without a value. */
function cellOf(message: Uint8Array, spec: WalkSpec, scratch: WalkScratch, row: number, column: number): number[] | null {
  const slot = spec.slots[column] as number;
  if (scratch.status[row * spec.slotCount + slot] !== statuses.present) return null;
  const at = row * spec.stride + (spec.offsets[column] as number);
  if (spec.kinds[column] === 1) return [...scratch.rows.subarray(at, at + (spec.widths[column] as number))];
  const start = scratch.view.getUint32(at, true);
  return [...message.subarray(start, start + scratch.view.getUint32(at + 4, true))];
}

const kindsOf = fc.array(fc.constantFrom<Kind>('word', 'word', 'wide', 'text', 'ignored'), { minLength: 1, maxLength: 6 });
const cell = fc.oneof({ weight: 6, arbitrary: fc.constant('fit') }, { weight: 1, arbitrary: fc.constantFrom('empty', 'odd') });
const answer = kindsOf.chain((kinds) =>
  fc.record({
    kinds: fc.constant(kinds),
    rows: fc.array(
      fc.record({ keys: fc.array(text, { maxLength: 2 }), cells: fc.array(cell, { maxLength: kinds.length + 1 }), seed: fc.nat(250) }),
      { maxLength: 8 },
    ),
  }),
);

function encodeAnswer({ kinds, rows }: { kinds: readonly Kind[]; rows: readonly { keys: string[]; cells: string[]; seed: number }[] }) {
  const columns = rows.map((row) =>
    row.cells.map((form, column) => {
      const width = form === 'empty' ? 0 : form === 'odd' ? 5 : widthOf[kinds[column] ?? 'word'] || 3;
      return Uint8Array.from({ length: width }, (_, index) => row.seed + index);
    }),
  );
  const message = toBinary(
    RetrieveResultSchema,
    create(RetrieveResultSchema, {
      entityLabel: 'e',
      keysSchema: ['id'],
      featureSchemas: [{ featureGroupLabel: 'g', features: kinds.map((_, columnIdx) => ({ label: `f${columnIdx}`, columnIdx })) }],
      rows: rows.map((row, index) => ({ keys: row.keys, columns: columns[index] as Uint8Array[] })),
    }),
  );
  return { message, columns };
}

describe('walkFeatureRows', () => {
  it('decodes what the generated code writes, cell by cell', () => {
    const scratch = new WalkScratch();
    fc.assert(
      fc.property(answer, (init) => {
        const { message, columns } = encodeAnswer(init);
        const { spec } = specOf(init.kinds);
        const start = findFeatureRows(message, 0, message.length);
        expect(walkFeatureRows(message, start, message.length, spec, init.rows.length, scratch)).toBe(init.rows.length);
        let without = 0;
        init.rows.forEach((row, index) => {
          const keys = message.subarray(scratch.keys[index * 2], scratch.keys[index * 2 + 1]);
          expect([...keys]).toEqual(row.keys.flatMap((key) => [10, encoder.encode(key).length, ...encoder.encode(key)]));
          init.kinds.forEach((kind, column) => {
            if (kind === 'ignored') return;
            const bytes = columns[index]?.[column];
            const fits = bytes !== undefined && bytes.length > 0 && (kind === 'text' || bytes.length === widthOf[kind]);
            if (!fits) without++;
            expect(cellOf(message, spec, scratch, index, column)).toEqual(fits ? [...bytes] : null);
            const status = scratch.status[index * spec.slotCount + (spec.slots[column] as number)];
            expect(status).toBe(fits ? statuses.present : bytes?.length === 0 ? statuses.missing : statuses.failed);
          });
        });
        expect(scratch.withoutValue).toBe(without);
        expect(scratch.oddCount).toBe(
          init.rows.reduce(
            (odd, row) =>
              odd +
              row.cells.filter((form, column) => form === 'odd' && (init.kinds[column] === 'word' || init.kinds[column] === 'wide')).length,
            0,
          ),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('says so when there are more rows than expected, and when a head field comes late', () => {
    const { message } = encodeAnswer({
      kinds: ['word'],
      rows: Array.from({ length: 3 }, () => ({ keys: ['k'], cells: ['fit'], seed: 1 })),
    });
    const { spec } = specOf(['word']);
    const scratch = new WalkScratch();
    const start = findFeatureRows(message, 0, message.length);
    expect(walkFeatureRows(message, start, message.length, spec, 2, scratch)).toBe(TOO_MANY_ROWS);
    const late = Uint8Array.from([...message.subarray(start), ...message.subarray(0, start)]);
    expect(findFeatureRows(late, 0, late.length)).toBe(0);
    expect(walkFeatureRows(late, 0, late.length, spec, 3, scratch)).toBe(3);
    expect(scratch.hasLateHead).toBe(true);
    expect(readFeatureSchema(late, 0, late.length)).toEqual([{ group: 'g', feature: 'f0', column: 0 }]);
  });
});

describe('countFeatureRows', () => {
  it('counts rows among other fields, and refuses what is cut short', () => {
    const { message } = encodeAnswer({
      kinds: ['word'],
      rows: Array.from({ length: 3 }, () => ({ keys: ['k'], cells: ['fit'], seed: 1 })),
    });
    expect(countFeatureRows(message, 0, message.length)).toBe(3);
    expect(countFeatureRows(message, findFeatureRows(message, 0, message.length), message.length)).toBe(3);
    expect(countFeatureRows(message, 0, message.length - 1)).toBe(-1);
    expect(countFeatureRows(message, message.length, message.length)).toBe(0);
  });
});

describe('WalkScratch', () => {
  const { spec } = specOf(['wide']);
  const answerOf = (rows: number) => new Uint8Array(rows * 2).map((_, at) => (at % 2 === 0 ? 0x22 : 0));

  it('lets go of the memory of an unusually large answer, and of that alone', () => {
    const scratch = new WalkScratch();
    const [small, large] = [answerOf(1000), answerOf(1_000_000)];
    expect(walkFeatureRows(small, 0, small.length, spec, 1000, scratch)).toBe(1000);
    scratch.trim();
    expect([scratch.isLarge, scratch.rows.length]).toEqual([false, 16_384]);
    expect(walkFeatureRows(large, 0, large.length, spec, 1_000_000, scratch)).toBe(1_000_000);
    expect(scratch.isLarge).toBe(true);
    scratch.trim();
    expect([scratch.isLarge, scratch.rows.length, scratch.status.length, scratch.keys.length]).toEqual([false, 0, 0, 0]);
    expect(walkFeatureRows(small, 0, small.length, spec, 1000, scratch)).toBe(1000);
    expect(scratch.withoutValue).toBe(1000);
  });

  it('does not count the memory of the walk in WebAssembly', () => {
    const scratch = new WalkScratch(WasmWalk.create());
    const message = answerOf(1_000_000);
    expect(walkFeatureRows(message, 0, message.length, spec, 1_000_000, scratch)).toBe(1_000_000);
    expect([scratch.rows.length > 1 << 23, scratch.isLarge]).toEqual([true, false]);
  });
});

describe('a short key', () => {
  it('is the key that its head and its part make', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: SHORT_KEY_PART }), fc.nat(20), (part, at) => {
        const byParts = new Uint8Array(at + part.length + 8);
        const end = putKeyPart(byParts, putKeyHead(byParts, at, keyPartSize(part.length)), part, 0, part.length);
        const atOnce = new Uint8Array(byParts.length);
        expect(putShortKey(atOnce, at, part, 0, part.length)).toBe(end);
        expect(atOnce).toEqual(byParts);
      }),
    );
  });
});
