import { bindPlan, type RunMemory } from '../compile/bind-plan.js';
import type { ModelPlan } from '../compile/model-plan.js';
import { Violations } from '../request/violations.js';

/** Requests of a model have few schemas; more are bound when they come. */
const MOST_SCHEMAS = 8;

/**
 * Binds a plan for the requests that the plan before it has served, so that the first request after a swap finds its codecs. Nothing
 * happens where the two read requests differently.
 */
export function rebindPlans(plan: ModelPlan, before: ModelPlan, memory: RunMemory): void {
  if (plan === before || readingOf(plan) !== readingOf(before)) return;
  for (const { key, bound } of before.boundPlans.mostUsed(MOST_SCHEMAS)) {
    const rebound = bindPlan(plan, bound.schema, memory, new Violations());
    if (rebound !== null) plan.boundPlans.addKept(key, rebound);
  }
}

/** What of a plan decides how a request's schema is read. */
function readingOf({ config, components }: ModelPlan): string {
  const keys = components.flatMap(({ component }) =>
    Object.values(component.reads).flatMap((read) => (read.kind === 'keys' ? read.columns : [])),
  );
  return JSON.stringify([config.requestValues, config.response.features[0] ?? '', config.compat, [...new Set(keys)].sort()]);
}
