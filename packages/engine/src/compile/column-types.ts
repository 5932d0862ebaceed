import { type ComponentConfig, type FeatureComponentConfig, type ModelConfig, scoreColumnType } from '@inferflow/config';
import { DataType, dataTypeInfo, dataTypes } from '@inferflow/matrix';

/** What the configuration says about one column. */
export interface ConfiguredColumn {
  readonly dataType: DataType;
  /** As the original holds it, e.g. `FP32` or `DataTypeFP32Vector`. */
  readonly typeText: string;
  /** Elements of a vector where the configuration states it, else 0. */
  readonly width: number;
}

/** Columns of all configured components, whether they are part of the graph or not. */
export interface ColumnTypes {
  readonly target: ReadonlyMap<string, ConfiguredColumn>;
  /** In the order in which pair and slate answers list them. */
  readonly slate: ReadonlyMap<string, ConfiguredColumn>;
}

/** Collects the column types of the built-in components of a model; plugins declare theirs in code. */
export function compileColumnTypes(config: ModelConfig): ColumnTypes {
  const target = new Map<string, ConfiguredColumn>();
  const slate = new Map<string, ConfiguredColumn>();
  for (const kind of ['feature', 'predator', 'numerix'] as const) {
    for (const component of config.components) {
      if (component.kind !== kind) continue;
      const into = component.kind !== 'feature' && component.scope === 'slate' ? slate : target;
      for (const [name, column] of columnsOf(component)) if (!into.has(name)) into.set(name, column);
    }
  }
  return { target, slate };
}

function columnsOf(component: ComponentConfig): (readonly [string, ConfiguredColumn])[] {
  switch (component.kind) {
    case 'feature':
      return featureColumns(component);
    case 'predator':
      return component.outputs.flatMap((output) =>
        output.scores.map(({ name, dims }) => [name, { ...scoreColumnType(output.dataTypeText, dims), width: elementsOf(dims) }] as const),
      );
    case 'numerix':
      return [[component.scoreColumn, { dataType: component.dataType, typeText: component.dataTypeText, width: 0 }]];
    case 'plugin':
      return [];
  }
}

function featureColumns(component: FeatureComponentConfig): (readonly [string, ConfiguredColumn])[] {
  return component.columns.map(({ name, dataType, requestLabel, group }) => {
    const suffixAt = requestLabel.lastIndexOf('@');
    const typeText = suffixAt < 0 ? (component.groups[group]?.dataTypeText ?? '') : requestLabel.slice(suffixAt + 1);
    return [name, { dataType, typeText, width: 0 }] as const;
  });
}

function elementsOf(dims: readonly number[]): number {
  if (dims.length === 0 || (dims.length === 1 && dims[0] === 1)) return 0;
  let elements = 1;
  for (const dim of dims) {
    if (dim < 1) return 0;
    elements *= dim;
  }
  return elements;
}

/**
 * The type that an answer reports for a column. With compat only the exact names are known, as in the original, and all others are
 * reported as String while the bytes stay typed.
 */
export function answerType({ dataType, typeText }: { readonly dataType: DataType; readonly typeText: string }, compat: boolean): DataType {
  if (!compat) return dataType === DataType.Unknown ? DataType.String : dataType;
  return compatTypes.get(typeText) ?? DataType.String;
}

const compatTypes = new Map<string, DataType>(
  dataTypes.flatMap((info) => [
    [info.name, info.dataType] as const,
    [info.name.slice('DataType'.length).toLowerCase(), info.dataType] as const,
  ]),
);

/** Canonical name of a type, for columns that are declared in code. */
export function typeTextOf(dataType: DataType): string {
  return dataTypeInfo(dataType).name;
}
