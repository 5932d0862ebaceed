/** One row of a source: values by column, undefined or null where there is none. */
export interface SourceRow {
  /** Line of a text file, else the row counted from 1. */
  readonly line: number;
  value(column: string): unknown;
}

/** The rows of a source, read lazily, and the columns it has (undefined = they may differ by row). */
export interface SourceRows {
  readonly columns: ReadonlySet<string> | undefined;
  readonly rows: Iterable<SourceRow>;
}

/** Rows that are plain objects. */
export function rowsOfObjects(objects: Iterable<Readonly<Record<string, unknown>>>): SourceRows {
  function* rows(): Generator<SourceRow> {
    let line = 0;
    for (const object of objects) {
      line++;
      yield { line, value: (column) => (Object.hasOwn(object, column) ? object[column] : undefined) };
    }
  }
  return { columns: undefined, rows: rows() };
}
