import { DataType, dataTypeInfo } from '@inferflow/matrix';
import type { ComponentConfig, ComponentScope, ModelConfig } from '../model-config.js';
import { scoreColumnType } from '../score-column-type.js';
import { calibrationColumns } from '../written-columns.js';

/** What is known about a column before any request. */
export interface ColumnFacts {
  readonly dataType: DataType;
  /** Values per row; undefined if only an answer will tell. */
  readonly elements: number | undefined;
  readonly scope: ComponentScope;
  /** Null: there from the start. */
  readonly writer: ComponentConfig | null;
}

/** True if the component is part of the graph and so will run. */
export function isInGraph(config: ModelConfig, componentName: string): boolean {
  return Object.hasOwn(config.dependencies, componentName);
}

/** Columns that exist because of the config: those that components of the graph fill, and calibration columns. The first writer counts. */
export function columnTable(config: ModelConfig): ReadonlyMap<string, ColumnFacts> {
  const table = new Map<string, ColumnFacts>();
  for (const name of calibrationColumns(config.components))
    table.set(name, { dataType: DataType.String, elements: 1, scope: 'target', writer: null });
  for (const component of config.components) {
    if (!isInGraph(config, component.componentName)) continue;
    for (const [name, facts] of factsOf(component)) if (!table.has(name)) table.set(name, facts);
  }
  return table;
}

/** Columns that a component reads, each once. */
export function readColumns(component: ComponentConfig): readonly string[] {
  switch (component.kind) {
    case 'feature':
      return unique(component.keys.map((key) => key.column));
    case 'predator':
      return unique(component.inputs.flatMap((input) => input.features));
    case 'numerix':
      return unique([component.componentId, ...component.variables.map((variable) => variable.column)]);
    case 'plugin':
      return [];
  }
}

function factsOf(component: ComponentConfig): readonly (readonly [string, ColumnFacts])[] {
  switch (component.kind) {
    case 'feature': {
      const fetched = component.columns.map(
        ({ name, dataType }) => [name, { ...scalarOrUnknown(dataType), scope: 'target', writer: component }] as const,
      );
      const joined: ColumnFacts = { dataType: DataType.String, elements: 1, scope: 'target', writer: component };
      return component.compositeId ? [...fetched, [component.componentId, joined]] : fetched;
    }
    case 'predator':
      return component.outputs.flatMap((output) =>
        output.scores.map(({ name, dims }) => {
          const { dataType } = scoreColumnType(output.dataTypeText, dims);
          const elements = dims.includes(-1) ? undefined : dims.reduce((product, dim) => product * dim, 1);
          return [name, { dataType, elements, scope: component.scope, writer: component }] as const;
        }),
      );
    case 'numerix':
      return [[component.scoreColumn, { ...scalarOrUnknown(component.dataType), scope: component.scope, writer: component }]];
    case 'plugin':
      return [];
  }
}

function scalarOrUnknown(dataType: DataType): Pick<ColumnFacts, 'dataType' | 'elements'> {
  return { dataType, elements: dataTypeInfo(dataType).isVector ? undefined : 1 };
}

function unique(names: readonly string[]): readonly string[] {
  return [...new Set(names)];
}
