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
  const [oldVersion, version] = [recordVersion(before.cache.version), recordVersion(after.cache.version)];
  const [known, kept] = [new Set(old), new Set(now)];
  const added = now.filter((column) => !known.has(column)).length;
  const gone = old.filter((column) => !kept.has(column)).length;
  const counts = added + gone === 0 ? 'columns in another order' : `${added} new, ${gone} gone or of another type`;
  return [
    {
      subject: 'log',
      action: 'changed',
      name: 'schema',
      detail: isLogged ? `${counts}${advice(oldVersion, version)}` : `${counts}; nothing is logged`,
      impact: isLogged && version <= oldVersion ? 'breaking' : 'plain',
    },
  ];
}

function advice(before: number, after: number): string {
  if (after > before) return '';
  return after === before
    ? `; readers find it by cache_version, which stays ${after}: raise it`
    : `; readers find it by cache_version, which goes back from ${before} to ${after} and may have stood for other columns: raise it`;
}
