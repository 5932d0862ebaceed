import { readFile } from 'node:fs/promises';
import { parseModelConfig } from '@inferflow/config';
import { buildLogSchema, type LogFeature, logFeature, recordVersion } from '@inferflow/logging';
import type { CommandIo } from './command-io.js';
import { InputError, readConfigInputs } from './config-input.js';

/** Where log schemas come from; exactly one is given. */
export interface SchemaOptions {
  /** Model configuration: a file or a directory. */
  readonly config?: string;
  /** A file as the schema endpoint answers. */
  readonly schema?: string;
  /** A server, such as `http://localhost:8085`, or the whole address of a schema endpoint. */
  readonly endpoint?: string;
}

/** Finds the columns of a record; undefined when nobody knows them. */
export type FindSchema = (modelConfigId: string, version: number) => Promise<readonly LogFeature[] | undefined>;

/** @throws InputError when none or several sources are named, or one cannot be read */
export async function schemaFinder(options: SchemaOptions, io: CommandIo): Promise<FindSchema> {
  const { config, schema, endpoint } = options;
  if ([config, schema, endpoint].filter((given) => given !== undefined).length !== 1) {
    throw new InputError('name one source of the schema: --config <file|dir>, --schema <file> or --endpoint <url>');
  }
  if (config !== undefined) return fromConfig(config, io);
  if (schema !== undefined) {
    const features = featuresOf(JSON.parse(await readFile(schema, 'utf8')), schema);
    return async () => features;
  }
  return fromEndpoint(endpoint ?? '');
}

async function fromConfig(path: string, io: CommandIo): Promise<FindSchema> {
  const schemas = (await readConfigInputs(path, io)).flatMap(({ modelConfigId, value }) => {
    const { config } = parseModelConfig(modelConfigId, value);
    return config === null ? [] : [buildLogSchema(config)];
  });
  return async (modelConfigId, version) => {
    const ofModel = schemas.filter((each) => each.modelConfigId === modelConfigId);
    // A single configuration is meant whatever its file is called.
    const candidates = ofModel.length > 0 ? ofModel : schemas.length === 1 ? schemas : [];
    return (candidates.find((each) => recordVersion(each.version) === version) ?? candidates[0])?.features;
  };
}

function fromEndpoint(address: string): FindSchema {
  const known = new Map<string, Promise<readonly LogFeature[] | undefined>>();
  const base = new URL(address);
  if (base.pathname === '/') base.pathname = '/schema';
  return (modelConfigId, version) => {
    const url = new URL(base);
    url.searchParams.set('model_config_id', modelConfigId);
    url.searchParams.set('version', String(version));
    let found = known.get(url.href);
    if (found === undefined) {
      found = fetch(url, { signal: AbortSignal.timeout(30_000) }).then(async (response) =>
        response.ok ? featuresOf(await response.json(), url.href) : undefined,
      );
      known.set(url.href, found);
    }
    return found;
  };
}

function featuresOf(answer: unknown, from: string): readonly LogFeature[] {
  const list = Array.isArray(answer) ? answer : (answer as { readonly data?: unknown } | null)?.data;
  if (!Array.isArray(list)) throw new InputError(`${from} is not a log schema: expected {"data":[{"feature_name":…,"feature_type":…}]}`);
  return list.map((entry: { readonly feature_name?: unknown; readonly feature_type?: unknown }, index) => {
    if (typeof entry?.feature_name !== 'string' || typeof entry.feature_type !== 'string') {
      throw new InputError(`${from}: entry ${index} has no feature_name or feature_type`);
    }
    return logFeature(entry.feature_name, entry.feature_type);
  });
}
