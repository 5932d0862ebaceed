import type { ModelConfig } from '../model-config.js';
import { createProblem } from '../parse/parse-context.js';
import type { Problem } from '../problem.js';
import { finish, type Steps } from '../steps.js';
import { lintCoalescing } from './lint-coalescing.js';
import { lintColumns } from './lint-columns.js';
import { createLintContext, type LintContext, type LintOptions } from './lint-context.js';
import { lintDeadlines } from './lint-deadlines.js';
import { lintEndpoints } from './lint-endpoints.js';
import { lintFetches } from './lint-fetches.js';
import { lintGraph } from './lint-graph.js';
import { lintTypes } from './lint-types.js';
import { lintUnused } from './lint-unused.js';

/** Defects that `compat: "go-1.0"` keeps, as numbered in the migration guide. */
const COMPAT_KEEPS = 'D4–D8, D10, D11, F11, F11b, G3, C5, C17, C18, H14, H18';

/**
 * Checks what only shows in the whole config: the graph, the columns that pass through it, their types and shapes, deadlines.
 * A model with an error among these problems must not serve. Plugins declare their columns when they are created, so theirs are not checked here.
 */
export function lintModel(config: ModelConfig, options: LintOptions = {}): readonly Problem[] {
  return finish(lintSteps(config, options));
}

/** {@link lintModel} in portions. */
export function* lintSteps(config: ModelConfig, options: LintOptions = {}): Steps<readonly Problem[]> {
  const context = createLintContext(config, options);
  yield;
  const found = [yield* lintGraph(context)];
  yield;
  found.push(yield* lintColumns(context));
  for (const look of looks) {
    yield;
    found.push(look(context));
  }
  return found.flat();
}

const looks = [
  lintTypes,
  lintUnused,
  lintFetches,
  lintDeadlines,
  lintEndpoints,
  lintCoalescing,
  ({ config }: LintContext) => lintCompat(config),
] as const;

function lintCompat(config: ModelConfig): readonly Problem[] {
  if (!config.compat) return [];
  return [
    createProblem(
      'INFERFLOW_CONFIG_COMPAT',
      '$.compat',
      `compat keeps these defects of the original alive for this model: ${COMPAT_KEEPS}`,
    ),
  ];
}
