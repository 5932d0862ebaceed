import { readFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { type DataType, dataTypeInfo, dataTypes, parseDataType } from '@inferflow/matrix';
import { parse as parseYaml } from 'yaml';
import { z } from 'zod';
import { encodeCell } from './encode-cell.js';
import { FeatureStoreError, type LoadProblem, problemsError } from './errors.js';

/** One feature: its default stands for it in rows and for keys that have no value. */
export interface FeatureDefinition {
  readonly name: string;
  /** The default, encoded as it goes over the wire. */
  readonly defaultBytes: Uint8Array;
}

/** Features that are stored together and have one data type. */
export interface GroupDefinition {
  readonly label: string;
  readonly dataType: DataType;
  /** Elements of every vector of the group; undefined = vectors may differ in length. */
  readonly vectorLength: number | undefined;
  readonly features: ReadonlyMap<string, FeatureDefinition>;
}

/** A kind of thing that features belong to. */
export interface EntityDefinition {
  readonly label: string;
  /** Names of its key parts, in the order that makes up an identity. */
  readonly keys: readonly string[];
  readonly groups: ReadonlyMap<string, GroupDefinition>;
  readonly sources: readonly FileSource[];
}

/** A file that holds rows of an entity. */
export interface FileSource {
  /** `.csv`, `.json`, `.jsonl` or `.parquet`. */
  readonly file: string;
  /** Column of the file by key, feature or `group:feature`; what is not listed has its own name. */
  readonly columns: Readonly<Record<string, string>>;
  /** The feature groups it fills; undefined = all that it has columns for. */
  readonly groups: readonly string[] | undefined;
}

/** A checked schema. */
export interface StoreSchema {
  readonly entities: ReadonlyMap<string, EntityDefinition>;
  /** Directory that relative file names start from. */
  readonly directory: string;
}

const group = z.strictObject({
  data_type: z.string(),
  vector_length: z.int().positive().optional(),
  default: z.unknown().optional(),
  features: z.union([z.array(z.string().min(1)).min(1), z.record(z.string().min(1), z.unknown())]),
});
const entity = z.strictObject({
  keys: z.array(z.string().min(1)).min(1),
  groups: z.record(z.string().min(1), group),
  sources: z
    .array(
      z.strictObject({
        file: z.string().min(1),
        columns: z.record(z.string(), z.string()).optional(),
        groups: z.array(z.string()).optional(),
      }),
    )
    .optional(),
});
const document = z.strictObject({ entities: z.record(z.string().min(1), entity) });

/**
 * Reads a schema from a YAML or JSON file; relative source files are looked for beside it.
 *
 * @throws FeatureStoreError INFERFLOW_FEATURE_STORE_SCHEMA_INVALID with all problems
 */
export async function loadStoreSchema(path: string): Promise<StoreSchema> {
  let raw: unknown;
  try {
    raw = parseYaml(await readFile(path, 'utf8'));
  } catch (cause) {
    throw new FeatureStoreError(
      'INFERFLOW_FEATURE_STORE_SCHEMA_INVALID',
      `feature store schema ${path}: ${cause instanceof Error ? cause.message : 'cannot be read'}`,
      { cause },
    );
  }
  return parseStoreSchema(raw, { file: path, directory: dirname(path) });
}

/**
 * Checks a schema given as an object.
 *
 * @throws FeatureStoreError INFERFLOW_FEATURE_STORE_SCHEMA_INVALID with all problems
 */
export function parseStoreSchema(raw: unknown, origin: { readonly file: string; readonly directory: string }): StoreSchema {
  const problems: LoadProblem[] = [];
  const report = (path: string, message: string): void => void problems.push({ file: origin.file, line: 0, column: path, message });
  const parsed = document.safeParse(raw);
  const entities = new Map<string, EntityDefinition>();
  if (parsed.success) {
    for (const [label, definition] of Object.entries(parsed.data.entities)) {
      entities.set(label, toEntity(label, definition, report));
    }
  } else {
    for (const issue of parsed.error.issues) report(['entities', ...issue.path.slice(1)].join('.'), issue.message);
  }
  if (problems.length > 0)
    throw problemsError('INFERFLOW_FEATURE_STORE_SCHEMA_INVALID', 'the schema of the feature store is invalid', problems);
  return Object.freeze({ entities, directory: origin.directory });
}

type Report = (path: string, message: string) => void;

function toEntity(label: string, raw: z.infer<typeof entity>, report: Report): EntityDefinition {
  const path = `entities.${label}`;
  if (new Set(raw.keys).size < raw.keys.length) report(`${path}.keys`, 'a key is listed twice');
  const groups = new Map<string, GroupDefinition>();
  for (const [groupLabel, definition] of Object.entries(raw.groups)) {
    const groupDefinition = toGroup(groupLabel, definition, `${path}.groups.${groupLabel}`, report);
    if (groupDefinition !== undefined) groups.set(groupLabel, groupDefinition);
  }
  const sources = (raw.sources ?? []).map(({ file, columns, groups: filled }, index) => {
    for (const name of filled ?? []) if (!(name in raw.groups)) report(`${path}.sources.${index}.groups`, `there is no group '${name}'`);
    return Object.freeze({ file, columns: columns ?? {}, groups: filled });
  });
  return Object.freeze({ label, keys: Object.freeze([...raw.keys]), groups, sources: Object.freeze(sources) });
}

function toGroup(label: string, raw: z.infer<typeof group>, path: string, report: Report): GroupDefinition | undefined {
  const dataType = parseDataType(raw.data_type);
  if (dataType === undefined || dataType === 0) {
    report(
      `${path}.data_type`,
      `unknown data type '${raw.data_type}'; expected one of ${dataTypes
        .slice(1)
        .map((info) => info.name.replace('DataType', ''))
        .join(', ')}`,
    );
    return undefined;
  }
  const vectorLength = raw.vector_length;
  if (vectorLength !== undefined && !dataTypeInfo(dataType).isVector)
    report(`${path}.vector_length`, `${dataTypeInfo(dataType).name} is no vector`);
  const named = Array.isArray(raw.features) ? raw.features.map((name) => [name, undefined] as const) : Object.entries(raw.features);
  const features = new Map<string, FeatureDefinition>();
  for (const [name, ownDefault] of named) {
    if (name.includes('@'))
      report(`${path}.features`, `feature '${name}': a name must not hold an @, which asks for a narrower type in a query`);
    if (features.has(name)) report(`${path}.features`, `feature '${name}' is listed twice`);
    const given = ownDefault ?? raw.default;
    const encoded = given === undefined || given === null ? zeroOf(dataType, vectorLength) : encodeCell(dataType, vectorLength, given);
    if (typeof encoded === 'string') report(`${path}.features.${name}`, `default: ${encoded}`);
    else features.set(name, Object.freeze({ name, defaultBytes: encoded }));
  }
  return Object.freeze({ label, dataType, vectorLength, features });
}

/** Zeros, an empty text, or a vector of them (without a fixed length: an empty vector). */
function zeroOf(dataType: DataType, vectorLength: number | undefined): Uint8Array {
  const { elementBytes, isVector } = dataTypeInfo(dataType);
  // Texts of a string vector take two bytes of length each.
  return new Uint8Array(isVector ? (vectorLength ?? 0) * (elementBytes === 0 ? 2 : elementBytes) : elementBytes);
}
