import { DataType, dataTypeInfo } from '@inferflow/matrix';
import { closestName } from './closest-name.js';
import { checkFeature, encodeFeature, NO_VALUE, type RequestValues } from './encode-feature.js';
import type { Problem } from './errors.js';
import { type FeatureType, type FeatureValue, inferDataType, type ResolvedType, resolveFeatureType } from './feature-type.js';

/** Feature values by name. */
export type Features = Readonly<Record<string, FeatureValue>>;

/** Types by feature name, in column order. */
export type FeatureTypes = Readonly<Record<string, FeatureType>>;

/** One column as it goes on the wire. */
export interface TableColumn {
  readonly name: string;
  readonly dataType: DataType;
  /** Elements of a vector; 0 for scalars and where vectors differ in length. */
  readonly vectorDim: number;
}

/** Rows of values in column order. */
export interface FeatureTable {
  readonly columns: readonly TableColumn[];
  readonly rows: readonly Uint8Array[][];
}

/** What a table is made from. */
export interface TableInput {
  /** Declared columns; undefined takes the columns and their types from the rows. */
  readonly types: FeatureTypes | undefined;
  readonly rows: readonly (Features | undefined)[];
  readonly form: RequestValues;
  /** Path of the declared types in the request, for error texts. */
  readonly typesPath: string;
  /** Path of a row's features. */
  rowPath(row: number): string;
}

/**
 * Turns rows of named values into a schema and rows of bytes that are aligned
 * with it. Everything wrong is added to `problems`; a value that is absent, null
 * or wrong is empty.
 */
export function buildFeatureTable(input: TableInput, problems: Problem[]): FeatureTable {
  const types = input.types === undefined ? inferTypes(input.rows) : declaredTypes(input.types, input.typesPath, problems);
  if (input.types !== undefined) {
    findUndeclared(types, input, problems);
  }
  const columns: TableColumn[] = [];
  const rows: Uint8Array[][] = input.rows.map(() => []);
  for (const [name, type] of types) {
    columns.push({ name, dataType: type.dataType, vectorDim: vectorDim(name, type, input, problems) });
    for (let row = 0; row < rows.length; row++) {
      rows[row]!.push(encodeCell(name, type, input, row, problems));
    }
  }
  return { columns, rows };
}

function encodeCell(name: string, type: ResolvedType, input: TableInput, row: number, problems: Problem[]): Uint8Array {
  const value = featureOf(input.rows[row], name);
  if (value === null || value === undefined) {
    return NO_VALUE;
  }
  const problem = checkFeature(type, value, input.form);
  if (problem !== '') {
    problems.push({ path: `${input.rowPath(row)}[${JSON.stringify(name)}]`, message: problem });
    return NO_VALUE;
  }
  return encodeFeature(type.dataType, value, input.form);
}

function featureOf(features: Features | undefined, name: string): FeatureValue {
  return features !== undefined && Object.hasOwn(features, name) ? features[name] : undefined;
}

function declaredTypes(types: FeatureTypes, path: string, problems: Problem[]): Map<string, ResolvedType> {
  const resolved = new Map<string, ResolvedType>();
  for (const [name, type] of Object.entries(types)) {
    const result = resolveFeatureType(type);
    if (typeof result === 'string') {
      problems.push({ path: `${path}[${JSON.stringify(name)}]`, message: result });
    } else {
      resolved.set(name, result);
    }
  }
  return resolved;
}

function inferTypes(rows: TableInput['rows']): Map<string, ResolvedType> {
  const types = new Map<string, ResolvedType>();
  for (const features of rows) {
    for (const [name, value] of Object.entries(features ?? {})) {
      const known = types.get(name);
      const dataType = inferDataType(value);
      if (known === undefined || known.dataType === DataType.Unknown) {
        types.set(name, { dataType, length: 0 });
      }
    }
  }
  for (const [name, type] of types) {
    if (type.dataType === DataType.Unknown) {
      // Nowhere a value: any type will do, the cells are empty.
      types.set(name, { dataType: DataType.String, length: 0 });
    }
  }
  return types;
}

function findUndeclared(types: ReadonlyMap<string, ResolvedType>, input: TableInput, problems: Problem[]): void {
  const declared = input.types ?? {};
  // Found once per name: rows have the same ones, and looking for what was meant takes long.
  const hints = new Map<string, string>();
  const hintFor = (name: string): string => {
    const meant = closestName(name, types.keys());
    const hint = meant === undefined ? '' : `; did you mean ${JSON.stringify(meant)}?`;
    hints.set(name, hint);
    return hint;
  };
  for (let row = 0; row < input.rows.length; row++) {
    for (const name of Object.keys(input.rows[row] ?? {})) {
      if (!Object.hasOwn(declared, name)) {
        const hint = hints.get(name) ?? hintFor(name);
        problems.push({ path: `${input.rowPath(row)}[${JSON.stringify(name)}]`, message: `not declared in ${input.typesPath}${hint}` });
      }
    }
  }
}

function vectorDim(name: string, type: ResolvedType, input: TableInput, problems: Problem[]): number {
  if (type.length !== 0 || !dataTypeInfo(type.dataType).isVector) {
    return type.length;
  }
  let length = 0;
  for (let row = 0; row < input.rows.length; row++) {
    const value = featureOf(input.rows[row], name);
    const elements = typeof value === 'object' && value !== null ? value.length : 0;
    if (elements !== 0 && length !== 0 && elements !== length) {
      if (input.form === 'typed') {
        problems.push({
          path: `${input.rowPath(row)}[${JSON.stringify(name)}]`,
          message: `expected ${length} elements as in the rows before, got ${elements}`,
        });
      }
      return 0;
    }
    length = elements === 0 ? length : elements;
  }
  return length;
}
