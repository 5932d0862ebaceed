import { DataType, dataTypeInfo, parseDataType } from '@inferflow/matrix';
import { isJsonObject } from '../json.js';
import { describeValue, joinPath } from '../json-path.js';
import type { ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';

/** A feature as the feature store has it. */
export interface RegisteredFeature {
  readonly dataType: DataType;
  /** Values of a vector; undefined if the registry does not say. */
  readonly width: number | undefined;
}

/** A feature group. */
export interface RegisteredGroup {
  readonly features: ReadonlyMap<string, RegisteredFeature>;
}

/** An entity with its feature groups. */
export interface RegisteredEntity {
  /** Names of its keys; undefined if the registry does not say. */
  readonly keys: readonly string[] | undefined;
  readonly groups: ReadonlyMap<string, RegisteredGroup>;
}

/** What a feature store holds, by entity label. */
export interface FeatureRegistry {
  readonly entities: ReadonlyMap<string, RegisteredEntity>;
}

/**
 * Reads a feature registry: `{entities: {<label>: {keys?: [<name>], feature_groups: {<label>: {data_type?, features: …}}}}}`.
 * `features` is a map of feature to data type, or to `{data_type?, width?}`, or a list of names that all have the group's type.
 * Problems are about the registry itself; what could be read is in the result.
 */
export function parseFeatureRegistry(raw: unknown): { readonly registry: FeatureRegistry; readonly problems: readonly Problem[] } {
  const problems: Problem[] = [];
  const entities = new Map<string, RegisteredEntity>();
  const root = objectAt(raw, '$', problems);
  for (const [label, value] of members(root, 'entities', '$', problems)) {
    const path = joinPath('$.entities', label);
    const entity = objectAt(value, path, problems);
    const groups = new Map<string, RegisteredGroup>();
    for (const [group, content] of members(entity, 'feature_groups', path, problems)) {
      groups.set(group, { features: readFeatures(content, joinPath(`${path}.feature_groups`, group), problems) });
    }
    entities.set(label, { keys: readKeys(entity['keys'], `${path}.keys`, problems), groups });
  }
  return { registry: { entities }, problems };
}

/** Widths of the vectors that a model fetches, by column, as far as the registry knows them. */
export function featureWidths(config: ModelConfig, registry: FeatureRegistry): ReadonlyMap<string, number> {
  const widths = new Map<string, number>();
  for (const component of config.components) {
    if (component.kind !== 'feature') continue;
    for (const { name, requestLabel, group } of component.columns) {
      const label = component.groups[group]?.label ?? '';
      const width = registeredFeature(registry, component.entityLabel, label, requestLabel)?.width;
      if (width !== undefined) widths.set(name, width);
    }
  }
  return widths;
}

/** @internal A feature as it is asked for: a type after `@` is not part of its name. */
export function registeredFeature(
  registry: FeatureRegistry,
  entity: string,
  group: string,
  requestLabel: string,
): RegisteredFeature | undefined {
  const features = registry.entities.get(entity)?.groups.get(group)?.features;
  const at = requestLabel.lastIndexOf('@');
  return features?.get(at < 0 ? requestLabel : requestLabel.slice(0, at));
}

type Members = Readonly<Record<string, unknown>>;

function readFeatures(raw: unknown, path: string, problems: Problem[]): ReadonlyMap<string, RegisteredFeature> {
  const group = objectAt(raw, path, problems);
  const fallback = group['data_type'] === undefined ? undefined : readType(group['data_type'], `${path}.data_type`, problems);
  const listed = group['features'];
  const at = `${path}.features`;
  if (Array.isArray(listed)) {
    return new Map(
      listed.flatMap((name: unknown, index): (readonly [string, RegisteredFeature])[] => {
        const place = joinPath(at, index);
        if (typeof name === 'string') return [[name, featureOf(fallback, undefined, place, problems)]];
        problems.push(wrongType(place, name, 'the name of a feature'));
        return [];
      }),
    );
  }
  return new Map(
    Object.entries(objectAt(listed, at, problems)).map(([name, value]) => {
      const place = joinPath(at, name);
      if (typeof value === 'string') return [name, featureOf(readType(value, place, problems), undefined, place, problems)];
      const fields = objectAt(value, place, problems);
      const own = fields['data_type'] === undefined ? fallback : readType(fields['data_type'], `${place}.data_type`, problems);
      return [name, featureOf(own, fields['width'], place, problems)];
    }),
  );
}

function featureOf(dataType: DataType | undefined, width: unknown, path: string, problems: Problem[]): RegisteredFeature {
  if (dataType === undefined) {
    problems.push(createProblem('INFERFLOW_CONFIG_MISSING', path, 'a feature needs data_type, its own or its group’s'));
    return { dataType: DataType.Unknown, width: undefined };
  }
  if (!dataTypeInfo(dataType).isVector) return { dataType, width: 1 };
  if (width === undefined) return { dataType, width: undefined };
  if (typeof width === 'number' && Number.isSafeInteger(width) && width > 0) return { dataType, width };
  problems.push(wrongType(`${path}.width`, width, 'a whole number above 0'));
  return { dataType, width: undefined };
}

function readType(value: unknown, path: string, problems: Problem[]): DataType {
  const found = typeof value === 'string' ? parseDataType(value) : undefined;
  if (found !== undefined) return found;
  const details = { found: describeValue(value) };
  problems.push(createProblem('INFERFLOW_CONFIG_UNKNOWN_DATA_TYPE', path, `unknown data type ${describeValue(value)}`, details));
  return DataType.Unknown;
}

function readKeys(raw: unknown, path: string, problems: Problem[]): readonly string[] | undefined {
  if (raw === undefined || raw === null) return undefined;
  if (Array.isArray(raw) && raw.every((name): name is string => typeof name === 'string')) return raw;
  problems.push(wrongType(path, raw, 'a list of key names'));
  return undefined;
}

function members(object: Members, key: string, path: string, problems: Problem[]): readonly (readonly [string, unknown])[] {
  if (object[key] === undefined) {
    problems.push(createProblem('INFERFLOW_CONFIG_MISSING', joinPath(path, key), `${key} is missing`, { expected: 'an object' }));
    return [];
  }
  return Object.entries(objectAt(object[key], joinPath(path, key), problems));
}

function objectAt(value: unknown, path: string, problems: Problem[]): Members {
  if (isJsonObject(value)) return value;
  problems.push(wrongType(path, value, 'an object'));
  return {};
}

function wrongType(path: string, value: unknown, expected: string): Problem {
  const found = describeValue(value);
  return createProblem('INFERFLOW_CONFIG_WRONG_TYPE', path, `expected ${expected}, found ${found}`, { found, expected });
}
