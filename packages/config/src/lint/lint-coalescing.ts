import { settingPath } from '../component-paths.js';
import type { PredatorComponentConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import type { LintContext } from './lint-context.js';

/** Calls that are to be shared between requests and cannot be, or without a bound. */
export function lintCoalescing({ config, running }: LintContext): readonly Problem[] {
  const problems: Problem[] = [];
  for (const component of running) {
    if (component.kind !== 'predator') continue;
    const why = component.coalesce ? whyNot(component, config.compat) : null;
    const name = `component ${JSON.stringify(component.componentName)}`;
    if (why !== null) {
      const path = settingPath(config, component, 'coalesce');
      problems.push(createProblem('INFERFLOW_CONFIG_NOT_COALESCED', path, `${name} does not share its calls: ${why}`));
    } else if (component.coalesce && component.batchSize === undefined) {
      const message = `${name} shares its calls without a bound: \`batch_size\` is not set`;
      problems.push(createProblem('INFERFLOW_CONFIG_BATCH_UNBOUND', settingPath(config, component, 'coalesce'), message));
    } else if (!component.coalesce && component.coalesceWaitMs > 0) {
      const message = `${name} does not share its calls, so coalesce_wait_ms changes nothing: \`coalesce\` is not set`;
      problems.push(createProblem('INFERFLOW_CONFIG_NOT_COALESCED', settingPath(config, component, 'coalesceWait'), message));
    }
  }
  return problems;
}

/** `compat` lets one row stand for all without being asked, which the shape of the answer shows; such calls are repeated one by one. */
function whyNot({ scope, broadcastSingleScore }: PredatorComponentConfig, compat: boolean): string | null {
  if (scope === 'slate') return 'a slate component calls its model for the slates of one request';
  if (broadcastSingleScore && !compat) return 'with broadcast_single_score the one row answered stands for the rows of one request';
  return null;
}
