import { COMPONENT_API_VERSION, type ComponentDefinition } from './define-component.js';
import { ComponentError } from './errors.js';

/** Component types by name. A child sees its parent's types, never the reverse. */
export interface Registry {
  /** Adds a type. Throws for a name that is taken (here or in a parent), another contract version, or something that is no definition. */
  register<C>(definition: ComponentDefinition<C>): Registry;
  /** The type with this name; undefined when nobody registered it. */
  get(type: string): ComponentDefinition | undefined;
  /** The type with this name. Throws `INFERFLOW_COMPONENTS_UNKNOWN_TYPE` with the names that exist. */
  require(type: string): ComponentDefinition;
  /** All names, the parent's included, sorted. */
  types(): readonly string[];
  /** Ends registration here and in the parents: plans were compiled from it. */
  freeze(): void;
  readonly frozen: boolean;
}

const typePattern = /^[a-z][a-z0-9_.-]{0,63}$/;

/** A registry on top of an optional parent. */
export function createRegistry(parent?: Registry): Registry {
  const definitions = new Map<string, ComponentDefinition>();
  let frozen = false;
  const registry: Registry = {
    register(definition) {
      if (frozen) {
        throw new ComponentError(
          'INFERFLOW_COMPONENTS_REGISTRY_FROZEN',
          'component types are registered before the first model is compiled',
        );
      }
      const checked = checkDefinition(definition);
      if (registry.get(checked.type) !== undefined) {
        throw new ComponentError('INFERFLOW_COMPONENTS_DUPLICATE_TYPE', `component type "${checked.type}" is registered already`);
      }
      definitions.set(checked.type, checked);
      return registry;
    },
    get: (type) => definitions.get(type) ?? parent?.get(type),
    require(type) {
      const definition = registry.get(type);
      if (definition !== undefined) return definition;
      throw new ComponentError(
        'INFERFLOW_COMPONENTS_UNKNOWN_TYPE',
        `no component type "${type}" is registered; there are ${registry.types().join(', ') || 'none'}`,
      );
    },
    types: () => [...new Set([...(parent?.types() ?? []), ...definitions.keys()])].sort(),
    freeze() {
      frozen = true;
      parent?.freeze();
    },
    get frozen() {
      return frozen;
    },
  };
  return registry;
}

/** A definition of unknown origin (a loaded module) as a definition. Throws with what is wrong. */
export function checkDefinition(value: unknown): ComponentDefinition {
  if (typeof value !== 'object' || value === null) throw invalid('a component definition is an object', undefined);
  const candidate: Partial<Record<keyof ComponentDefinition, unknown>> = value;
  const type = candidate.type;
  if (typeof type !== 'string' || !typePattern.test(type)) {
    throw invalid('`type` must be a name of lower case letters, digits, `_`, `-`, `.`', undefined);
  }
  if (candidate.apiVersion !== COMPONENT_API_VERSION) {
    throw new ComponentError(
      'INFERFLOW_COMPONENTS_API_VERSION',
      `component type "${type}" was written for contract version ${String(candidate.apiVersion)}; this engine offers version ${COMPONENT_API_VERSION}`,
    );
  }
  if (typeof candidate.parseConfig !== 'function') throw invalid('`parseConfig` must be a function', type);
  if (typeof candidate.create !== 'function') throw invalid('`create` must be a function', type);
  return value as ComponentDefinition; // all four members were checked above
}

function invalid(message: string, type: string | undefined): ComponentError {
  return new ComponentError(
    'INFERFLOW_COMPONENTS_DEFINITION_INVALID',
    type === undefined ? message : `component type "${type}": ${message}`,
  );
}
