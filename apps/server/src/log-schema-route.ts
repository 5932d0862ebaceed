import { type LogSchema, type SchemaBook, schemaAnswer } from '@inferflow/logging';

/** Where today's readers ask: the decoder's default path, and the control plane's. */
const readerPaths = new Set([
  '/api/v1/inference/mp-config-registry/get_feature_schema',
  '/api/v1/horizon/inferflow-config-registry/get_feature_schema',
]);

/** Whether a path is about log schemas. */
export function isSchemaPath(path: string): boolean {
  return path === '/schema' || readerPaths.has(path);
}

/**
 * The columns of a model's log. Readers ask with `model_config_id` and `version` (the record's metadata); `/schema` also takes
 * `config_hash`, gives the newest schema when neither is named, and without a model lists what it knows.
 */
export function answerSchema(schemas: SchemaBook, path: string, url: string): { readonly status: number; readonly body: string } {
  const query = new URL(url, 'http://localhost').searchParams;
  const modelConfigId = query.get('model_config_id') ?? '';
  const version = query.get('version');
  if (path !== '/schema') {
    const found = version !== null && /^\d{1,9}$/.test(version) ? schemas.byVersion(modelConfigId, Number(version)) : undefined;
    return found === undefined
      ? { status: 400, body: JSON.stringify('Error getting feature schema') }
      : { status: 200, body: JSON.stringify(schemaAnswer(found)) };
  }
  if (modelConfigId === '') return { status: 200, body: JSON.stringify(listing(schemas)) };
  const configHash = query.get('config_hash');
  let found: LogSchema | undefined;
  if (configHash !== null) found = schemas.byHash(modelConfigId, configHash);
  else if (version !== null) found = schemas.byVersion(modelConfigId, Number(version));
  else found = schemas.newest(modelConfigId);
  if (found === undefined) return { status: 404, body: JSON.stringify({ error: 'no such log schema' }) };
  const { configHash: hash, version: cacheVersion } = found;
  return {
    status: 200,
    body: JSON.stringify({ model_config_id: modelConfigId, config_hash: hash, version: cacheVersion, ...schemaAnswer(found) }),
  };
}

function listing(schemas: SchemaBook): object {
  return {
    models: schemas.list().map(({ modelConfigId, schemas: known }) => ({
      model_config_id: modelConfigId,
      schemas: known.map(({ configHash, version, features }) => ({ config_hash: configHash, version, features: features.length })),
    })),
  };
}
