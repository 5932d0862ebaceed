import { checkEngineOptions } from './check-engine-options.js';
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
  checkEngineOptions(options);
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

function resolveDefaults(given: Partial<EngineDefaults> = {}): EngineDefaults {
  const resolved: Record<keyof EngineDefaults, number> = { ...engineDefaults };
  for (const name of Object.keys(given)) {
    if (Object.hasOwn(engineDefaults, name)) continue;
    const text = `there is no default "${name}"; there are ${Object.keys(engineDefaults).join(', ')}`;
    throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', text);
  }
  for (const name of Object.keys(engineDefaults) as (keyof EngineDefaults)[]) {
    const value = given[name];
    if (value === undefined) continue;
    const least = name === 'reserveMs' || name === 'modelBatchSize' ? 0 : 1;
    resolved[name] = name.endsWith('Ms') ? duration(`defaults.${name}`, value, least) : count(`defaults.${name}`, value, least);
  }
  return resolved;
}

function count(name: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', `${name} must be a whole number of at least ${least}`);
}

function duration(name: string, value: number, least: number): number {
  if (Number.isFinite(value) && value >= least) return value;
  throw new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', `${name} must be a number of milliseconds of at least ${least}`);
}
