import type { Component, ComponentDefinition, ComponentDeps } from './define-component.js';
import { brokenContract } from './errors.js';

/**
 * Makes the component of one model from its raw configuration, as an engine does when the model is loaded.
 * @throws ComponentError INFERFLOW_COMPONENTS_CONTRACT when the definition made something else, and what `parseConfig` and `create` throw
 */
export function makeComponent(definition: ComponentDefinition, raw: unknown, deps: ComponentDeps): Component {
  const config = definition.parseConfig(raw);
  if (isPromise(config))
    throw brokenContract(`\`parseConfig\` of component type "${definition.type}" answered a promise; it must be synchronous`);
  const made: unknown = definition.create(config, deps);
  if (isPromise(made)) throw brokenContract(`\`create\` of component type "${definition.type}" answered a promise; it must be synchronous`);
  if (!isComponent(made))
    throw brokenContract(`\`create\` of component type "${definition.type}" must return component({ reads, writes, execute })`);
  return made;
}

/** What `component()` made, here or in another copy of the package. */
function isComponent(value: unknown): value is Component {
  if (typeof value !== 'object' || value === null) return false;
  const { reads, writes, scope, execute, createState, cancelled } = value as Partial<Record<keyof Component, unknown>>;
  const isDeclared = typeof reads === 'object' && reads !== null && typeof writes === 'object' && writes !== null;
  const hasCode = [execute, createState, cancelled].every((member) => typeof member === 'function');
  return isDeclared && hasCode && (scope === 'target' || scope === 'slate');
}

function isPromise(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}
