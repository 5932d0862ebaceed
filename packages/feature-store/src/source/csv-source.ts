import { FeatureStoreError } from '../errors.js';
import type { SourceRow, SourceRows } from './source-row.js';

/**
 * Reads comma-separated values (RFC 4180: quotes, doubled quotes, line breaks inside quotes) with a header line. An empty
 * unquoted cell is no value; `""` is an empty text.
 *
 * @throws FeatureStoreError INFERFLOW_FEATURE_STORE_SOURCE_INVALID with the line, also while the rows are read
 */
export function readCsv(text: string, file: string): SourceRows {
  const records = csvRecords(text.startsWith('\ufeff') ? text.slice(1) : text, file);
  const header = records.next();
  if (header.done) throw invalid(file, 1, 'the file is empty; expected a header line');
  const names = header.value.cells.map((cell) => cell ?? '');
  const positions = new Map<string, number>();
  for (const [index, name] of names.entries()) {
    if (positions.has(name)) throw invalid(file, 1, `column '${name}' is there twice`);
    positions.set(name, index);
  }
  function* rows(): Generator<SourceRow> {
    for (const { line, cells } of records) {
      if (cells.length !== names.length)
        throw invalid(file, line, `expected ${names.length} cells as in the header, found ${cells.length}`);
      yield {
        line,
        value: (column) => {
          const position = positions.get(column);
          return position === undefined ? undefined : cells[position];
        },
      };
    }
  }
  return { columns: new Set(names), rows: rows() };
}

interface CsvRecord {
  readonly line: number;
  readonly cells: (string | null)[];
}

function* csvRecords(text: string, file: string): Generator<CsvRecord> {
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const startLine = line;
    const cells: (string | null)[] = [];
    for (;;) {
      if (text[at] === '"') {
        let cell = '';
        for (;;) {
          const quote = text.indexOf('"', at + 1);
          if (quote < 0) throw invalid(file, startLine, 'a quoted cell is never closed');
          cell += text.slice(at + 1, quote);
          at = quote + 1;
          if (text[at] !== '"') break;
          cell += '"';
        }
        for (let index = cell.indexOf('\n'); index >= 0; index = cell.indexOf('\n', index + 1)) line++;
        if (at < text.length && text[at] !== ',' && text[at] !== '\n' && text[at] !== '\r')
          throw invalid(file, line, 'expected a comma or the end of the line behind a quoted cell');
        cells.push(cell);
      } else {
        let end = at;
        while (end < text.length && text[end] !== ',' && text[end] !== '\n' && text[end] !== '\r') end++;
        cells.push(end === at ? null : text.slice(at, end));
        at = end;
      }
      if (text[at] !== ',') break;
      at++;
    }
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    line++;
    // A blank line holds one cell without a value.
    if (cells.length > 1 || cells[0] !== null) yield { line: startLine, cells };
  }
}

function invalid(file: string, line: number, message: string): FeatureStoreError {
  return new FeatureStoreError('INFERFLOW_FEATURE_STORE_SOURCE_INVALID', `${file}, line ${line}: ${message}`, {
    problems: [{ file, line, column: '', message }],
  });
}
