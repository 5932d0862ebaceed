import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdentityTable } from './identity-table.js';
import { allRows } from './row-set.js';
import type { TextColumn } from './text-column.js';

/** A column whose texts lie anywhere in one buffer, equal texts at different places. */
function columnOf(texts: readonly string[]): TextColumn {
  const encoded = texts.map((text) => new TextEncoder().encode(text));
  const bytes = new Uint8Array(encoded.reduce((sum, text) => sum + text.length + 1, 3));
  const ranges = new Int32Array(texts.length * 2);
  let at = 3;
  encoded.forEach((text, row) => {
    bytes.set(text, at);
    ranges[row * 2] = at;
    ranges[row * 2 + 1] = text.length;
    at += text.length + 1;
  });
  return { bytes, view: new DataView(bytes.buffer), ranges, rowCount: texts.length, textAt: (row) => texts[row] ?? '' };
}

// Few letters, so that keys repeat and their joined texts collide.
const part = fc.string({ unit: fc.constantFrom('a', '|', ':', 'é'), maxLength: 3 });

describe('IdentityTable', () => {
  it('agrees with a naive map on parts that hold separators, on any selection of rows', () => {
    const table = new IdentityTable();
    fc.assert(
      fc.property(
        fc
          .integer({ min: 1, max: 3 })
          .chain((parts) => fc.array(fc.array(part, { minLength: parts, maxLength: parts }), { minLength: 1, maxLength: 80 })),
        fc.array(fc.nat(), { maxLength: 100 }),
        fc.boolean(),
        (keys, picks, all) => {
          const parts = keys[0]?.length ?? 1;
          const columns = Array.from({ length: parts }, (_, index) => columnOf(keys.map((key) => key[index] as string)));
          const rows = picks.map((pick) => pick % keys.length);
          const set = all ? allRows(keys.length) : { count: rows.length, rows: Int32Array.from(rows), slateOf: null };
          table.build(columns, set);
          const seen = new Map<string, number>();
          const first: number[] = [];
          const expected = Array.from({ length: set.count }, (_, position) => {
            const key = keys[all ? position : (rows[position] as number)] as string[];
            if (key.some((text) => text === '')) return -1;
            const name = JSON.stringify(key);
            if (!seen.has(name)) first[seen.size] = position;
            if (!seen.has(name)) seen.set(name, seen.size);
            return seen.get(name) as number;
          });
          expect([...table.rowToUnique.subarray(0, set.count)]).toEqual(expected);
          expect([table.uniqueCount, table.partCount]).toEqual([seen.size, parts]);
          expect([...table.firstRow.subarray(0, table.uniqueCount)]).toEqual(first);
          const names = [...seen.keys()].map((name) => JSON.parse(name) as string[]);
          for (const [unique, name] of names.entries()) {
            const texts = name.map((_, index) => {
              const start = table.partStart(unique, index);
              return new TextDecoder().decode(table.partSource(index).subarray(start, start + table.partLength(unique, index)));
            });
            expect(texts).toEqual(name);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it('gives equal keys equal hashes in every table', () => {
    const one = new IdentityTable();
    const other = new IdentityTable();
    one.build([columnOf(['x', 'key-1234567'])], allRows(2));
    other.build([columnOf(['key-1234567'])], allRows(1));
    expect(one.hashes[1]).toBe(other.hashes[0]);
    expect(one.hashes[0]).not.toBe(other.hashes[0]);
  });

  it('has no identities without columns', () => {
    const table = new IdentityTable();
    table.build([], allRows(3));
    expect([table.uniqueCount, ...table.rowToUnique.subarray(0, 3)]).toEqual([0, -1, -1, -1]);
    expect(() => table.partSource(0)).toThrow(expect.objectContaining({ code: 'INFERFLOW_MATRIX_OUT_OF_RANGE' }));
  });
});
