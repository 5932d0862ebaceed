import { editDistance } from '@inferflow/dag';
import { componentPath } from '../component-paths.js';
import { joinPath } from '../json-path.js';
import type { ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { scoreNames } from '../score-names.js';
import { type ColumnFacts, columnTable, isInGraph, readColumns } from './column-table.js';

/** Columns nobody writes, target components that read slate columns, scores of slate components that are not answered. */
export function lintColumns(config: ModelConfig): readonly Problem[] {
  const columns = columnTable(config);
  return [...componentReads(config, columns), ...responseReads(config, columns), ...unansweredSlates(config)];
}

function componentReads(config: ModelConfig, columns: ReadonlyMap<string, ColumnFacts>): readonly Problem[] {
  return config.components.flatMap((component) => {
    if (!isInGraph(config, component.componentName)) return [];
    const path = componentPath(config, component);
    const isTarget = component.kind === 'feature' || component.scope === 'target';
    return readColumns(component).flatMap((name) => {
      if (name === config.response.idColumn) return [];
      const facts = columns.get(name);
      if (facts === undefined) return fromRequest(config, columns, name, path, `component ${JSON.stringify(component.componentName)}`);
      return isTarget && facts.scope === 'slate' ? [slateColumn(name, path, component.componentName)] : [];
    });
  });
}

function slateColumn(name: string, path: string, componentName: string): Problem {
  const message = `component ${JSON.stringify(componentName)} works on targets and reads ${JSON.stringify(name)}, which exists for slates only`;
  return createProblem('INFERFLOW_CONFIG_SLATE_COLUMN', path, message, {
    found: name,
    expected: 'a target column, or slate_component: true',
  });
}

function responseReads(config: ModelConfig, columns: ReadonlyMap<string, ColumnFacts>): readonly Problem[] {
  const { features, logFeatures } = config.response;
  const path = '$.response_config.features';
  if (features.length === 0)
    return [createProblem('INFERFLOW_CONFIG_EMPTY_ANSWER', path, 'response_config.features is empty: answers hold no columns')];
  const answered = features.flatMap((name, index) => {
    return name === config.response.idColumn || columns.has(name)
      ? []
      : fromRequest(config, columns, name, joinPath(path, index), 'the answer');
  });
  const logged =
    typeof logFeatures === 'boolean'
      ? []
      : logFeatures.filter((name) => name !== config.response.idColumn && !columns.has(name) && !features.includes(name));
  return [...answered, ...logged.flatMap((name) => fromRequest(config, columns, name, '$.response_config.log_features', 'the log'))];
}

function fromRequest(
  config: ModelConfig,
  columns: ReadonlyMap<string, ColumnFacts>,
  name: string,
  path: string,
  reader: string,
): readonly Problem[] {
  const suggestion = nearColumn(name, columns.keys());
  const hasPlugins = config.components.some((component) => component.kind === 'plugin');
  const writers = hasPlugins ? 'no component that declares its columns writes it' : 'no component writes it';
  const message = `${reader} reads column ${JSON.stringify(name)}; ${writers}, so it comes from the request`;
  if (suggestion !== undefined) return [createProblem('INFERFLOW_CONFIG_LIKELY_TYPO', path, message, { found: name, suggestion })];
  const siblings = siblingColumns(name, columns.keys());
  if (siblings.length === 0) return [createProblem('INFERFLOW_CONFIG_REQUEST_COLUMN', path, message, { found: name })];
  const [only, ...others] = siblings;
  const details = { found: name, suggestion: others.length === 0 ? only : undefined };
  const instead = others.length === 0 ? '' : `; there are ${listed(siblings)}`;
  return [createProblem('INFERFLOW_CONFIG_LIKELY_TYPO', path, `${message}${instead}`, details)];
}

/** Written columns of the same component, or of the same feature group: a request has no reason to use their first part. */
function siblingColumns(name: string, columns: Iterable<string>): readonly string[] {
  const end = name.lastIndexOf(':') + 1;
  const isSibling = (column: string): boolean => column.startsWith(name.slice(0, end)) && column.lastIndexOf(':') + 1 === end;
  return end < 2 ? [] : [...columns].filter(isSibling);
}

function listed(names: readonly string[]): string {
  const first = names.slice(0, 5).map((name) => JSON.stringify(name));
  return `${first.join(', ')}${names.length > 5 ? `, … ${names.length - 5} more` : ''}`;
}

/** A written column that differs in a letter or two, or by a component name in front. Short names are too often alike on purpose. */
function nearColumn(name: string, columns: Iterable<string>): string | undefined {
  const limit = name.length < 5 ? 0 : name.length < 10 ? 1 : 2;
  const lower = name.toLowerCase();
  for (const column of columns) {
    if (column.endsWith(`:${name}`) || name.endsWith(`:${column}`)) return column;
    if (limit > 0 && !differInDigits(name, column) && editDistance(lower, column.toLowerCase(), limit) <= limit) return column;
  }
  return undefined;
}

/** `feature_1` and `feature_2` are two names, not one misspelt. */
function differInDigits(a: string, b: string): boolean {
  return a !== b && a.replace(/\d+/g, '#') === b.replace(/\d+/g, '#');
}

function unansweredSlates(config: ModelConfig): readonly Problem[] {
  const answered = new Set(config.response.features);
  const read = new Set(config.components.flatMap(readColumns));
  return config.components.flatMap((component) => {
    if (
      component.kind === 'feature' ||
      component.kind === 'plugin' ||
      component.scope !== 'slate' ||
      !isInGraph(config, component.componentName)
    )
      return [];
    const scores = scoreNames(component);
    if (scores.length === 0 || scores.some((score) => answered.has(score) || read.has(score))) return [];
    const message = `scores of slate component ${JSON.stringify(component.componentName)} (${scores.join(', ')}) are neither answered nor read`;
    return [createProblem('INFERFLOW_CONFIG_SLATE_NOT_ANSWERED', '$.response_config.features', message, { expected: scores.join(', ') })];
  });
}
