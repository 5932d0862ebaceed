import type { ConfigSnapshot, ModelConfig, ModelEntry, Problem } from '@inferflow/config';
import type { RunMemory } from './compile/bind-plan.js';
import { type CompiledModel, compilePlan, type PlanEnvironment } from './compile/compile-plan.js';
import type { ModelPlan } from './compile/model-plan.js';
import type { ModelWarmer } from './warm/model-warmer.js';
import { rebindPlans } from './warm/rebind-plans.js';

/** One model of a snapshot with its plan. */
export interface LiveModel {
  readonly entry: ModelEntry;
  /** null = refused, and there is no earlier good version. */
  readonly plan: ModelPlan | null;
}

/**
 * The models that requests run on, swapped whole: a request keeps the plan it began with. A plan is compiled once per configuration,
 * when its source asks whether it is acceptable.
 */
export class ModelTable {
  #models: ReadonlyMap<string, LiveModel> = new Map();
  #snapshot: ConfigSnapshot | null = null;
  readonly #environment: PlanEnvironment;
  readonly #compiled = new WeakMap<ModelConfig, CompiledModel>();

  constructor(environment: PlanEnvironment) {
    this.#environment = environment;
  }

  get snapshot(): ConfigSnapshot | null {
    return this.#snapshot;
  }

  get models(): ReadonlyMap<string, LiveModel> {
    return this.#models;
  }

  get(modelConfigId: string): LiveModel | undefined {
    return this.#models.get(modelConfigId);
  }

  /** For the source: problems of severity `error` keep a configuration from going live. */
  accept(config: ModelConfig): readonly Problem[] {
    return this.#compile(config).problems;
  }

  /**
   * For the source: gets what a configuration needs ready before it serves.
   * @param memory what requests on the plan will use
   */
  warm(config: ModelConfig, warmer: ModelWarmer, memory: RunMemory): Promise<readonly Problem[] | null> | null {
    const { plan } = this.#compile(config);
    const running = this.#models.get(config.modelConfigId)?.plan ?? null;
    if (plan === null || plan === running) return null;
    const warming = warmer.warm(config, this.#environment.backendsFor(config).backends);
    if (running !== null) rebindPlans(plan, running, memory);
    return warming;
  }

  /** Takes over a snapshot. A configuration that no source asked about and that does not compile leaves the model's last plan in place. */
  publish(snapshot: ConfigSnapshot): void {
    const models = new Map<string, LiveModel>();
    for (const [modelConfigId, entry] of snapshot.models) {
      const compiled = entry.config === null ? null : this.#compile(entry.config);
      const plan = compiled?.plan ?? (entry.config === null ? null : (this.#models.get(modelConfigId)?.plan ?? null));
      models.set(modelConfigId, { entry, plan });
    }
    const before = this.#models;
    this.#models = models;
    this.#retire(before);
    this.#snapshot = snapshot;
  }

  /** Requests that run on a plan finish on it; it only keeps nothing for others. */
  #retire(before: ReadonlyMap<string, LiveModel>): void {
    const gone = new Set<string>();
    for (const [modelConfigId, { plan }] of before) {
      const now = this.#models.get(modelConfigId);
      if (plan !== null && plan !== now?.plan) plan.boundPlans.close();
      if (now === undefined) gone.add(modelConfigId);
    }
    if (gone.size > 0) this.#environment.metrics.telemetry.forget('model_id', gone);
  }

  #compile(config: ModelConfig): CompiledModel {
    let compiled = this.#compiled.get(config);
    if (compiled === undefined) {
      // The same content as what runs already needs no second plan: caches and connections stay warm.
      const running = this.#models.get(config.modelConfigId)?.plan;
      compiled =
        running?.config.hash === config.hash && running.config.dialect === config.dialect
          ? { plan: running, problems: [] }
          : compilePlan(config, this.#environment);
      this.#compiled.set(config, compiled);
    }
    return compiled;
  }
}
