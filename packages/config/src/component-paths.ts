import { joinPath } from './json-path.js';
import type { ComponentConfig, ModelConfig } from './model-config.js';
import { fieldName } from './schema/fields.js';

/** Where the components of parsed configs are written. Beside the configs, so that both spellings of one stay equal. */
const parsedPaths = new WeakMap<ModelConfig, readonly string[]>();

/** Keeps where each component of a parsed config was written, in the order of `components`. */
export function rememberPaths(config: ModelConfig, paths: readonly string[]): void {
  parsedPaths.set(config, paths);
}

/** Path of a component in the document its config was parsed from, or in the one that would be written. */
export function componentPath(config: ModelConfig, component: ComponentConfig): string {
  const index = config.components.indexOf(component);
  const parsed = parsedPaths.get(config)?.[index];
  if (parsed !== undefined) return parsed;
  const collection = joinPath('$.component_config', fieldName('components', component.kind, config.dialect) ?? component.kind);
  if (config.dialect === 'documented') return joinPath(collection, component.componentName);
  const sameKind = config.components.filter((other) => other.kind === component.kind);
  return joinPath(collection, sameKind.indexOf(component));
}
