/** How much a problem weighs: an `error` refuses the model, a `warning` probably is a mistake, a `hint` is worth knowing. */
export type Severity = 'error' | 'warning' | 'hint';

/** One thing that is wrong, doubtful or worth knowing about a model config. */
export interface Problem {
  readonly severity: Severity;
  /** Stable code to match on; every code is listed in `docs/reference/config-problems.md`. */
  readonly code: string;
  /** Where, as written in the config: `$.component_config.feature_components[0].fs_keys`. */
  readonly path: string;
  /** One sentence: what, where, what was expected. */
  readonly message: string;
  /** What was there, shortened. */
  readonly found?: string;
  /** What should be there. */
  readonly expected?: string;
  /** What to write instead, such as the nearest known name. */
  readonly suggestion?: string;
}

/** A value the config leaves out and that a documented default filled in. */
export interface Assumption {
  /** Where the value would be written. */
  readonly path: string;
  /** The value that was taken, as JSON text or plain text. */
  readonly value: string;
  /** Why this value. */
  readonly message: string;
}

/** True if one of the problems refuses the model. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === 'error');
}
