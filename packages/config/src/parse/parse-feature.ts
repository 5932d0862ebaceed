import { isJsonObject, type JsonObject } from '../json.js';
import { describeValue, joinPath } from '../json-path.js';
import type { FeatureColumn, FeatureComponentConfig, FeatureGroupConfig, ModelCacheConfig } from '../model-config.js';
import { hasErrors } from '../problem.js';
import { readDataType } from './data-type-text.js';
import { ObjectReader, reportType } from './object-reader.js';
import { readOnFailure } from './on-failure.js';

type Key = FeatureComponentConfig['keys'][number];

/** Reads one feature component. */
export function parseFeature(reader: ObjectReader, componentName: string, modelCache: ModelCacheConfig): FeatureComponentConfig {
  const earlier = reader.context.problems.length;
  const keys = readKeys(reader);
  // Not where the field was reported already: "missing" would repeat it.
  if (keys.length === 0 && !hasErrors(reader.context.problems.slice(earlier)))
    reader.missing('keys', `component ${JSON.stringify(componentName)}`);
  const compositeId = reader.boolean('compositeId');
  const query = reader.object('query', 'query', `${reader.place}/query`);
  const groups = query === undefined ? [] : readGroups(query);
  const entityLabel = query?.text('label') ?? '';
  if (query !== undefined && entityLabel === '' && groups.length > 0) query.missing('label', `component ${JSON.stringify(componentName)}`);
  const { columnPrefix, columnLabel } = readPrefix(reader, entityLabel);
  const requested = reader.boolean('cacheEnabled');
  const ownTtlSeconds = reader.positive('cacheTtl', 'seconds') ?? 0;
  const deadlineMs = reader.positive('deadline', 'ms');
  const batchSize = reader.positive('batchSize', 'keys');
  const flattenResponseKeys = reader.texts('flattenKeys');
  return {
    kind: 'feature',
    componentName,
    onFailure: readOnFailure(reader),
    componentId: readComponentId(reader, componentName, compositeId, keys),
    compositeId,
    keys,
    entityLabel,
    groups,
    columnPrefix,
    columnLabel,
    cache: {
      enabled: requested && modelCache.enabled,
      requested,
      ttlSeconds: ownTtlSeconds === 0 ? modelCache.ttlSeconds : ownTtlSeconds,
      ownTtlSeconds,
      staleIfErrorSeconds: reader.positive('staleIfError', 'seconds') ?? 0,
    },
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(batchSize === undefined ? {} : { batchSize }),
    columns: readColumns(reader, groups, `${columnPrefix}${columnLabel}`, query),
    flattenResponseKeys: flattenResponseKeys.length > 0 ? flattenResponseKeys : keys.map((key) => key.schema),
  };
}

/** `name@DataTypeFP16` → `name` and the type's text; the last `@` counts, as in the original. */
export function splitType(label: string): { readonly name: string; readonly typeText: string | undefined } {
  const at = label.lastIndexOf('@');
  return at < 0 ? { name: label, typeText: undefined } : { name: label.slice(0, at), typeText: label.slice(at + 1) };
}

function readComponentId(reader: ObjectReader, componentName: string, compositeId: boolean, keys: readonly Key[]): string {
  const given = reader.text('componentId');
  if (given !== '') return given;
  const fallback = compositeId && keys.length < 2 ? componentName : keys.map((key) => key.column).join(':');
  if (reader.context.dialect === 'documented') {
    if (compositeId) reader.context.assume(reader.pathOf('componentId'), fallback, 'name of the column with the joined key values');
  } else if (compositeId) {
    reader.missing('componentId', `component ${JSON.stringify(componentName)} (composite_id)`);
  } else {
    const message = `component_id is missing; ${describeValue(fallback)} is used`;
    reader.context.report('INFERFLOW_CONFIG_DEFAULTED', reader.pathOf('componentId'), message, { expected: 'text' });
  }
  return fallback;
}

function readKeys(reader: ObjectReader): readonly Key[] {
  const raw = reader.raw('keys');
  const isList = raw === undefined || Array.isArray(raw);
  if (!isList && (reader.context.dialect === 'deployed' || !isJsonObject(raw))) {
    reportType(
      reader.context,
      reader.pathOf('keys'),
      raw,
      reader.context.dialect === 'deployed' ? 'a list of objects' : 'an object or a list of objects',
    );
    return [];
  }
  const items = isList ? (raw ?? []) : [raw];
  const keys = items.flatMap((item, index) => {
    const path = isList ? joinPath(reader.pathOf('keys'), index) : reader.pathOf('keys');
    if (!isJsonObject(item)) {
      reportType(reader.context, path, item, 'an object');
      return [];
    }
    return readKey(new ObjectReader(reader.context, 'key', item, path, `${reader.place}/keys/${index}`));
  });
  const schemas = new Set<string>();
  for (const [index, { key, path }] of keys.entries()) {
    reader.context.note(`${reader.place}/keys/${index}`, path);
    if (schemas.has(key.schema) && key.schema !== '') {
      const details = { found: key.schema, severity: 'warning' } as const;
      reader.context.report('INFERFLOW_CONFIG_REPEATED', path, `key ${JSON.stringify(key.schema)} is asked for twice`, details);
    }
    schemas.add(key.schema);
  }
  return keys.map(({ key }) => key);
}

/** A key and where its column is named. */
interface PlacedKey {
  readonly key: Key;
  readonly path: string;
}

function readKey(reader: ObjectReader): readonly PlacedKey[] {
  const isDocumented = reader.context.dialect === 'documented';
  const isSchemaList = isDocumented && Array.isArray(reader.raw('schema'));
  const isColumnList = isDocumented && Array.isArray(reader.raw('column'));
  const schemas = isSchemaList ? reader.names('schema', 'a key') : [reader.requiredText('schema', 'a key')];
  const columns = isColumnList ? reader.names('column', 'a key') : [reader.requiredText('column', 'a key')];
  if (schemas.length === 0) reader.missing('schema', 'a key');
  const path = reader.pathOf('column');
  if (columns.length === schemas.length) {
    return schemas.map((schema, index) => ({
      key: { schema, column: columns[index] as string },
      path: isColumnList ? joinPath(path, index) : path,
    }));
  }
  // Only a single text stands for all names: a list that is too short says that somebody forgot one.
  if (isColumnList) {
    const message = `schema has ${schemas.length} names and col has ${columns.length}; they go in pairs`;
    const expected = `${schemas.length} columns, or one text for all names`;
    reader.invalid('column', message, { found: `${columns.length} columns`, expected });
    return schemas.map((schema) => ({ key: { schema, column: columns[0] ?? '' }, path }));
  }
  const [column = ''] = columns;
  if (schemas.length > 1)
    reader.context.assume(reader.pathOf('column'), column, `one column for ${schemas.length} key names: every one reads it`);
  return schemas.map((schema) => ({ key: { schema, column }, path }));
}

function readGroups(query: ObjectReader): readonly FeatureGroupConfig[] {
  query.context.note(`${query.place.slice(0, -'/query'.length)}/groups`, query.pathOf('groups'));
  return query
    .objects('groups', 'group', (index) => `${query.place.slice(0, -'/query'.length)}/groups/${index}`)
    .map((group) => {
      const features = readFeatures(group);
      const label = features.length === 0 ? group.text('label') : group.requiredText('label', 'a feature group');
      return { label, ...readGroupType(group, label, features.length === 0), features };
    });
}

function readGroupType(group: ObjectReader, label: string, isEmpty: boolean): Pick<FeatureGroupConfig, 'dataType' | 'dataTypeText'> {
  const given = group.text('dataType');
  const isAssumed = group.context.dialect === 'documented' && group.raw('dataType') !== '';
  if (given === '' && (isEmpty || isAssumed)) {
    if (!isEmpty) group.context.assume(group.pathOf('dataType'), 'FP32', `type of feature group ${JSON.stringify(label)}`);
    return { dataType: readDataType(group.context, 'FP32', group.pathOf('dataType')), dataTypeText: 'FP32' };
  }
  return { dataType: readDataType(group.context, given, group.pathOf('dataType')), dataTypeText: given };
}

function readFeatures(group: ObjectReader): readonly string[] {
  return group.list('features').flatMap((item, index): readonly string[] => {
    const path = joinPath(group.pathOf('features'), index);
    const label =
      group.context.dialect === 'documented' && isJsonObject(item) ? readLabel(group, item, path, `${group.place}/labels/${index}`) : item;
    if (typeof label !== 'string') {
      reportType(group.context, path, label, 'text');
      return [];
    }
    if (label === '') group.context.report('INFERFLOW_CONFIG_MISSING', path, 'a feature has no name', { found: '""' });
    return [label];
  });
}

function readLabel(group: ObjectReader, item: JsonObject, path: string, place: string): string {
  const reader = new ObjectReader(group.context, 'label', item, path, place);
  const label = reader.requiredText('label', 'a feature');
  const typeText = reader.text('dataType');
  return typeText === '' ? label : `${label}@${typeText}`;
}

/** The text before `:group:feature`, split so that a label at its end is seen as the label. */
function readPrefix(reader: ObjectReader, entityLabel: string): { readonly columnPrefix: string; readonly columnLabel: string } {
  const prefix = reader.text('prefix');
  const isDocumented = reader.context.dialect === 'documented';
  const mode = reader.choice('prefixMode', ['replace', 'prepend'], isDocumented ? 'replace' : 'prepend');
  const replaces = mode === 'replace' && prefix !== '';
  if (replaces && prefix !== entityLabel && !reader.has('prefixMode')) {
    const message = `col_name_prefix stands for the label ${JSON.stringify(entityLabel)} in column names`;
    reader.context.assume(reader.pathOf('prefixMode'), 'replace', message);
  }
  const start = replaces ? prefix : `${prefix}${entityLabel}`;
  return start.endsWith(entityLabel)
    ? { columnPrefix: start.slice(0, start.length - entityLabel.length), columnLabel: entityLabel }
    : { columnPrefix: '', columnLabel: start };
}

function readColumns(
  reader: ObjectReader,
  groups: readonly FeatureGroupConfig[],
  start: string,
  query: ObjectReader | undefined,
): readonly FeatureColumn[] {
  return groups.flatMap((group, index) =>
    group.features.map((requestLabel): FeatureColumn => {
      const { name: feature, typeText } = splitType(requestLabel);
      const name = `${start}:${group.label}:${feature}`;
      const path = query?.pathOf('groups') ?? reader.pathOf('query');
      const dataType = typeText === undefined ? group.dataType : readDataType(reader.context, typeText, joinPath(path, index));
      return { name, requestLabel, group: index, dataType, groupDataType: group.dataType };
    }),
  );
}
