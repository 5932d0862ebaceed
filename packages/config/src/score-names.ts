import type { ComponentConfig, PredatorComponentConfig, ResponseConfig } from './model-config.js';

/** Who refers to a column: a component by its name, or the response. */
export type Referrer = string | null;

/** Applied to every name of a column that a config mentions. */
export type MapReference = (name: string, referrer: Referrer) => string;

/** Score names of a component, as they stand in it. */
export function scoreNames(component: ComponentConfig): readonly string[] {
  if (component.kind === 'numerix') return [component.scoreColumn];
  if (component.kind !== 'predator') return [];
  return component.outputs.flatMap((output) => output.scores.map((score) => score.name));
}

/** The column name of a score where scores are named after their component. */
export function qualifiedScore(componentName: string, score: string): string {
  return `${componentName}:${score}`;
}

/** A component whose scores and references have been renamed. */
export function renameComponent(
  component: ComponentConfig,
  nameScore: (score: string) => string,
  reference: MapReference,
): ComponentConfig {
  const refer = (name: string) => reference(name, component.componentName);
  switch (component.kind) {
    case 'feature':
      return { ...component, keys: component.keys.map((key) => ({ ...key, column: refer(key.column) })) };
    case 'predator':
      return renamePredator(component, nameScore, refer);
    case 'numerix':
      return {
        ...component,
        componentId: component.componentId === '' ? '' : refer(component.componentId),
        scoreColumn: nameScore(component.scoreColumn),
        variables: component.variables.map((variable) => ({ ...variable, column: refer(variable.column) })),
      };
    case 'plugin':
      return component;
  }
}

/** A response whose references have been renamed. */
export function renameResponse(response: ResponseConfig, reference: MapReference): ResponseConfig {
  const refer = (name: string) => reference(name, null);
  return {
    ...response,
    features: response.features.map(refer),
    idColumn: response.idColumn === '' ? '' : refer(response.idColumn),
    logFeatures: typeof response.logFeatures === 'boolean' ? response.logFeatures : response.logFeatures.map(refer),
  };
}

/** Calls back for every reference to a column. */
export function forEachReference(
  components: readonly ComponentConfig[],
  response: ResponseConfig,
  visit: (name: string, referrer: Referrer) => void,
): void {
  const reference: MapReference = (name, referrer) => {
    visit(name, referrer);
    return name;
  };
  for (const component of components) renameComponent(component, (score) => score, reference);
  renameResponse(response, reference);
}

function renamePredator(
  component: PredatorComponentConfig,
  nameScore: (score: string) => string,
  refer: (name: string) => string,
): PredatorComponentConfig {
  return {
    ...component,
    inputs: component.inputs.map((input) => ({ ...input, features: input.features.map(refer) })),
    outputs: component.outputs.map((output) => ({
      ...output,
      scores: output.scores.map((score) => ({ ...score, name: nameScore(score.name) })),
    })),
  };
}
