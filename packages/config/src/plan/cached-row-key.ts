import type { FeatureComponentConfig } from '../model-config.js';

/** What a cached row depends on besides model, component and the entity's key: with another query, type or version the cache starts cold. */
export function cachedRowKey({ keys, entityLabel, groups, columns }: FeatureComponentConfig, cacheVersion: number): string {
  const asked = groups.filter(({ features }) => features.length > 0).map(({ label, features }) => [label, features]);
  const schema = keys.map((key) => key.schema);
  return JSON.stringify([cacheVersion, entityLabel, schema, asked, columns.map(({ dataType }) => dataType)]);
}
