/** A value of a cell; null is shown as a dash. */
export type Cell = string | number | bigint | boolean | null | readonly Cell[];

/** Lays out rows under their column names: numbers to the right, long texts cut. */
export function renderTable(columns: readonly string[], rows: readonly (readonly Cell[])[]): string {
  const texts = rows.map((row) => row.map(cellText));
  const isNumeric = columns.map(
    (_, at) => rows.some((row) => typeof row[at] === 'number') && rows.every((row) => row[at] === null || typeof row[at] === 'number'),
  );
  const widths = columns.map((name, at) => Math.max(name.length, ...texts.map((row) => row[at]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((text, at) => (isNumeric[at] ? text.padStart(widths[at]!) : text.padEnd(widths[at]!)))
      .join('  ')
      .trimEnd();
  return [line(columns), line(widths.map((width) => '─'.repeat(width))), ...texts.map(line)].join('\n');
}

const longest = 48;

function cellText(cell: Cell): string {
  if (cell === null) return '–';
  if (typeof cell === 'number') return Number.isInteger(cell) ? String(cell) : String(Number(cell.toPrecision(6)));
  const text = Array.isArray(cell) ? `[${cell.map(cellText).join(', ')}]` : String(cell);
  return text.length > longest ? `${text.slice(0, longest - 1)}…` : text;
}
