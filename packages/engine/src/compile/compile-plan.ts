import {
  type Component,
  type ComponentDeps,
  ComponentError,
  type ComponentLimits,
  type FeatureCache,
  makeComponent,
  type Registry,
  readNames,
  writeSlots,
} from '@inferflow/components';
import { type ComponentConfig, FEATURE_INITIALIZER, hasErrors, type ModelConfig, type Problem } from '@inferflow/config';
import { type ComponentDeclaration, compileTopology, findTopologyProblems, type Topology } from '@inferflow/dag';
import type { MemoryPool } from '@inferflow/matrix';
import { AdmissionGate } from '../admission/admission-gate.js';
import type { ProcessLoad } from '../admission/process-load.js';
import type { ModelBackends } from '../embed/embedded-backends.js';
import { createPlanMetrics, type EngineMetrics } from '../metrics.js';
import { OverloadErrors } from '../run/run-errors.js';
import { utf8Bytes } from '../utf8-bytes.js';
import { BoundPlans } from './bound-plans.js';
import { compileColumnTypes } from './column-types.js';
import { compileConstants } from './constants.js';
import { type ModelPlan, type PlanComponent, SlateBlock, TargetBlock } from './model-plan.js';
import { planBlock, type TensorColumns } from './plan-blocks.js';

/** What plans of one engine share. */
export interface PlanEnvironment {
  readonly registry: Registry;
  /** The backends of one model: embedded functions are typed by its configuration. */
  backendsFor(config: ModelConfig): ModelBackends;
  readonly pool: MemoryPool;
  readonly cache: FeatureCache | null;
  readonly shareFetches: boolean;
  readonly wasm: boolean;
  readonly featureParallelBatches: number;
  readonly componentLimits: ComponentLimits;
  /** For every model, whatever its configuration says. */
  readonly compat: boolean;
  readonly metrics: EngineMetrics;
  readonly boundPlansPerModel: number;
  /** Most requests of a model that are worked on at once. */
  readonly maxInFlight: number;
  /** Of this process; null = never taken into account. */
  readonly load: ProcessLoad | null;
}

/** A plan, or why there is none. */
export interface CompiledModel {
  readonly plan: ModelPlan | null;
  readonly problems: readonly Problem[];
}

/** Compiles a model's configuration. Problems of severity `error` mean that there is no plan. Never throws for a bad configuration. */
export function compilePlan(config: ModelConfig, environment: PlanEnvironment): CompiledModel {
  const { backends, problems: missing } = environment.backendsFor(config);
  const problems: Problem[] = [...missing];
  const compat = config.compat || environment.compat;
  const metrics = createPlanMetrics(environment.metrics, config, backends);
  const created = new Map<string, { readonly config: ComponentConfig; readonly component: Component }>();
  for (const component of config.components) {
    if (!(component.componentName in config.dependencies)) continue;
    const deps: ComponentDeps = {
      componentName: component.componentName,
      modelConfigId: config.modelConfigId,
      compat,
      backends,
      metrics: metrics.component(component.componentName).inner,
      features: {
        cache: environment.cache,
        cacheVersion: config.cache.version === 0 ? 1 : config.cache.version,
        shareFetches: environment.shareFetches,
        wasm: environment.wasm,
        maxParallelBatches: environment.featureParallelBatches,
      },
      limits: environment.componentLimits,
      pool: environment.pool,
    };
    try {
      created.set(component.componentName, { config: component, component: createComponent(component, deps, environment.registry) });
    } catch (error) {
      problems.push(refusal(component.componentName, error));
    }
  }
  if (hasErrors(problems)) return { plan: null, problems };

  const topology = compileGraph(config, created, problems);
  if (topology === null) return { plan: null, problems };
  const plan: ModelPlan = {
    modelConfigId: config.modelConfigId,
    config,
    configHashBytes: utf8Bytes(config.hash),
    compat,
    topology,
    components: planComponents(topology, created),
    constants: compileConstants(config),
    columnTypes: compileColumnTypes(config),
    extendedFeatures: extendedFeatures(config),
    metrics,
    boundPlans: new BoundPlans(environment.boundPlansPerModel, metrics),
    gate: new AdmissionGate(environment.maxInFlight, environment.load),
    overloads: new OverloadErrors(config.modelConfigId),
  };
  return { plan, problems };
}

function createComponent(config: ComponentConfig, deps: ComponentDeps, registry: Registry): Component {
  const isPlugin = config.kind === 'plugin';
  const definition = registry.require(isPlugin ? config.type : config.kind);
  const component = makeComponent(definition, isPlugin ? config.config : config, deps);
  // A plugin that does not care about its scope works on slates where the configuration says so.
  return isPlugin && config.scope === 'slate' && component.scope === 'target'
    ? Object.freeze({ ...component, scope: 'slate' as const })
    : component;
}

type Created = ReadonlyMap<string, { readonly config: ComponentConfig; readonly component: Component }>;

function compileGraph(config: ModelConfig, created: Created, problems: Problem[]): Topology | null {
  const components: ComponentDeclaration[] = [...created].map(([componentId, { config: own, component }]) => ({
    componentId,
    reads: readNames(component),
    writes: writeSlots(component).map(({ name }) => name),
    onFailure: own.onFailure,
  }));
  const dependencies: Record<string, readonly string[]> = {};
  for (const [componentId, needed] of Object.entries(config.dependencies)) {
    if (componentId !== FEATURE_INITIALIZER) dependencies[componentId] = needed.filter((name) => name !== FEATURE_INITIALIZER);
  }
  const isPlugin = (name: string | undefined): boolean => name !== undefined && created.get(name)?.config.kind === 'plugin';
  for (const problem of findTopologyProblems({ components, dependencies })) {
    // What built-in components read and write was checked with the configuration; only plugins declare theirs in code.
    if (problem.columnName !== undefined && !isPlugin(problem.componentId) && !isPlugin(problem.requiredBy)) continue;
    problems.push({ severity: 'error', code: 'INFERFLOW_CONFIG_REFUSED', path: `$.${problem.path}`, message: problem.message });
  }
  if (hasErrors(problems)) return null;
  return compileTopology({
    components: components.map(({ componentId, onFailure }) => ({ componentId, onFailure: onFailure ?? 'default' })),
    dependencies,
  });
}

function planComponents(topology: Topology, created: Created): PlanComponent[] {
  const tensors: TensorColumns[] = [...created.values()].flatMap(({ component }) =>
    Object.values(component.reads).flatMap((read) => (read.kind === 'tensor' ? [{ columns: read.columns, type: read.type }] : [])),
  );
  let slateComponents = 0;
  return topology.componentIds.map((name, index) => {
    const entry = created.get(name);
    if (entry === undefined) throw new TypeError(`component "${name}" of the topology was not created`);
    const slots = writeSlots(entry.component);
    const block = slots.length === 0 ? null : planBlock(slots, tensors);
    const isSlate = entry.component.scope === 'slate';
    return {
      index,
      name,
      nameBytes: utf8Bytes(name),
      config: entry.config,
      component: entry.component,
      shape: block?.shape ?? null,
      slotOf: block?.slotOf ?? [],
      blockIndex: isSlate ? SlateBlock.firstComponent + slateComponents++ : TargetBlock.firstComponent + index,
    };
  });
}

/** All model inputs in configured order, then the response columns that are not among them. */
function extendedFeatures(config: ModelConfig): readonly string[] {
  const names = new Set<string>();
  for (const component of config.components) {
    if (component.kind === 'predator') for (const input of component.inputs) for (const feature of input.features) names.add(feature);
  }
  for (const feature of config.response.features) names.add(feature);
  return [...names];
}

function refusal(componentName: string, error: unknown): Problem {
  const inner = error instanceof ComponentError && error.path !== undefined ? error.path.replace(/^\$/, '') : '';
  const message = error instanceof Error ? error.message : 'a value that is no error was thrown';
  return {
    severity: 'error',
    code: 'INFERFLOW_CONFIG_REFUSED',
    path: `$.component_config.${componentName}${inner}`,
    message: `component "${componentName}" could not be made: ${message}`,
  };
}
