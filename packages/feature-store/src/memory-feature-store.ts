import { resolve } from 'node:path';
import { type EntityTable, EntityTableBuilder, type SourceFilter } from './entity-table.js';
import { type LoadProblem, problemsError } from './errors.js';
import { openSource } from './source/open-source.js';
import { rowsOfObjects } from './source/source-row.js';
import { loadStoreSchema, parseStoreSchema, type StoreSchema } from './store-schema.js';

/** Rows for an entity, beside those the schema names: a file, or objects. */
export type StoreSource = SourceFilter & { readonly entity: string } & (
    | { readonly file: string }
    | { readonly rows: Iterable<Readonly<Record<string, unknown>>> }
  );

/** Where a store in memory is loaded from. */
export interface MemoryFeatureStoreOptions {
  /** Path of a YAML or JSON schema file, or its content as an object. */
  readonly schema: string | Readonly<Record<string, unknown>>;
  /** More sources. @default those of the schema only */
  readonly sources?: readonly StoreSource[];
  /** What relative file names start from. @default the directory of the schema file, else the working directory */
  readonly directory?: string;
}

/** A feature store that was loaded into memory. Immutable. */
export interface FeatureStore {
  readonly schema: StoreSchema;
  /** Rows of an entity, undefined when there is no such entity. */
  rowCount(entity: string): number | undefined;
  /** @internal */
  readonly tables: ReadonlyMap<string, EntityTable>;
}

/**
 * Loads a feature store. Everything that is wrong with the schema is told at once, and so is everything that is wrong with
 * the sources: nothing is loaded halfway.
 *
 * @throws FeatureStoreError
 */
export async function createMemoryFeatureStore(options: MemoryFeatureStoreOptions): Promise<FeatureStore> {
  const schema =
    typeof options.schema === 'string'
      ? await loadStoreSchema(options.schema)
      : parseStoreSchema(options.schema, { file: '', directory: options.directory ?? process.cwd() });
  const directory = options.directory ?? schema.directory;
  const problems: LoadProblem[] = [];
  const extra = options.sources ?? [];
  for (const { entity } of extra) {
    if (!schema.entities.has(entity))
      problems.push({ file: '', line: 0, column: '', message: `a source is for entity '${entity}', which the schema does not have` });
  }
  const tables = new Map<string, EntityTable>();
  for (const definition of schema.entities.values()) {
    const builder = new EntityTableBuilder(definition);
    const sources: StoreSource[] = [
      ...definition.sources.map((source) => ({ entity: definition.label, ...source })),
      ...extra.filter((source) => source.entity === definition.label),
    ];
    const before = problems.length;
    for (const source of sources) {
      const file = 'file' in source ? resolve(directory, source.file) : '';
      const rows = 'file' in source ? await openSource(file) : rowsOfObjects(source.rows);
      builder.add(rows, source, (line, column, message) => problems.push({ file, line, column, message }));
    }
    if (sources.length === 0) problems.push({ file: '', line: 0, column: '', message: `entity '${definition.label}' has no source` });
    // Only worth telling when nothing else explains it.
    else if (problems.length === before && builder.hasRows && sources.every((source) => 'file' in source)) {
      for (const name of builder.unfilled())
        problems.push({
          file: '',
          line: 0,
          column: '',
          message: `entity '${definition.label}': no source has a column for feature '${name}'`,
        });
    }
    tables.set(definition.label, builder.build());
  }
  if (problems.length > 0) throw problemsError('INFERFLOW_FEATURE_STORE_SOURCE_INVALID', 'the feature store cannot be loaded', problems);
  return Object.freeze({ schema, rowCount: (entity: string) => tables.get(entity)?.rowCount, tables });
}
