import type { ComponentConfig, ModelConfig } from '../model-config.js';
import { type ColumnFacts, type ColumnWidths, columnTable, isInGraph } from './column-table.js';

/** What all looks at one config share, worked out once. */
export interface LintContext {
  readonly config: ModelConfig;
  /** Components of the graph, in config order. */
  readonly running: readonly ComponentConfig[];
  readonly byName: ReadonlyMap<string, ComponentConfig>;
  readonly columns: ReadonlyMap<string, ColumnFacts>;
  readonly isStrict: boolean;
}

/** How a config is looked at. */
export interface LintOptions {
  /** What only is tolerated in a model that came from the original is an error: for configs that somebody is writing. @default false */
  readonly isStrict?: boolean | undefined;
  /** Values per row of fetched vectors, where somebody knows them. */
  readonly widths?: ColumnWidths | undefined;
  /** Components of whose columns only the names are known. */
  readonly isUncertain?: ((component: ComponentConfig) => boolean) | undefined;
}

/** Works out what the looks at a config share. */
export function createLintContext(config: ModelConfig, { isStrict = false, widths, isUncertain }: LintOptions = {}): LintContext {
  return {
    config,
    running: config.components.filter((component) => isInGraph(config, component.componentName)),
    byName: new Map(config.components.map((component) => [component.componentName, component])),
    columns: columnTable(config, { widths, isUncertain }),
    isStrict,
  };
}
