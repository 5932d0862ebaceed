import { type PredatorComponentConfig, scoreColumnType } from '@inferflow/config';
import { v2ElementBytes } from '@inferflow/matrix';
import { configOfKind } from '../built-in-config.js';
import type { ChunkMode } from '../chunks.js';
import { type Component, type ComponentDeps, component, defineComponent, PENDING } from '../define-component.js';
import { ComponentError } from '../errors.js';
import { readTensor } from '../reads.js';
import { type ColumnSpec, writeColumns } from '../writes.js';
import { InferTemplate } from './infer-template.js';
import { ModelSource } from './model-source.js';
import { OutputReader } from './output-reader.js';
import { type ModelRoute, type PredatorPlan, PredatorRun } from './predator-run.js';
import { chooseRoute, routeSeed } from './routing.js';

/** Calls a model on a server that speaks the Open Inference Protocol and writes its outputs as score columns. */
export const predatorDefinition = defineComponent<PredatorComponentConfig>({
  type: 'predator',
  apiVersion: 1,
  parseConfig: (raw) => configOfKind(raw, 'predator'),
  create: createPredatorComponent,
});

function createPredatorComponent(config: PredatorComponentConfig, deps: ComponentDeps): Component {
  const mode: ChunkMode = config.scope === 'slate' ? config.slateCalls : 'targets';
  const routes = createRoutes(config, deps, mode);
  const seed = routeSeed(deps.componentName);
  const scores = config.outputs.flatMap((output) => output.scores.map((score) => scoreColumn(output.dataType, score)));
  if (scores.length === 0) {
    throw new ComponentError('INFERFLOW_COMPONENTS_CONFIG_INVALID', `${deps.componentName}: a model component needs at least one score`, {
      path: '$.outputs',
    });
  }
  const plan: PredatorPlan = {
    deps,
    mode,
    batchSize: config.batchSize ?? routes.fallback?.backend.batchSize ?? routes.shares[0]?.backend.batchSize ?? 0,
    deadlineMs: config.deadlineMs,
    broadcasts: config.broadcastSingleScore || deps.compat,
    inputs: config.inputs.map(({ name, shape }, index) => ({ read: `input${index}`, name, shape })),
    scoresOf: config.outputs.map((output) => output.scores.length),
    createReader: () => new OutputReader(config),
  };
  return component({
    reads: Object.fromEntries(
      config.inputs.map((input, index) => [
        `input${index}`,
        readTensor({ columns: input.features, type: input.dataType, shape: input.shape }),
      ]),
    ),
    writes: { scores: writeColumns(scores) },
    scope: config.scope,
    createState: () => new PredatorRun(plan),
    execute(run) {
      if (run.rows.count === 0 && config.scope === 'target') return;
      // The hash costs a look at the caller's headers.
      const share = config.endpoints.length === 0 ? -1 : chooseRoute(config.endpoints, seed, run.request.routeHash);
      const route = share < 0 ? routes.fallback : routes.shares[share];
      // Percentages that do not add up are refused when the model is loaded, so a route is always there.
      if (route === null || route === undefined) throw unavailable(deps, config.endpoint);
      run.state.start(run, route);
      return PENDING;
    },
    reusesRun: true,
    cancelled(run) {
      run.state.leave();
    },
  });
}

function scoreColumn(outputType: string, score: { readonly name: string; readonly dims: readonly number[] }): ColumnSpec {
  const { dataType } = scoreColumnType(outputType, score.dims);
  const elementBytes = v2ElementBytes(outputType);
  const isOpen = elementBytes <= 0 || score.dims.some((dim) => dim < 0);
  return {
    name: score.name,
    type: dataType,
    width: isOpen ? 'variable' : elementBytes * score.dims.reduce((product, dim) => product * dim, 1),
  };
}

interface Routes {
  /** One per share, in order; null for a share of nothing. */
  readonly shares: readonly (ModelRoute | null)[];
  readonly fallback: ModelRoute | null;
}

function createRoutes(config: PredatorComponentConfig, deps: ComponentDeps, mode: ChunkMode): Routes {
  const made = new Map<string, ModelRoute>();
  const routeOf = (endpoint: string, modelName: string): ModelRoute => {
    const key = `${endpoint}\0${modelName}`;
    const known = made.get(key);
    if (known !== undefined) return known;
    const backend = deps.backends.model(endpoint);
    if (backend === null) throw unavailable(deps, endpoint);
    const alone = { backend, template: new InferTemplate(config, modelName, mode), modelName, source: null };
    const route = isShared(config, deps) ? { ...alone, source: createSource(config, deps, alone) } : alone;
    made.set(key, route);
    return route;
  };
  return {
    shares: config.endpoints.map((share) => (share.percentage > 0 ? routeOf(share.endpoint, share.modelName ?? config.modelName) : null)),
    fallback: config.endpoint === '' ? null : routeOf(config.endpoint, config.modelName),
  };
}

/**
 * Whether rows of several requests may stand in one call. What a slate component sends belongs together; a row that is meant to stand
 * for all rows of its call belongs to one request. (In `compat` models every answer of one row does: such calls are repeated alone.)
 */
function isShared({ coalesce, scope, broadcastSingleScore }: PredatorComponentConfig, { compat }: ComponentDeps): boolean {
  return coalesce && scope === 'target' && (compat || !broadcastSingleScore);
}

function createSource(config: PredatorComponentConfig, deps: ComponentDeps, route: ModelRoute): ModelSource {
  return new ModelSource(deps, route, {
    batchSize: config.batchSize ?? route.backend.batchSize,
    waitMs: config.coalesceWaitMs,
    reader: new OutputReader(config),
  });
}

function unavailable(deps: ComponentDeps, endpoint: string): ComponentError {
  return new ComponentError(
    'INFERFLOW_COMPONENTS_DEPENDENCY_UNAVAILABLE',
    endpoint === ''
      ? `${deps.componentName} has no model endpoint`
      : `${deps.componentName} calls the model endpoint "${endpoint}", which is not configured`,
  );
}
