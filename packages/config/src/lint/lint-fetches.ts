import { settingPath } from '../component-paths.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import type { LintContext } from './lint-context.js';

/** Components that fetch features and name none. One that joins its keys into a column is of use all the same. */
export function lintFetches({ config, running }: LintContext): readonly Problem[] {
  return running.flatMap((component) => {
    if (component.kind !== 'feature' || component.compositeId || component.columns.length > 0) return [];
    const message = `component ${JSON.stringify(component.componentName)} lists no features, so it fetches nothing`;
    return [createProblem('INFERFLOW_CONFIG_NOTHING_FETCHED', settingPath(config, component, 'query'), message)];
  });
}
