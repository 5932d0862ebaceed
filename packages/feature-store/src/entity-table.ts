import { dataTypeInfo } from '@inferflow/matrix';
import { encodeCell } from './encode-cell.js';
import { type ColumnBuilder, createColumnBuilder, type FeatureColumn } from './feature-column.js';
import type { SourceRows } from './source/source-row.js';
import type { EntityDefinition, GroupDefinition } from './store-schema.js';

/** The rows of one entity. */
export interface EntityTable {
  readonly definition: EntityDefinition;
  /** Rows with a key; row 0, the defaults, is not counted. */
  readonly rowCount: number;
  /** Row of an identity, 0 when it is not known. Made with `identityOf` from the parts in registered order. */
  rowOf(identity: string): number;
  /** Column of a feature, undefined when the entity has none. */
  column(group: string, feature: string): FeatureColumn | undefined;
}

/** One text for the parts of a key; no two lists of parts share one. */
export function identityOf(parts: readonly string[]): string {
  if (parts.length === 1) return parts[0]!;
  let identity = '';
  for (const part of parts) identity += `${part.length}:${part}`;
  return identity;
}

/** Which columns of a source go where. */
export interface SourceFilter {
  /** Column by key, feature or `group:feature`; what is not listed has its own name. */
  readonly columns?: Readonly<Record<string, string>> | undefined;
  /** The groups it fills. @default all */
  readonly groups?: readonly string[] | undefined;
}

/** A problem of a source, told by its place in it. */
export type ReportRow = (line: number, column: string, message: string) => void;

/** Gathers the rows of an entity from its sources. */
export class EntityTableBuilder {
  readonly #definition: EntityDefinition;
  readonly #rows = new Map<string, number>();
  readonly #columns = new Map<string, ColumnBuilder>();
  readonly #found = new Set<string>();
  #rowCount = 1;

  constructor(definition: EntityDefinition) {
    this.#definition = definition;
    for (const group of definition.groups.values()) {
      for (const feature of group.features.values()) {
        this.#columns.set(columnKey(group.label, feature.name), createColumnBuilder(widthOf(group), feature.defaultBytes));
      }
    }
  }

  /**
   * Adds the rows of a source. Rows of different sources with equal keys make one row: each source fills the features it has.
   * Wrong values are reported and skipped.
   */
  add(source: SourceRows, { columns = {}, groups: filled }: SourceFilter, report: ReportRow): void {
    const { keys, groups } = this.#definition;
    const keyColumns = keys.map((key) => columns[key] ?? key);
    const cells = [...groups.values()]
      .filter((group) => filled?.includes(group.label) ?? true)
      .flatMap((group) =>
        [...group.features.values()].map((feature) => {
          const key = columnKey(group.label, feature.name);
          return {
            group,
            key,
            builder: this.#columns.get(key)!,
            column: columns[`${group.label}:${feature.name}`] ?? columns[feature.name] ?? feature.name,
          };
        }),
      );
    const present = source.columns === undefined ? cells : cells.filter((cell) => source.columns?.has(cell.column));
    if (source.columns !== undefined) {
      for (const cell of present) this.#found.add(cell.key);
      const absent = keyColumns.filter((column) => !source.columns?.has(column));
      for (const column of absent) report(0, column, `this key column is not in the source; it has ${[...source.columns].join(', ')}`);
      if (absent.length > 0) return;
    }
    const seen = new Set<number>();
    for (const row of source.rows) {
      const parts: string[] = [];
      for (const column of keyColumns) {
        const part = keyText(row.value(column));
        if (part === undefined) report(row.line, column, 'expected a key: text or an integer, not empty');
        else parts.push(part);
      }
      if (parts.length < keys.length) continue;
      const index = this.#rowFor(identityOf(parts));
      if (seen.has(index)) {
        report(row.line, keyColumns.join(', '), 'this key was already there in an earlier row of the same source');
        continue;
      }
      seen.add(index);
      for (const { group, key, builder, column } of present) {
        const raw = row.value(column);
        if (raw === undefined || raw === null) continue;
        const encoded = encodeCell(group.dataType, group.vectorLength, raw);
        if (typeof encoded === 'string') report(row.line, column, encoded);
        else {
          builder.set(index, encoded);
          this.#found.add(key);
        }
      }
    }
  }

  /** Whether any source had a row. */
  get hasRows(): boolean {
    return this.#rows.size > 0;
  }

  /** Features that no source has a column (or, without a list of columns, a value) for: `group:feature`. */
  unfilled(): string[] {
    return [...this.#columns.keys()].filter((key) => !this.#found.has(key));
  }

  build(): EntityTable {
    const columns = new Map([...this.#columns].map(([key, builder]) => [key, builder.build()]));
    const rows = this.#rows;
    return Object.freeze({
      definition: this.#definition,
      rowCount: rows.size,
      rowOf: (identity: string) => rows.get(identity) ?? 0,
      column: (group: string, feature: string) => columns.get(columnKey(group, feature)),
    });
  }

  #rowFor(identity: string): number {
    const known = this.#rows.get(identity);
    if (known !== undefined) return known;
    const index = this.#rowCount++;
    this.#rows.set(identity, index);
    for (const builder of this.#columns.values()) builder.addRow();
    return index;
  }
}

function columnKey(group: string, feature: string): string {
  return `${group}:${feature}`;
}

function widthOf(group: GroupDefinition): number {
  const { elementBytes, isVector } = dataTypeInfo(group.dataType);
  return isVector ? elementBytes * (group.vectorLength ?? 0) : elementBytes;
}

function keyText(raw: unknown): string | undefined {
  if (typeof raw === 'string') return raw === '' ? undefined : raw;
  if (typeof raw === 'bigint' || (typeof raw === 'number' && Number.isSafeInteger(raw))) return String(raw);
  return undefined;
}
