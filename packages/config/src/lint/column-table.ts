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

/** Values per row of fetched vectors, where somebody knows them. */
export type ColumnWidths = ReadonlyMap<string, number>;

/** What is known about columns besides the config, and what of the config is not to be trusted. */
export interface ColumnKnowledge {
  readonly widths?: ColumnWidths | undefined;
  readonly isUncertain?: ((component: ComponentConfig) => boolean) | undefined;
}

/** True if the component is part of the graph and so will run. */
export function isInGraph(config: ModelConfig, componentName: string): boolean {
  return Object.hasOwn(config.dependencies, componentName);
}

/** Columns that exist because of the config: those that components of the graph fill, and calibration columns. The first writer counts. */
export function columnTable(config: ModelConfig, { widths, isUncertain }: ColumnKnowledge = {}): ReadonlyMap<string, ColumnFacts> {
  const table = new Map<string, ColumnFacts>();
  for (const name of calibrationColumns(config.components))
    table.set(name, { dataType: DataType.String, elements: 1, scope: 'target', writer: null });
  for (const component of config.components) {
    if (!isInGraph(config, component.componentName)) continue;
    const isUnsure = isUncertain?.(component) === true;
    for (const [name, facts] of factsOf(component, widths)) {
      if (!table.has(name)) table.set(name, isUnsure ? { ...facts, dataType: DataType.Unknown, elements: undefined } : facts);
    }
  }
  return table;
}

function factsOf(component: ComponentConfig, widths: ColumnWidths | undefined): readonly (readonly [string, ColumnFacts])[] {
  switch (component.kind) {
    case 'feature': {
      const fetched = component.columns.map(
        ({ name, dataType }) => [name, { ...scalarOr(dataType, widths?.get(name)), scope: 'target', writer: component }] as const,
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
      return [[component.scoreColumn, { ...scalarOr(component.dataType, undefined), scope: component.scope, writer: component }]];
    case 'plugin':
      return [];
  }
}

function scalarOr(dataType: DataType, width: number | undefined): Pick<ColumnFacts, 'dataType' | 'elements'> {
  return { dataType, elements: dataTypeInfo(dataType).isVector ? width : 1 };
}
