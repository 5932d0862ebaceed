import { rememberPlaces } from '../component-paths.js';
import { meaningHashSteps } from '../hash.js';
import { copyJson, isJsonObject, type JsonObject, type JsonValue } from '../json.js';
import { describeValue, joinPath } from '../json-path.js';
import type { ComponentConfig, ModelCacheConfig, ModelConfig, ResponseConfig } from '../model-config.js';
import { type Assumption, hasErrors, type Problem } from '../problem.js';
import { finish, type Steps } from '../steps.js';
import { defaultIdColumn } from '../written-columns.js';
import { detectDialect } from './detect-dialect.js';
import { ObjectReader } from './object-reader.js';
import { type PlacedComponent, parseComponents } from './parse-components.js';
import { createProblem, ParseContext } from './parse-context.js';
import { parseGraph } from './parse-graph.js';
import { parseResponse } from './parse-response.js';
import { resolveScores } from './resolve-scores.js';
import { withoutConsequences } from './without-consequences.js';

/** What came of reading a config. */
export interface ParseResult {
  /** Null if a problem is an error. */
  readonly config: ModelConfig | null;
  /** Everything that is wrong, at once. */
  readonly problems: readonly Problem[];
  /** Everything the config leaves to a default because its dialect does not say it. */
  readonly assumptions: readonly Assumption[];
}

const DEFAULT_CACHE_TTL_SECONDS = 100;
const DEFAULT_ERROR_LOGGING_PERCENT = 10;

/**
 * Reads one model's config in either dialect. Never throws for anything in the config, never changes what it is given and keeps no part of it.
 * Whether the graph as a whole makes sense is for `lintModel` to say.
 */
export function parseModelConfig(modelConfigId: string, raw: unknown): ParseResult {
  const { draft, problems, assumptions } = finish(draftSteps(modelConfigId, raw));
  return Object.freeze({ config: hasErrors(problems) ? null : draft, problems, assumptions });
}

/** What could be read of a config, whatever is wrong with it. */
export interface ConfigDraft extends Omit<ParseResult, 'config'> {
  /** Only good for finding more problems if one of `problems` is an error; null if there is nothing to look at. */
  readonly draft: ModelConfig | null;
}

/** @internal {@link parseModelConfig} in portions, which also hands out a config with errors, so that its graph can be checked all the same. */
export function* draftSteps(modelConfigId: string, raw: unknown): Steps<ConfigDraft> {
  const refusals: Problem[] = [];
  const json = copyJson(raw, ({ code, path, found }) => {
    refusals.push(createProblem(code, path.reduce(joinPath, '$'), `${found} is not accepted here`, { found, expected: 'a JSON value' }));
  });
  yield;
  if (refusals.length > 0) return refused(refusals);
  if (!isJsonObject(json)) {
    const details = { found: describeValue(json), expected: 'an object' };
    return refused([
      createProblem('INFERFLOW_CONFIG_WRONG_TYPE', '$', `a model config is an object, found ${describeValue(json)}`, details),
    ]);
  }
  return yield* parseObject(modelConfigId, json);
}

function refused(problems: readonly Problem[]): ConfigDraft {
  return Object.freeze({ draft: null, problems: Object.freeze([...problems]), assumptions: Object.freeze([]) });
}

function* parseObject(modelConfigId: string, json: JsonObject): Steps<ConfigDraft> {
  const { dialect, problem } = detectDialect(json);
  const context = new ParseContext(dialect);
  if (problem !== undefined) context.problems.push(problem);
  const reader = new ObjectReader(context, 'model', json, '$', '$');
  const compat = reader.has('compat') && reader.raw('compat') !== '' && reader.choice('compat', ['go-1.0'], 'go-1.0') === 'go-1.0';
  const requestValues = reader.choice('requestValues', ['text', 'typed'], dialect === 'documented' ? 'typed' : 'text');
  const deadlineMs = reader.positive('deadline', 'ms');
  const graph = readMember(reader, 'graph');
  const components = readMember(reader, 'components');
  const dependencies = graph === undefined ? {} : parseGraph(graph);
  const cache = components === undefined ? undefined : parseCache(components);
  const placed = components === undefined || cache === undefined ? [] : yield* parseComponents(components, cache, compat);
  const response = parseResponse(
    reader.object('response', 'response', 'response') ?? new ObjectReader(context, 'response', {}, '$.response_config', null),
  );
  const errorLoggingPercent = components?.percentage('errorLoggingPercent', DEFAULT_ERROR_LOGGING_PERCENT) ?? DEFAULT_ERROR_LOGGING_PERCENT;
  if (components !== undefined) checkAccepted(context, components, placed);
  yield;
  const named = nameColumns(context, components, placed, response);
  if (components === undefined || cache === undefined) return { ...refused(context.problems), assumptions: context.assumptions };
  const meaning = {
    modelConfigId,
    dialect,
    compat,
    requestValues,
    dependencies,
    order: named.components.map((component) => component.componentName),
    cache,
    errorLoggingPercent,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    components: named.components,
    response: named.response,
    extra: context.extra,
  };
  yield;
  const hash = yield* meaningHashSteps(meaning);
  yield;
  const draft = deepFreeze({ ...meaning, hash });
  yield;
  rememberPlaces(draft, context.places);
  const problems = Object.freeze(withoutConsequences(context.problems));
  return Object.freeze({ draft, problems, assumptions: Object.freeze(context.assumptions) });
}

function readMember(reader: ObjectReader, key: 'graph' | 'components'): ObjectReader | undefined {
  if (!reader.has(key)) reader.missing(key, 'a model');
  return reader.object(key, key, key);
}

function parseCache(reader: ObjectReader): ModelCacheConfig {
  const version = readCacheVersion(reader);
  if (version < 0 || version > 15) {
    const details = { found: String(version), expected: '1 to 15' };
    reader.context.report(
      'INFERFLOW_CONFIG_CACHE_VERSION',
      reader.pathOf('cacheVersion'),
      `cache_version ${version} does not fit the log metadata`,
      details,
    );
  }
  return {
    enabled: reader.boolean('cacheEnabled'),
    version,
    ttlSeconds: reader.positive('cacheTtl', 'seconds') ?? DEFAULT_CACHE_TTL_SECONDS,
  };
}

function readCacheVersion(reader: ObjectReader): number {
  const raw: JsonValue | undefined = reader.raw('cacheVersion');
  if (reader.context.dialect === 'deployed' || typeof raw !== 'string') return reader.integer('cacheVersion') ?? 0;
  const digits = /^v?(-?\d{1,9})$/i.exec(raw)?.[1];
  if (digits !== undefined) return Number(digits);
  reader.invalid('cacheVersion', `cache_version is ${describeValue(raw)}`, {
    found: describeValue(raw),
    expected: '"v1", "v2", … or a whole number',
  });
  return 0;
}

/** The original refuses a model without a component that fetches or calls a model; inline expressions and plugins are ours. */
function checkAccepted(context: ParseContext, reader: ObjectReader, placed: readonly PlacedComponent[]): void {
  const isAccepted = placed.some(({ component }) => component.kind !== 'numerix' || component.expression !== undefined);
  if (isAccepted || hasErrors(context.problems)) return;
  context.report('INFERFLOW_CONFIG_NO_COMPONENTS', reader.path, 'a model needs a component that fetches features or calls a model');
}

interface Named {
  readonly components: readonly ComponentConfig[];
  readonly response: ResponseConfig;
}

function nameColumns(
  context: ParseContext,
  reader: ObjectReader | undefined,
  placed: readonly PlacedComponent[],
  response: ResponseConfig,
): Named {
  const components = placed.map(({ component }) => component);
  const resolved =
    context.dialect === 'documented' && reader !== undefined ? resolveScores(reader, components, response) : { components, response };
  const idColumn = resolved.response.idColumn || defaultIdColumn(resolved.components, resolved.response.features);
  if (resolved.response.idColumn === '' && idColumn !== resolved.response.features[0] && context.dialect === 'documented') {
    context.assume('$.response_config.id_column', idColumn, 'column with the ids of Predict targets');
  }
  return {
    components: resolved.components.map((component, index) => withRowId(context, component, idColumn, placed[index]?.path ?? '$')),
    response: { ...resolved.response, idColumn },
  };
}

function withRowId(context: ParseContext, component: ComponentConfig, idColumn: string, path: string): ComponentConfig {
  if (component.kind !== 'numerix' || component.componentId !== '') return component;
  const at = joinPath(path, 'component_id');
  const message = `component_id is missing; the id column ${describeValue(idColumn)} is used`;
  if (context.dialect === 'documented') context.assume(at, idColumn, 'column sent as row id');
  else context.report('INFERFLOW_CONFIG_DEFAULTED', at, message, { expected: 'text' });
  return { ...component, componentId: idColumn };
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const member of Object.values(value)) deepFreeze(member);
  return Object.freeze(value);
}
