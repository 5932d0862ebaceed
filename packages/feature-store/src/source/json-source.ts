import { FeatureStoreError } from '../errors.js';
import { rowsOfObjects, type SourceRow, type SourceRows } from './source-row.js';

type JsonRow = Readonly<Record<string, unknown>>;

/**
 * Reads a JSON array of objects.
 *
 * @throws FeatureStoreError INFERFLOW_FEATURE_STORE_SOURCE_INVALID
 */
export function readJson(text: string, file: string): SourceRows {
  const document = parse(text, file, 0);
  if (!Array.isArray(document)) throw invalid(file, 0, 'expected a list of objects');
  for (const [index, row] of document.entries()) if (!isRow(row)) throw invalid(file, index + 1, 'expected an object');
  return rowsOfObjects(document as JsonRow[]);
}

/**
 * Reads one JSON object per line; blank lines are skipped.
 *
 * @throws FeatureStoreError INFERFLOW_FEATURE_STORE_SOURCE_INVALID, also while the rows are read
 */
export function readJsonLines(text: string, file: string): SourceRows {
  function* rows(): Generator<SourceRow> {
    let line = 0;
    for (const content of text.split('\n')) {
      line++;
      if (content.trim() === '') continue;
      const row = parse(content, file, line);
      if (!isRow(row)) throw invalid(file, line, 'expected an object');
      yield { line, value: (column) => (Object.hasOwn(row, column) ? row[column] : undefined) };
    }
  }
  return { columns: undefined, rows: rows() };
}

function parse(text: string, file: string, line: number): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw invalid(file, line, cause instanceof Error ? cause.message : 'not JSON');
  }
}

function isRow(value: unknown): value is JsonRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(file: string, line: number, message: string): FeatureStoreError {
  return new FeatureStoreError('INFERFLOW_FEATURE_STORE_SOURCE_INVALID', `${file}${line > 0 ? `, line ${line}` : ''}: ${message}`, {
    problems: [{ file, line, column: '', message }],
  });
}
