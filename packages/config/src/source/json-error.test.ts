import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonErrorOf } from './json-error.js';

function errorOf(text: string): string {
  try {
    JSON.parse(text);
  } catch (error) {
    return jsonErrorOf(text, error);
  }
  return '';
}

describe('jsonErrorOf', () => {
  it.each([
    ['{\n  "a": [1,\n  ]\n}', "line 3, column 3: Unexpected token ']'"],
    ['{"a": 1,\n}', 'line 2, column 1: '],
    ['{"a": 1\n "b": 2}', 'line 2, column 2: '],
    ['{"a": {"b": tru}}', 'line 1, column 13: '],
    ['{"a": "x\ny"}', 'line 1, column 9: '],
    ['{"a": "\\q"}', 'line 1, column 8: '],
    ['{"a": 01}', 'line 1, column 8: '],
    ['{"a": 1}\r\n}', 'line 2, column 1: '],
    ["{'a': 1}", 'line 1, column 2: '],
    ['{"a" 1}', 'line 1, column 6: '],
    ['// c\n{}', "line 1, column 1: Unexpected token '/'"],
    ['[1, 2\n', 'line 2, column 1: '],
    ['{"a":\n', 'line 2, column 1: Unexpected end of JSON input'],
  ])('names the place of what is wrong in %j', (text, message) => {
    expect(errorOf(text)).toContain(message);
    expect(errorOf(text)).not.toMatch(/position|\n/);
  });

  it('finds its way through a text of many escapes', () => {
    expect(errorOf(`{"a": "${'\\n'.repeat(20_000_000)}",}`)).toContain('line 1, column 40000010: ');
  });

  it('names the place that the engine knows', () => {
    const damage = fc.constantFrom('', ',', ']', '}', ':', '"', 'x', '\\', '\u0001', '-', '0');
    fc.assert(
      fc.property(fc.json(), fc.nat(), damage, (json, place, wrong) => {
        const cut = place % (json.length + 1);
        const text = `${json.slice(0, cut)}${wrong}${json.slice(cut + 1)}`;
        try {
          JSON.parse(text);
        } catch (error) {
          const known = / at position (\d+)/.exec((error as Error).message)?.[1];
          if (known === undefined) return;
          const column = Number(/^line 1, column (\d+): /.exec(jsonErrorOf(text, error))?.[1]);
          // A word, a number and an escape are named from their beginning.
          expect(text.slice(column - 1, Number(known))).toMatch(/^[\w.+\\-]*$/);
          expect(column).toBeLessThanOrEqual(Number(known) + 1);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
