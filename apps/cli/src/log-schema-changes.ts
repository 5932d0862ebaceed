import type { ConfigChange, ModelConfig } from '@inferflow/config';
import { buildLogSchema, recordVersion } from '@inferflow/logging';

/**
 * What a change does to those who read the model's log. Records name their schema by `cache_version` only: columns that change under the
 * same version are read under wrong names, so that is breaking.
 */
export function logSchemaChanges(before: ModelConfig, after: ModelConfig): readonly ConfigChange[] {
  const columns = (config: ModelConfig): readonly string[] =>
    buildLogSchema(config).features.map(({ name, typeText, size }) => `${name} ${typeText}${size === 1 ? '' : `[${size}]`}`);
  const [old, now] = [columns(before), columns(after)];
  if (old.length === now.length && old.every((column, index) => column === now[index])) return [];
  const isLogged = before.response.loggingPercent > 0 || after.response.loggingPercent > 0;
  const keepsVersion = recordVersion(before.cache.version) === recordVersion(after.cache.version);
  const counts = `${now.filter((column) => !old.includes(column)).length} columns new, ${old.filter((column) => !now.includes(column)).length} gone`;
  return [
    {
      subject: 'log',
      action: 'changed',
      name: 'schema',
      detail: keepsVersion ? `${counts}; readers find it by cache_version, which stays ${after.cache.version}: raise it` : counts,
      impact: keepsVersion && isLogged ? 'breaking' : 'plain',
    },
  ];
}
