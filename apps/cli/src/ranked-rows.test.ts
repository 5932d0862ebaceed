import { describe, expect, it } from 'vitest';
import { rankedRows } from './ranked-rows.js';

const row = (id: string, score: number | null, error = '') => ({ values: { id, score }, error });

describe('rankedRows', () => {
  it('puts the best first and rows without a score last', () => {
    const { columns, rows } = rankedRows(['id', 'score'], [row('a', 1), row('b', null), row('c', 3)]);
    expect(columns).toEqual(['id', 'score']);
    expect(rows.map((cells) => cells[0])).toEqual(['c', 'a', 'b']);
  });

  it('adds a column for errors only where there are any', () => {
    const { columns, rows } = rankedRows(['id', 'score'], [row('a', 1), row('b', 2, 'defaulted')]);
    expect(columns).toEqual(['id', 'score', 'error']);
    expect(rows).toEqual([
      ['b', 2, 'defaulted'],
      ['a', 1, ''],
    ]);
  });

  it('sorts by the column it is told to', () => {
    const answer = [
      { values: { a: 1, b: 2 }, error: '' },
      { values: { a: 5, b: 1 }, error: '' },
    ];
    expect(rankedRows(['a', 'b'], answer).rows[0]).toEqual([1, 2]);
    expect(rankedRows(['a', 'b'], answer, 'a').rows[0]).toEqual([5, 1]);
  });
});
