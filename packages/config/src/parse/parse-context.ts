import { emptyRecord, type JsonObject } from '../json.js';
import type { Dialect } from '../model-config.js';
import type { Assumption, Problem, Severity } from '../problem.js';
import { type ProblemCode, problemTable } from '../problem-codes.js';

/** What a problem may say besides its message. */
export interface ProblemDetails {
  readonly found?: string | undefined;
  readonly expected?: string | undefined;
  readonly suggestion?: string | undefined;
  /** @default the code's */
  readonly severity?: Severity | undefined;
}

/** Makes a problem. */
export function createProblem(code: ProblemCode, path: string, message: string, details: ProblemDetails = {}): Problem {
  return Object.freeze({
    severity: details.severity ?? problemTable[code].severity,
    code,
    path,
    message: details.suggestion === undefined ? message : `${message}; did you mean ${JSON.stringify(details.suggestion)}?`,
    ...(details.found === undefined ? {} : { found: details.found }),
    ...(details.expected === undefined ? {} : { expected: details.expected }),
    ...(details.suggestion === undefined ? {} : { suggestion: details.suggestion }),
  });
}

/** What one parse gathers: everything wrong, everything assumed, everything unknown. */
export class ParseContext {
  readonly dialect: Dialect;
  readonly problems: Problem[] = [];
  readonly assumptions: Assumption[] = [];
  readonly extra: Record<string, JsonObject> = emptyRecord();
  /** Where members of components and edges of the graph are written, by place. */
  readonly places = new Map<string, string>();

  constructor(dialect: Dialect) {
    this.dialect = dialect;
  }

  report(code: ProblemCode, path: string, message: string, details?: ProblemDetails): void {
    this.problems.push(createProblem(code, path, message, details));
  }

  /** Keeps where something is written, for problems that only show in the whole config. */
  note(place: string, path: string): void {
    this.places.set(place, path);
  }

  assume(path: string, value: string, message: string): void {
    this.assumptions.push(Object.freeze({ path, value, message }));
  }
}
