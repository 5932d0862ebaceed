import { componentPath } from './component-paths.js';
import { pathsTo } from './json-path.js';
import type { LintOptions } from './lint/lint-context.js';
import { lintSteps } from './lint/lint-model.js';
import { type ConfigDraft, draftSteps, type ParseResult } from './parse/parse-model-config.js';
import { hasErrors, type Problem } from './problem.js';
import { finish, finishInSlices, type Steps } from './steps.js';

/** Parses a config and checks it as a whole: `config` is null if either finds an error. This is what decides whether a model may serve. */
export function checkModelConfig(modelConfigId: string, raw: unknown, options: LintOptions = {}): ParseResult {
  return finish(checkSteps(modelConfigId, raw, options));
}

/**
 * {@link checkModelConfig} with pauses, so that a large config does not keep requests waiting.
 * @param pause resolves when other work has been done
 */
export function checkModelConfigInSlices(
  modelConfigId: string,
  raw: unknown,
  pause: () => Promise<void>,
  options: LintOptions = {},
): Promise<ParseResult> {
  return finishInSlices(checkSteps(modelConfigId, raw, options), pause);
}

/** {@link checkModelConfig} in portions of some milliseconds, however large the config is. */
export function* checkSteps(modelConfigId: string, raw: unknown, options: LintOptions = {}): Steps<ParseResult> {
  const parsed = yield* draftSteps(modelConfigId, raw);
  const { draft, problems: found, assumptions } = parsed;
  const whole = draft === null ? [] : yield* lintSteps(draft, { ...options, isUncertain: uncertainIn(parsed) });
  const problems = Object.freeze([...found, ...(hasErrors(found) ? certain(parsed, whole) : whole)]);
  return Object.freeze({ config: hasErrors(problems) ? null : draft, problems, assumptions });
}

/** Codes that are guesses where a component could not be read to its end: what it writes may be missing. */
const guesses: ReadonlySet<string> = new Set([
  'INFERFLOW_CONFIG_REQUEST_COLUMN',
  'INFERFLOW_CONFIG_UNUSED_COLUMN',
  'INFERFLOW_CONFIG_SLATE_NOT_ANSWERED',
]);
/** Codes about names that may belong to a component, or an edge, that could not be read at all. */
const nameGuesses: ReadonlySet<string> = new Set(['INFERFLOW_CONFIG_UNKNOWN_COMPONENT', 'INFERFLOW_CONFIG_UNUSED_COMPONENT']);
/** Codes about an order that the edges of the graph make, of which some could not be read. */
const orderGuesses: ReadonlySet<string> = new Set(['INFERFLOW_CONFIG_READ_BEFORE_WRITE', 'INFERFLOW_CONFIG_INVERTED_EDGE']);
const unreadableEdges = /^\$\.dag_execution_config\b/i;
const unreadableNames = /^\$\.dag_execution_config|_components(\[\d+\](\.component)?)?$|_component_config(\.[\w-]+|\["[^"]*"\])?$/i;

/** What is wrong with the whole of a config that has errors in its parts, without what may only follow from those. */
function certain({ problems: found }: ConfigDraft, whole: readonly Problem[]): readonly Problem[] {
  const broken = errorPaths(found);
  const areNamesUnsure = broken.some((path) => unreadableNames.test(path));
  const areEdgesUnsure = areNamesUnsure || broken.some((path) => unreadableEdges.test(path));
  const above = new Set(broken.flatMap((path) => [...pathsTo(path)]));
  const at = new Set(broken.flatMap((path) => [path, tensorOf(path)]));
  const isAboutTheSame = (path: string): boolean => above.has(path) || [...pathsTo(path)].some((outer) => at.has(outer));
  return whole.filter(
    ({ code, path }) =>
      !guesses.has(code) &&
      !(areNamesUnsure && nameGuesses.has(code)) &&
      !(areEdgesUnsure && orderGuesses.has(code)) &&
      !isAboutTheSame(path),
  );
}

/** Components whose columns have errors in them: of their columns only the names are known. Undefined without errors. */
function uncertainIn({ draft, problems }: ConfigDraft): LintOptions['isUncertain'] {
  const broken = errorPaths(problems).filter((path) => /\.(fs_request|outputs|data_type|slate_component)\b/i.test(path));
  if (broken.length === 0 || draft === null) return undefined;
  const above = new Set(broken.flatMap((path) => [...pathsTo(path)]));
  return (component) => above.has(componentPath(draft, component));
}

function errorPaths(problems: readonly Problem[]): readonly string[] {
  return problems.filter(({ severity }) => severity === 'error').map(({ path }) => path);
}

/** The tensor that a path leads into, else the path itself. */
function tensorOf(path: string): string {
  return /^.*?\.inputs(?:\.tensors)?\[\d+\]/.exec(path)?.[0] ?? path;
}
