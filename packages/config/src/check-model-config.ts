import { lintModel } from './lint/lint-model.js';
import { type ParseResult, parseModelConfig } from './parse/parse-model-config.js';
import { hasErrors } from './problem.js';

/** Parses a config and checks it as a whole: `config` is null if either finds an error. This is what decides whether a model may serve. */
export function checkModelConfig(modelConfigId: string, raw: unknown): ParseResult {
  const parsed = parseModelConfig(modelConfigId, raw);
  if (parsed.config === null) return parsed;
  const problems = Object.freeze([...parsed.problems, ...lintModel(parsed.config)]);
  return Object.freeze({ config: hasErrors(problems) ? null : parsed.config, problems, assumptions: parsed.assumptions });
}
