import type { JsonObject, JsonValue } from '../json.js';
import type { FeatureComponentConfig } from '../model-config.js';
import type { DocumentWriter } from './document-writer.js';

/** Writes a feature component in the writer's dialect. */
export function writeFeature(writer: DocumentWriter, component: FeatureComponentConfig, place: string): JsonObject {
  const { cache } = component;
  return writer.object('feature', place, {
    name: component.componentName,
    componentId: component.componentId,
    compositeId: component.compositeId ? true : undefined,
    keys: writeKeys(writer, component, place),
    query: writeQuery(writer, component, place),
    flattenKeys: component.flattenResponseKeys,
    ...writePrefix(writer, component),
    cacheEnabled: cache.requested,
    cacheTtl: cache.ownTtlSeconds === 0 ? undefined : cache.ownTtlSeconds,
    staleIfError: cache.staleIfErrorSeconds === 0 ? undefined : cache.staleIfErrorSeconds,
    deadline: component.deadlineMs,
    batchSize: component.batchSize,
    onFailure: component.onFailure === 'default' ? undefined : component.onFailure,
  });
}

function writeKeys(writer: DocumentWriter, { keys }: FeatureComponentConfig, place: string): JsonValue {
  const isObject = writer.dialect === 'documented' && keys.length === 1;
  const written = keys.map(({ schema, column }, index) => {
    return writer.object('key', `${place}/keys/${index}`, { schema: isObject ? [schema] : schema, column });
  });
  return isObject ? (written[0] ?? []) : written;
}

function writeQuery(writer: DocumentWriter, { entityLabel, groups }: FeatureComponentConfig, place: string): JsonObject | undefined {
  if (entityLabel === '' && groups.length === 0 && !writer.hasExtra(`${place}/query`)) return undefined;
  return writer.object('query', `${place}/query`, {
    label: entityLabel,
    groups: groups.map((group, index) => {
      return writer.object('group', `${place}/groups/${index}`, {
        label: group.label,
        dataType: group.dataTypeText,
        features: group.features,
      });
    }),
  });
}

function writePrefix(
  writer: DocumentWriter,
  { columnPrefix, columnLabel, entityLabel }: FeatureComponentConfig,
): Record<string, JsonValue | undefined> {
  const start = `${columnPrefix}${columnLabel}`;
  if (start === entityLabel) return {};
  const isPrepended = writer.dialect === 'deployed' && columnLabel === entityLabel;
  return isPrepended ? { prefix: columnPrefix } : { prefix: start, prefixMode: 'replace' };
}
