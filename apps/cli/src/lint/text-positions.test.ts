import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { TextPositions } from './text-positions.js';

const json = `{
  "graph": { "a": ["b", "c"] },
  "two words": [ { "x": 1 }, null ],
  "graph": { "a": [] }
}`;

/** What a range covers, which is on one line here. */
function covered(text: string, positions: TextPositions, path: string, prefix: readonly string[] = []): string {
  const { line, column, endLine, endColumn } = positions.find(path, prefix);
  expect(endLine).toBe(line);
  return (text.split('\n')[line - 1] ?? '').slice(column - 1, endColumn - 1);
}

describe('TextPositions', () => {
  it('finds keys and items of JSON; of a key that comes twice the one that counts', () => {
    const positions = new TextPositions(json, 'json');
    expect(positions.find('$.graph.a')).toEqual({ line: 4, column: 14, endLine: 4, endColumn: 17 });
    expect(covered(json, positions, '$["two words"][0].x')).toBe('"x"');
    expect(covered(json, positions, '$["two words"][1]')).toBe('null');
    expect(covered(json, positions, '$["two words"][0]')).toBe('{ "x": 1 }');
  });

  it('finds what a path comes closest to, field names in any case, and what is behind a prefix', () => {
    const positions = new TextPositions(json, 'json');
    expect(covered(json, positions, '$.graph.b.c[1]')).toBe('"graph"');
    expect(covered(json, positions, '$.GRAPH.A')).toBe('"a"');
    expect(covered(json, positions, '$.a', ['graph'])).toBe('"a"');
    expect(positions.find('$')).toMatchObject({ line: 1, column: 1, endLine: 1 });
  });

  it('finds keys and items of YAML, in block and flow style, through aliases', () => {
    const yaml = 'base: &base\n  - one\n  - {two: 2}\ncopy: *base\n';
    const positions = new TextPositions(yaml, 'yaml');
    expect(covered(yaml, positions, '$.base[0]')).toBe('one');
    expect(covered(yaml, positions, '$.base[1].two')).toBe('two');
    expect(positions.find('$.copy[0]').line).toBe(2);
  });

  it('looks into aliases of aliases once each', () => {
    const more = Array.from({ length: 12 }, (_, at) => `a${at + 1}: &a${at + 1} [${Array(10).fill(`*a${at}`).join(',')}]\n`);
    const yaml = `a0: &a0 [x]\n${more.join('')}`;
    expect(new TextPositions(yaml, 'yaml').find('$.a12[9][3]').line).toBe(12);
  });

  it.each([
    ['{"a": 1,}', 'json', 1, 9],
    ['{\n  "a": tru\n}', 'json', 2, 8],
    ['{"a":', 'json', 1, 6],
    ['', 'json', 1, 1],
    ['{} x', 'json', 1, 4],
    ["{'a': 1}", 'json', 1, 2],
    ['a: 1\na: 2\n', 'yaml', 2, 1],
    ['a: [1,\nb: 2\n', 'yaml', 2, 1],
  ] as const)('finds the mistake in %j', (text, format, line, column) => {
    expect(new TextPositions(text, format).find('$')).toMatchObject({ line, column });
  });

  it('agrees with JSON.parse about what JSON is, and finds every value', () => {
    fc.assert(
      fc.property(fc.json(), fc.nat(), fc.constantFrom('', '{', '"', ',', '}', 'x'), (text, at, insert) => {
        const place = at % (text.length + 1);
        const changed = `${text.slice(0, place)}${insert}${text.slice(place)}`;
        let isJson = true;
        try {
          JSON.parse(changed);
        } catch {
          isJson = false;
        }
        const { line, column, endColumn } = new TextPositions(changed, 'json').find('$');
        expect(line).toBeGreaterThan(0);
        expect(endColumn).toBeGreaterThan(column - (line > 1 ? column : 0));
        if (isJson)
          expect(
            changed
              .split('\n')
              [line - 1]?.slice(column - 1)
              .trimStart(),
          ).not.toBe('');
      }),
    );
  });

  it('points at the same keys in YAML as in JSON', () => {
    const names = fc.stringMatching(/^[a-z]{1,6}$/);
    fc.assert(
      fc.property(
        fc.dictionary(names, fc.array(fc.dictionary(names, fc.nat(), { maxKeys: 5 }), { maxLength: 5 }), { maxKeys: 5 }),
        (value) => {
          const texts = { json: JSON.stringify(value), yaml: stringify(value) };
          const positions = { json: new TextPositions(texts.json, 'json'), yaml: new TextPositions(texts.yaml, 'yaml') };
          for (const [key, items] of Object.entries(value)) {
            for (const [index, item] of items.entries()) {
              for (const member of Object.keys(item)) {
                const path = `$.${key}[${index}].${member}`;
                expect(covered(texts.json, positions.json, path)).toBe(JSON.stringify(member));
                expect(covered(texts.yaml, positions.yaml, path).replaceAll('"', '')).toBe(member);
              }
            }
          }
        },
      ),
      { numRuns: 30 },
    );
  });
});
