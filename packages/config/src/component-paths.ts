import { joinPath } from './json-path.js';
import type { ComponentConfig, FeatureComponentConfig, ModelConfig } from './model-config.js';
import { fieldName } from './schema/fields.js';

/** A config, or as much of one as paths depend on. */
export type WrittenComponents = Pick<ModelConfig, 'dialect' | 'components'>;

/** Where the parts of parsed configs are written, by place. Beside the configs, so that both spellings of one stay equal. */
const parsedPlaces = new WeakMap<WrittenComponents, ReadonlyMap<string, string>>();

/** A read of a column: the member of the component, and the position of the column in it. */
export interface ReadMember {
  readonly kind: 'key' | 'input' | 'variable' | 'row_id';
  /** Key, input tensor or variable. */
  readonly index: number;
  /** Position among the features of an input tensor. */
  readonly feature: number;
}

/** Key of a component's unknown fields in `ModelConfig.extra`, and first part of the places of its members. */
export function componentPlace(componentName: string): string {
  return `component:${JSON.stringify(componentName)}`;
}

/** Place of an edge of the graph. */
export function edgePlace(component: string, dependency: string): string {
  return `edge:${JSON.stringify([component, dependency])}`;
}

/** Place of the first mention of a name in the graph. */
export function mentionPlace(name: string): string {
  return `mention:${JSON.stringify(name)}`;
}

/** Keeps where the parts of a parsed config were written. */
export function rememberPlaces(config: WrittenComponents, places: ReadonlyMap<string, string>): void {
  parsedPlaces.set(config, places);
}

/** Where something was written; undefined for a config that was not parsed, or something it only implies. */
export function placePath(config: WrittenComponents, place: string): string | undefined {
  return parsedPlaces.get(config)?.get(place);
}

/** Path of a component in the document its config was parsed from, or in the one that would be written. */
export function componentPath(config: WrittenComponents, component: ComponentConfig): string {
  const parsed = placePath(config, componentPlace(component.componentName));
  if (parsed !== undefined) return parsed;
  const collection = joinPath('$.component_config', fieldName('components', component.kind, config.dialect) ?? component.kind);
  if (config.dialect === 'documented') return joinPath(collection, component.componentName);
  const sameKind = config.components.filter((other) => other.kind === component.kind);
  return joinPath(collection, sameKind.indexOf(component));
}

/** Path of a setting of a component, by its key in the field table. */
export function settingPath(config: WrittenComponents, component: ComponentConfig, key: string): string {
  const name = fieldName(component.kind, key, config.dialect);
  const path = componentPath(config, component);
  return name === null ? path : joinPath(path, name);
}

/** Path of an input tensor: of its entry in `feature_map` where it was made from that. */
export function inputPath(config: WrittenComponents, component: ComponentConfig, index: number): string {
  return memberPath(config, component, 'inputs', index);
}

/** Path of an output tensor: of its entry in `score_columns` where it was made from that. */
export function outputPath(config: WrittenComponents, component: ComponentConfig, index: number): string {
  return memberPath(config, component, 'outputs', index);
}

/** Path of a field of an input or output tensor; of the tensor itself where it has no fields of its own. */
export function tensorFieldPath(
  config: WrittenComponents,
  component: ComponentConfig,
  member: 'inputs' | 'outputs',
  index: number,
  key: string,
): string {
  const path = memberPath(config, component, member, index);
  if (placePath(config, `${componentPlace(component.componentName)}/${member}`) === undefined) return path;
  return joinPath(path, fieldName(member === 'inputs' ? 'input' : 'output', key, config.dialect) ?? key);
}

/** Path of where a component names a column that it reads. */
export function readPath(config: WrittenComponents, component: ComponentConfig, { kind, index, feature }: ReadMember): string {
  const place = componentPlace(component.componentName);
  switch (kind) {
    case 'key':
      return placePath(config, `${place}/keys/${index}`) ?? componentPath(config, component);
    case 'variable':
      return placePath(config, `${place}/variables/${index}`) ?? componentPath(config, component);
    case 'row_id':
      return settingPath(config, component, 'componentId');
    case 'input': {
      const features = tensorFieldPath(config, component, 'inputs', index, 'features');
      return placePath(config, `${place}/inputs`) === undefined ? features : joinPath(features, feature);
    }
  }
}

/** Path of a feature that a component fetches, by its position in `columns`. */
export function fetchedPath(config: WrittenComponents, component: FeatureComponentConfig, columnIndex: number): string {
  const group = component.columns[columnIndex]?.group ?? 0;
  const first = component.columns.findIndex((column) => column.group === group);
  const name = fieldName('group', 'features', config.dialect) ?? 'features';
  return joinPath(joinPath(groupPath(config, component, group), name), columnIndex - first);
}

/** Path of a feature group that a component fetches. */
export function groupPath(config: WrittenComponents, component: FeatureComponentConfig, group: number): string {
  const groups = placePath(config, `${componentPlace(component.componentName)}/groups`);
  return groups === undefined ? componentPath(config, component) : joinPath(groups, group);
}

/** Path of where a component names a column that it writes. */
export function writePath(config: WrittenComponents, component: ComponentConfig, column: string): string {
  switch (component.kind) {
    case 'feature': {
      const index = component.columns.findLastIndex(({ name }) => name === column);
      return index < 0 ? settingPath(config, component, 'componentId') : fetchedPath(config, component, index);
    }
    case 'predator': {
      const output = component.outputs.findLastIndex(({ scores }) => scores.some(({ name }) => name === column));
      if (output < 0) return componentPath(config, component);
      const isTensor = placePath(config, `${componentPlace(component.componentName)}/outputs`) !== undefined;
      if (!isTensor) return outputPath(config, component, output);
      const score = component.outputs[output]?.scores.findLastIndex(({ name }) => name === column) ?? 0;
      const key = config.dialect === 'documented' ? 'scores' : 'modelScores';
      return joinPath(tensorFieldPath(config, component, 'outputs', output, key), score);
    }
    case 'numerix':
      return settingPath(config, component, 'scoreColumn');
    case 'plugin':
      return componentPath(config, component);
  }
}

/** Tensors are written as a list, or made from entries of a map or list of names. */
function memberPath(config: WrittenComponents, component: ComponentConfig, member: 'inputs' | 'outputs', index: number): string {
  const place = `${componentPlace(component.componentName)}/${member}`;
  const list = placePath(config, place);
  if (list !== undefined) return joinPath(list, index);
  const source = placePath(config, `${place}/from`);
  if (source === undefined || component.kind !== 'predator') return componentPath(config, component);
  // A map keyed by column, whose tensor is named like the column as it was written; a list of names goes by position.
  return member === 'inputs' ? joinPath(source, component.inputs[index]?.name ?? index) : joinPath(source, index);
}
