import { isJsonObject, type JsonObject, type JsonValue } from '../json.js';
import { type Dialect, FEATURE_INITIALIZER } from '../model-config.js';
import type { Problem } from '../problem.js';
import { fieldName } from '../schema/fields.js';
import { createProblem } from './parse-context.js';

/** The dialect of a config, and the problem if component collections of both are there. */
export interface DetectedDialect {
  readonly dialect: Dialect;
  readonly problem: Problem | undefined;
}

/**
 * Component lists mean deployed, component maps documented, both are an error. Only without any of them does the position of
 * `feature_initializer` decide: a key of `component_dependency` is documented, a value deployed. With no sign at all: documented.
 */
export function detectDialect(raw: JsonObject): DetectedDialect {
  const components = member(raw, 'component_config');
  const written = isJsonObject(components)
    ? Object.entries(components).flatMap(([name, value]) => (value === null ? [] : [name.toLowerCase()]))
    : [];
  const documented = collectionNames('documented').filter((name) => written.includes(name));
  const deployed = collectionNames('deployed').filter((name) => written.includes(name));
  const problem =
    documented.length > 0 && deployed.length > 0
      ? createProblem(
          'INFERFLOW_CONFIG_BOTH_DIALECTS',
          '$.component_config',
          `${documented.join(', ')} belong to the documented dialect, ${deployed.join(', ')} to the deployed one; a config uses one of them`,
          { found: [...documented, ...deployed].join(', '), expected: 'the collections of one dialect' },
        )
      : undefined;
  if (deployed.length > 0) return { dialect: 'deployed', problem };
  if (documented.length > 0) return { dialect: 'documented', problem };
  return { dialect: dialectOfGraph(member(member(raw, 'dag_execution_config'), 'component_dependency')), problem };
}

function dialectOfGraph(graph: JsonValue | undefined): Dialect {
  if (!isJsonObject(graph) || Object.hasOwn(graph, FEATURE_INITIALIZER)) return 'documented';
  const isValue = Object.values(graph).some((list) => Array.isArray(list) && list.includes(FEATURE_INITIALIZER));
  return isValue ? 'deployed' : 'documented';
}

function collectionNames(dialect: Dialect): string[] {
  return ['feature', 'predator', 'numerix', 'plugin'].flatMap((key) => fieldName('components', key, dialect) ?? []);
}

function member(object: JsonValue | undefined, name: string): JsonValue | undefined {
  if (!isJsonObject(object)) return undefined;
  return Object.entries(object).findLast(([key]) => key.toLowerCase() === name)?.[1];
}
