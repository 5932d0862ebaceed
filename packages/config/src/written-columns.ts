import type { ComponentConfig, ComponentScope } from './model-config.js';

/** Text column with the model config's id that exists as soon as a predator has a calibration. */
export const CONFIG_ID_COLUMN = 'inferflow_config_id';

/** A column that a component fills. */
export interface WrittenColumn {
  readonly name: string;
  readonly scope: ComponentScope;
}

/** Columns that a component fills while it runs. Plugins declare theirs only when they are created. */
export function writtenColumns(component: ComponentConfig): readonly WrittenColumn[] {
  switch (component.kind) {
    case 'feature': {
      const names = component.columns.map((column) => column.name);
      return (component.compositeId ? [...names, component.componentId] : names).map((name) => ({ name, scope: 'target' }));
    }
    case 'predator':
      return component.outputs.flatMap((output) => output.scores.map((score) => ({ name: score.name, scope: component.scope })));
    case 'numerix':
      return [{ name: component.scoreColumn, scope: component.scope }];
    case 'plugin':
      return [];
  }
}

/** Columns that hold a constant from the start because of a predator's calibration. */
export function calibrationColumns(components: readonly ComponentConfig[]): readonly string[] {
  const names = components.flatMap((component) =>
    component.kind === 'predator' && component.calibration !== '' ? [`${component.calibration}_model`, CONFIG_ID_COLUMN] : [],
  );
  return [...new Set(names)];
}

/**
 * Column of the ids of Predict targets if the config does not name it: the first column of the answer, as in the original,
 * unless a component writes that one; then `id`.
 */
export function defaultIdColumn(components: readonly ComponentConfig[], features: readonly string[]): string {
  const first = features[0];
  if (first === undefined || first === '') return 'id';
  const isWritten = components.some((component) => writtenColumns(component).some((column) => column.name === first));
  return isWritten || calibrationColumns(components).includes(first) ? 'id' : first;
}
