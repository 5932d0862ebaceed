import type { Cell } from './render-table.js';

/** Columns and rows of one table of an answer, best first. */
export interface RankedRows {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
}

interface AnswerRow {
  readonly values: Readonly<Record<string, unknown>>;
  readonly error: string;
}

/**
 * Rows in falling order of a column (rows without a number last, equal ones in request order), with their errors in a last column where
 * there are any.
 * @param by the column to sort by. @default the last one whose values are numbers
 */
export function rankedRows(columns: readonly string[], answer: readonly AnswerRow[], by?: string): RankedRows {
  const key = by ?? columns.findLast((name) => answer.some((row) => numberOf(row.values[name]) !== null));
  const sorted =
    key === undefined ? [...answer] : answer.toSorted((a, b) => compareFalling(numberOf(a.values[key]), numberOf(b.values[key])));
  const hasErrors = answer.some((row) => row.error !== '');
  return {
    columns: hasErrors ? [...columns, 'error'] : columns,
    rows: sorted.map((row) => {
      const cells = columns.map((name) => (row.values[name] ?? null) as Cell);
      return hasErrors ? [...cells, row.error] : cells;
    }),
  };
}

function numberOf(value: unknown): number | null {
  if (typeof value === 'number' || typeof value === 'bigint') return Number(value);
  return typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value)) ? Number(value) : null;
}

function compareFalling(a: number | null, b: number | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
  return b - a;
}
