import { isInGraph } from '../lint/column-table.js';
import type { ComponentConfig, ModelConfig } from '../model-config.js';

/** Batches where neither the component nor the caller says anything: the service's own defaults. */
export interface CostDefaults {
  /** Keys per call of the feature store. @default 50 */
  readonly featureBatchSize?: number;
  /** Rows per call of a compute service. @default 100 */
  readonly computeBatchSize?: number;
}

/** What one component costs at most. */
export interface ComponentCost {
  readonly component: string;
  /** Calls to other services. */
  readonly calls: number;
  /** Keys asked of the feature store. */
  readonly keys: number;
  /** Rows sent to model servers and compute services. */
  readonly rows: number;
}

/** Upper bounds of what one request costs: nothing is cached, no two targets share a key. */
export interface RequestCost extends Omit<ComponentCost, 'component'> {
  /** Those that cost anything, in config order. */
  readonly components: readonly ComponentCost[];
}

/** Estimates a request with this many targets; slate components are counted for one slate of them all. */
export function requestCost(config: ModelConfig, targets: number, defaults: CostDefaults = {}): RequestCost {
  const components = config.components
    .filter(({ componentName }) => isInGraph(config, componentName))
    .map((component) => ({ component: component.componentName, ...costOf(component, targets, defaults) }))
    .filter(({ calls, keys, rows }) => calls + keys + rows > 0);
  const sum = (field: 'calls' | 'keys' | 'rows'): number => components.reduce((total, cost) => total + cost[field], 0);
  return { calls: sum('calls'), keys: sum('keys'), rows: sum('rows'), components };
}

function costOf(component: ComponentConfig, targets: number, defaults: CostDefaults): Omit<ComponentCost, 'component'> {
  switch (component.kind) {
    case 'feature':
      if (component.columns.length === 0) break;
      return { calls: batches(targets, component.batchSize ?? defaults.featureBatchSize ?? 50), keys: targets, rows: 0 };
    case 'predator':
      // A slate is never split.
      return { calls: component.scope === 'slate' ? 1 : batches(targets, component.batchSize), keys: 0, rows: targets };
    case 'numerix': {
      if (component.expression !== undefined) break;
      const rows = component.scope === 'slate' ? 1 : targets;
      return { calls: batches(rows, component.batchSize ?? defaults.computeBatchSize ?? 100), keys: 0, rows };
    }
    case 'plugin':
      break;
  }
  return { calls: 0, keys: 0, rows: 0 };
}

/** All in one call where nothing says otherwise. */
function batches(rows: number, batchSize: number | undefined): number {
  return batchSize === undefined ? Math.min(rows, 1) : Math.ceil(rows / batchSize);
}
