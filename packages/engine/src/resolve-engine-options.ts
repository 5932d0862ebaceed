import type { EngineDefaults, EngineOptions } from './engine-options.js';
import { EngineError } from './errors.js';
import { type Limits, resolveLimits } from './request/limits.js';

/** Engine options with all defaults filled in, as the inside uses them. */
export interface ResolvedEngineOptions {
  readonly limits: Limits;
  readonly defaults: EngineDefaults;
  readonly compat: boolean;
  readonly featureCacheBytes: number;
  readonly shareFetches: boolean;
  readonly wasm: boolean;
  readonly boundPlansPerModel: number;
  readonly idleRunsPerPlan: number;
  readonly idleRuns: number;
  readonly maxAnswerBytes: number;
  readonly now: () => number;
}

const engineDefaults: EngineDefaults = {
  deadlineMs: 5_000,
  reserveMs: 15,
  modelDeadlineMs: 1_000,
  modelBatchSize: 100,
  featureParallelBatches: 16,
  slateParallelCalls: 32,
};

/** @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID */
export function resolveEngineOptions(options: EngineOptions): ResolvedEngineOptions {
  checkOptions(options);
  return {
    limits: resolveLimits(options.limits),
    defaults: resolveDefaults(options.defaults),
    compat: options.compat ?? false,
    featureCacheBytes: count('featureCacheBytes', options.featureCacheBytes ?? 64 * 1024 * 1024, 0),
    shareFetches: options.shareFetches ?? true,
    wasm: options.wasm ?? true,
    boundPlansPerModel: count('boundPlansPerModel', options.boundPlansPerModel ?? 64, 1),
    idleRunsPerPlan: count('idleRunsPerPlan', options.idleRunsPerPlan ?? 64, 0),
    idleRuns: count('idleRuns', options.idleRuns ?? 1024, 0),
    maxAnswerBytes: 32 * 1024 * 1024,
    now: options.now ?? Date.now,
  };
}

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

/** What a program without types may get wrong. */
function checkOptions(options: unknown): void {
  if (typeof options !== 'object' || options === null) refuse('createEngine needs options, such as { configSource, featureStore, models }');
  for (const name of Object.keys(options)) if (!names.has(name)) refuse(`there is no option "${name}"; there are ${[...names].join(', ')}`);
  const { configSource, featureStore, models } = options as { readonly [name in keyof EngineOptions]?: unknown };
  if (typeof (configSource as { readonly start?: unknown } | null | undefined)?.start !== 'function') {
    refuse('configSource must be a source of configurations, such as createObjectSource({ … }) or createDirectorySource({ directory })');
  }
  if (featureStore !== undefined && typeof featureStore !== 'function') refuse('featureStore must be a function');
  if (models === undefined) return;
  if (typeof models !== 'object' || models === null) refuse('models must be an object of functions by model name');
  for (const [name, model] of Object.entries(models)) if (typeof model !== 'function') refuse(`models["${name}"] must be a function`);
}

function refuse(message: string): never {
  throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', message);
}

function resolveDefaults(given: Partial<EngineDefaults> = {}): EngineDefaults {
  const resolved: Record<keyof EngineDefaults, number> = { ...engineDefaults };
  for (const name of Object.keys(engineDefaults) as (keyof EngineDefaults)[]) {
    const value = given[name];
    if (value !== undefined) resolved[name] = count(`defaults.${name}`, value, name === 'reserveMs' || name === 'modelBatchSize' ? 0 : 1);
  }
  return resolved;
}

function count(name: string, value: number, least: number): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', `${name} must be a number of at least ${least}`);
}
