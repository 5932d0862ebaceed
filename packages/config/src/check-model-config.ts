import { lintGraph } from './lint/lint-graph.js';
import { lintModel } from './lint/lint-model.js';
import { type ParseResult, parseDraft } from './parse/parse-model-config.js';
import { hasErrors, type Problem } from './problem.js';

/** Parses a config and checks it as a whole: `config` is null if either finds an error. This is what decides whether a model may serve. */
export function checkModelConfig(modelConfigId: string, raw: unknown): ParseResult {
  const { draft, problems: found, assumptions } = parseDraft(modelConfigId, raw);
  const problems = Object.freeze(draft === null ? found : [...found, ...(hasErrors(found) ? graphErrors(draft, found) : lintModel(draft))]);
  return Object.freeze({ config: hasErrors(problems) ? null : draft, problems, assumptions });
}

/** Errors of the graph of a config that has errors already: one look shows both. Hints about columns would be guesses there. */
function graphErrors(draft: Parameters<typeof lintGraph>[0], found: readonly Problem[]): readonly Problem[] {
  return lintGraph(draft).filter(({ severity, path }) => severity === 'error' && !found.some((earlier) => earlier.path === path));
}
