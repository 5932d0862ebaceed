import { parseModelConfig } from '@inferflow/config';
import { buildLogSchema, type LogFeature, logFeature, recordVersion } from '@inferflow/logging';
import type { CommandIo } from './command-io.js';
import { InputError, readConfigInputs, readText } from './config-input.js';

/** Where log schemas come from; exactly one is given. */
export interface SchemaOptions {
  /** Model configuration: a file or a directory. */
  readonly config?: string;
  /** A file as the schema endpoint answers. */
  readonly schema?: string;
  /** A server, such as `http://localhost:8085`, or the whole address of a schema endpoint. */
  readonly endpoint?: string;
  /** The model whose records are wanted, if only one is. */
  readonly model?: string;
}

/** Finds the columns of a record; undefined when nobody knows them. */
export type FindSchema = (modelConfigId: string, version: number) => Promise<readonly LogFeature[] | undefined>;

/** @throws InputError when none or several sources are named, or one cannot be read */
export async function schemaFinder(options: SchemaOptions, io: CommandIo): Promise<FindSchema> {
  const { config, schema, endpoint, model } = options;
  if ([config, schema, endpoint].filter((given) => given !== undefined).length !== 1) {
    throw new InputError('name one source of the schema: --config <file|dir>, --schema <file> or --endpoint <url>');
  }
  if (config !== undefined) return fromConfig(config, model, io);
  if (schema !== undefined) return fromFile(schema, model);
  return fromEndpoint(endpoint ?? '');
}

/** A file says for which model it is, or is for every record. */
async function fromFile(path: string, model: string | undefined): Promise<FindSchema> {
  const answer: unknown = parseJson(await readText(path), path);
  const features = featuresOf(answer, path);
  const of = (answer as { readonly model_config_id?: unknown } | null)?.model_config_id;
  return async (modelConfigId) => (typeof of === 'string' && of !== modelConfigId && model === undefined ? undefined : features);
}

async function fromConfig(path: string, model: string | undefined, io: CommandIo): Promise<FindSchema> {
  const problems: string[] = [];
  const schemas = (await readConfigInputs(path, io)).flatMap(({ file, modelConfigId, value, problem }) => {
    const { config, problems: found } = parseModelConfig(modelConfigId, value);
    if (config !== null) return [buildLogSchema(config)];
    const first = problem ?? found.find(({ severity }) => severity === 'error');
    problems.push(`${file}: ${first?.path ?? '$'}: ${first?.message ?? 'not a model configuration'}`);
    return [];
  });
  if (schemas.length === 0) throw new InputError(`--config ${path} holds no usable model configuration\n${problems.join('\n')}`);
  for (const problem of problems) io.error(`${problem}\n`);
  const told = new Set<string>();
  return async (modelConfigId, version) => {
    const ofModel = schemas.filter((each) => each.modelConfigId === modelConfigId);
    // Whatever the file of the only model that is wanted is called. Records of others, read with it, would only seem to make sense.
    const candidates = ofModel.length === 0 && schemas.length === 1 && model !== undefined ? schemas : ofModel;
    const same = candidates.find((each) => recordVersion(each.version) === version);
    const found = same ?? candidates[0];
    if (same === undefined && found !== undefined && !told.has(`${version} ${modelConfigId}`)) {
      told.add(`${version} ${modelConfigId}`);
      io.error(`records of ${modelConfigId} have version ${version}, the configuration is version ${found.version}: columns may differ\n`);
    }
    return found?.features;
  };
}

function fromEndpoint(address: string): FindSchema {
  const known = new Map<string, Promise<readonly LogFeature[] | undefined>>();
  const absolute = address.includes('://') ? address : `http://${address}`;
  if (!URL.canParse(absolute)) throw new InputError(`--endpoint ${address}: expected an address such as http://localhost:8085`);
  const base = new URL(absolute);
  if (base.pathname === '/') base.pathname = '/schema';
  return (modelConfigId, version) => {
    const url = new URL(base);
    url.searchParams.set('model_config_id', modelConfigId);
    url.searchParams.set('version', String(version));
    let found = known.get(url.href);
    if (found === undefined) {
      found = ask(url);
      known.set(url.href, found);
    }
    return found;
  };
}

/** undefined: the server has no such schema. @throws InputError when there is no usable answer */
async function ask(url: URL): Promise<readonly LogFeature[] | undefined> {
  let response: Response;
  let text: string;
  try {
    response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
    text = await response.text();
  } catch (cause) {
    const reason = ((cause as Error).cause as Error | undefined)?.message ?? (cause as Error).message;
    throw new InputError(`${url.origin} cannot be asked for the schema: ${reason}`, { cause });
  }
  // The one for an unknown model, the other from the control plane.
  if (response.status === 404 || response.status === 400) return undefined;
  if (!response.ok) throw new InputError(`${url.href} answers with status ${response.status}`);
  return featuresOf(parseJson(text, url.href), url.href);
}

function parseJson(text: string, from: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InputError(`${from} is not JSON: ${(cause as Error).message}`, { cause });
  }
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
