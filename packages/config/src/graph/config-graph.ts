import { compileTopology } from '@inferflow/dag';
import { readColumns } from '../lint/column-reads.js';
import { isInGraph } from '../lint/column-table.js';
import { type ComponentConfig, FEATURE_INITIALIZER, type ModelConfig } from '../model-config.js';
import { writtenColumns } from '../written-columns.js';

/** One component of a drawn graph. */
export interface GraphComponent {
  readonly componentName: string;
  readonly kind: ComponentConfig['kind'] | 'feature_initializer';
  /** 0 for what starts at once; one more than its deepest dependency otherwise. */
  readonly level: number;
  /** What it does in a few words: the entity it fetches, the model it calls, the expression it evaluates. */
  readonly about: string;
  /** Columns that nobody in the graph writes: they come with the request. */
  readonly requestColumns: readonly string[];
}

/** A component waits for another one, or reads what it wrote. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  /** Columns of `from` that `to` reads; empty for a pure wait. */
  readonly columns: readonly string[];
  /** False: read over several steps, without a dependency of its own. */
  readonly isDependency: boolean;
}

/** A model's components by level, and the columns that flow between them. */
export interface ConfigGraph {
  readonly modelConfigId: string;
  readonly components: readonly GraphComponent[];
  readonly edges: readonly GraphEdge[];
}

/**
 * The graph of a model as people draw it.
 * @throws DagError when the graph has a cycle or names a component that does not exist; `lintModel` tells first
 */
export function configGraph(config: ModelConfig): ConfigGraph {
  const inGraph = config.components.filter((component) => isInGraph(config, component.componentName));
  const topology = compileTopology({
    components: [{ componentId: FEATURE_INITIALIZER }, ...inGraph.map(({ componentName }) => ({ componentId: componentName }))],
    dependencies: config.dependencies,
  });
  const writers = new Map<string, string>();
  for (const component of inGraph) {
    for (const { name } of writtenColumns(component)) if (!writers.has(name)) writers.set(name, component.componentName);
  }
  const byName = new Map(inGraph.map((component) => [component.componentName, component]));
  const components = topology.levels.flatMap((indices, level) =>
    indices.map((index) => describe(topology.componentIds[index]!, byName, writers, level)),
  );
  return { modelConfigId: config.modelConfigId, components, edges: inGraph.flatMap((component) => edgesInto(component, config, writers)) };
}

function describe(
  name: string,
  byName: ReadonlyMap<string, ComponentConfig>,
  writers: ReadonlyMap<string, string>,
  level: number,
): GraphComponent {
  const component = byName.get(name);
  if (component === undefined) return { componentName: name, kind: FEATURE_INITIALIZER, level, about: 'the request', requestColumns: [] };
  return {
    componentName: name,
    kind: component.kind,
    level,
    about: aboutOf(component),
    requestColumns: readColumns(component).filter((column) => !writers.has(column)),
  };
}

function aboutOf(component: ComponentConfig): string {
  switch (component.kind) {
    case 'feature': {
      const count = component.columns.length;
      return `${component.entityLabel}: ${count} feature${count === 1 ? '' : 's'}`;
    }
    case 'predator':
      return `model ${component.modelName}${component.scope === 'slate' ? ', per slate' : ''}`;
    case 'numerix':
      return `expression ${component.expression ?? component.computeId}${component.scope === 'slate' ? ', per slate' : ''}`;
    case 'plugin':
      return `plugin ${component.type}`;
  }
}

function edgesInto(component: ComponentConfig, config: ModelConfig, writers: ReadonlyMap<string, string>): readonly GraphEdge[] {
  const to = component.componentName;
  const dependencies = config.dependencies[to] ?? [];
  const columnsFrom = new Map<string, string[]>();
  for (const column of readColumns(component)) {
    const from = writers.get(column);
    if (from !== undefined && from !== to) columnsFrom.set(from, [...(columnsFrom.get(from) ?? []), column]);
  }
  const sources = [...new Set([...dependencies, ...columnsFrom.keys()])];
  return sources.map((from) => ({ from, to, columns: columnsFrom.get(from) ?? [], isDependency: dependencies.includes(from) }));
}
