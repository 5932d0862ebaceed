import type { ModelConfig, Problem, RequestCost, Severity } from '@inferflow/config';
import type { InputModel } from '../config-input.js';
import type { TextPositions, TextRange } from './text-positions.js';

/** What lint found in one model, or in the service settings. */
export interface Linted {
  /** As given, or `stdin`. */
  readonly file: string;
  /** Null for service settings. */
  readonly modelConfigId: string | null;
  readonly input: InputModel | null;
  /** Null if it is refused. */
  readonly config: ModelConfig | null;
  readonly problems: readonly Problem[];
  readonly assumptions: readonly { readonly path: string; readonly value: string; readonly message: string }[];
  /** Null if it is refused. */
  readonly cost: RequestCost | null;
  readonly positions: TextPositions | null;
  /** Keys that lead to the model in its file. */
  readonly prefix: readonly string[];
}

/** All that lint found. */
export interface LintReport {
  readonly models: readonly Linted[];
  readonly settings: readonly Linted[];
  /** Targets of the request whose cost is estimated. */
  readonly targets: number;
}

/** Severities from the mildest to the worst; `none` is milder than all. */
export const levels = ['none', 'hint', 'warning', 'error'] as const;

/** True if a problem is worse than a level. */
export function isWorse(severity: Severity, level: (typeof levels)[number]): boolean {
  return levels.indexOf(severity) > levels.indexOf(level);
}

/** Where a problem stands in its file; undefined where there is no text to point into. */
export function rangeOf({ positions, prefix }: Linted, path: string): TextRange | undefined {
  return positions?.find(path, prefix);
}

/** All problems with the part they belong to. */
export function allProblems({ models, settings }: LintReport): readonly { readonly part: Linted; readonly problem: Problem }[] {
  return [...models, ...settings].flatMap((part) => part.problems.map((problem) => ({ part, problem })));
}
