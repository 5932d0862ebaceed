import { closestName } from '@inferflow/dag';
import { componentPath, settingPath } from '../component-paths.js';
import type { ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { isInGraph } from './column-table.js';

/** The endpoint that means: in this process. */
const LOCAL = 'local';

/**
 * Models that a config asks for at endpoint `local` and that this process does not have.
 * @param known names of the models in this process
 */
export function checkLocalModels(config: ModelConfig, known: Iterable<string>): readonly Problem[] {
  const names = [...known];
  return config.components.flatMap((component) => {
    if (component.kind !== 'predator' || !isInGraph(config, component.componentName)) return [];
    const asked = new Set<string>();
    if (component.endpoint === LOCAL) asked.add(component.modelName);
    for (const { endpoint, modelName } of component.endpoints) if (endpoint === LOCAL) asked.add(modelName ?? component.modelName);
    return [...asked]
      .filter((name) => !names.includes(name))
      .map((name) => {
        const path = name === component.modelName ? settingPath(config, component, 'modelName') : componentPath(config, component);
        const there = names.length === 0 ? 'there are none' : `there are ${names.slice(0, 10).join(', ')}`;
        const message = `component ${JSON.stringify(component.componentName)} asks for model ${JSON.stringify(name)} in this process, which does not have it; ${there}`;
        return createProblem('INFERFLOW_CONFIG_UNKNOWN_MODEL', path, message, { found: name, suggestion: closestName(name, names) });
      });
  });
}
