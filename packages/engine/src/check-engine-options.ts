import type { EngineOptions } from './engine-options.js';
import { EngineError } from './errors.js';

type Given = { readonly [name in keyof EngineOptions]?: unknown };

const names = new Set<string>([
  'configSource',
  'backends',
  'featureStore',
  'models',
  'expressions',
  'registry',
  'telemetry',
  'limits',
  'defaults',
  'compat',
  'featureCacheBytes',
  'shareFetches',
  'wasm',
  'logTap',
  'logger',
  'boundPlansPerModel',
  'idleRunsPerPlan',
  'idleRuns',
  'now',
] satisfies (keyof EngineOptions)[]);

/** Functions without which an option cannot be what it should be; one that is missing would be noticed by a request, or by nobody. */
const members: { readonly [name in keyof EngineOptions]?: readonly string[] } = {
  backends: ['model'],
  registry: ['register', 'get', 'require', 'freeze'],
  telemetry: ['counter', 'gauge', 'histogram', 'onCollect'],
  logTap: ['wants', 'taken'],
  logger: ['info', 'warn', 'error'],
};

/**
 * What a program without types may get wrong about the options of an engine.
 * @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID
 */
export function checkEngineOptions(options: unknown): void {
  if (!isObject(options)) refuse('createEngine needs options, such as { configSource, featureStore, models }');
  for (const name of Object.keys(options)) if (!names.has(name)) refuse(`there is no option "${name}"; there are ${[...names].join(', ')}`);
  const given: Given = options;
  if (!hasFunctions(given.configSource, ['start', 'close'])) {
    refuse('configSource must be a source of configurations, such as createObjectSource({ … }) or createDirectorySource({ directory })');
  }
  if (given.featureStore !== undefined && typeof given.featureStore !== 'function') refuse('featureStore must be a function');
  if (given.now !== undefined && typeof given.now !== 'function') refuse('now must be a function');
  checkFunctions('models', given.models, 'model name');
  if (!hasFunctions(given.expressions, ['compile', 'forComputeId'])) checkFunctions('expressions', given.expressions, 'compute id');
  for (const name of ['limits', 'defaults'] as const)
    if (given[name] !== undefined && !isObject(given[name])) refuse(`${name} must be an object of numbers`);
  for (const name of ['compat', 'shareFetches', 'wasm'] as const)
    if (given[name] !== undefined && typeof given[name] !== 'boolean') refuse(`${name} must be true or false`);
  for (const [name, needed] of Object.entries(members) as [keyof EngineOptions, readonly string[]][]) {
    if (given[name] === undefined || hasFunctions(given[name], needed)) continue;
    refuse(`${name} must be an object with the function${needed.length > 1 ? 's' : ''} ${needed.join(', ')}`);
  }
}

/**
 * What a source that somebody else wrote may get wrong.
 * @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID
 */
export function checkSnapshot(snapshot: unknown, source: string): void {
  if (!isObject(snapshot) || !(snapshot.models instanceof Map) || !isObject(snapshot.service))
    refuse(
      `configSource (${source}) gave something that is no snapshot of configurations: its start() must give one, with models and service`,
    );
}

function checkFunctions(option: string, functions: unknown, what: string): void {
  if (functions === undefined) return;
  if (!isObject(functions)) refuse(`${option} must be an object of functions by ${what}`);
  for (const [name, value] of Object.entries(functions)) if (typeof value !== 'function') refuse(`${option}["${name}"] must be a function`);
}

function hasFunctions(value: unknown, functions: readonly string[]): boolean {
  return isObject(value) && functions.every((name) => typeof value[name] === 'function');
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}

function refuse(message: string): never {
  throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', message);
}
