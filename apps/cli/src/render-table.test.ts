import { describe, expect, it } from 'vitest';
import { renderTable } from './render-table.js';

describe('renderTable', () => {
  it('aligns numbers to the right and texts to the left under their names', () => {
    expect(
      renderTable(
        ['film', 'score'],
        [
          ['Sideways', 7.25],
          ['21 Grams', 10],
        ],
      ),
    ).toBe(['film      score', '────────  ─────', 'Sideways   7.25', '21 Grams     10'].join('\n'));
  });

  it('shows a missing value as a dash and cuts long texts', () => {
    const table = renderTable(['a', 'b'], [[null, 'x'.repeat(100)]]);
    expect(table).toContain('–');
    expect(table).toContain('…');
    expect(Math.max(...table.split('\n').map((line) => line.length))).toBeLessThan(60);
  });

  it('prints a header for no rows', () => {
    expect(renderTable(['a'], [])).toBe('a\n─');
  });
});
