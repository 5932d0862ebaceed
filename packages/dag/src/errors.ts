import type { ExecutionResult } from './execute.js';
import type { TopologyProblem } from './topology-problems.js';

/** Every code a {@link DagError} or a {@link TopologyProblem} can carry. Match on the code, never on the message. */
export const DagErrorCode = {
  /** Components wait for each other; `path` names them, first and last alike. */
  cycle: 'INFERFLOW_DAG_CYCLE',
  /** A dependency, or a component handed to `execute`, names a component that does not exist. */
  unknownComponent: 'INFERFLOW_DAG_UNKNOWN_COMPONENT',
  /** Two components share an id. */
  duplicateComponent: 'INFERFLOW_DAG_DUPLICATE_COMPONENT',
  /** A component reads a name that is written by a component it does not wait for. */
  readBeforeWrite: 'INFERFLOW_DAG_READ_BEFORE_WRITE',
  /** Two components write one name. */
  twoWriters: 'INFERFLOW_DAG_TWO_WRITERS',
  /** More components than a topology can index. */
  tooManyComponents: 'INFERFLOW_DAG_TOO_MANY_COMPONENTS',
  /** A graph has problems of more than one kind; see `issues`. */
  invalid: 'INFERFLOW_DAG_INVALID',
  /** A component with `on_failure: fail` failed; `cause` is its error. */
  componentFailed: 'INFERFLOW_DAG_COMPONENT_FAILED',
  /** A component did not settle within its deadline; the reason its signal is aborted with. */
  deadlineExceeded: 'INFERFLOW_DAG_DEADLINE_EXCEEDED',
  /** The caller's signal ended the execution; `cause` is the signal's reason. */
  aborted: 'INFERFLOW_DAG_ABORTED',
  /** An execution was reset or started while components of its last run were still at work. */
  executionBusy: 'INFERFLOW_DAG_EXECUTION_BUSY',
  /** An option has a value outside its range. */
  optionInvalid: 'INFERFLOW_DAG_OPTION_INVALID',
} as const;

/** One of the values of {@link DagErrorCode}. */
export type DagErrorCode = (typeof DagErrorCode)[keyof typeof DagErrorCode];

const brand = Symbol.for('inferflow.DagError');

/** What a {@link DagError} may know besides its message. */
export interface DagErrorDetails {
  readonly cause?: unknown;
  readonly path?: readonly string[] | undefined;
  readonly componentId?: string | undefined;
  readonly requiredBy?: string | undefined;
  readonly issues?: readonly TopologyProblem[];
  readonly result?: ExecutionResult;
}

/** The one error of this package. `instanceof` also holds across copies of the package. */
export class DagError extends Error {
  override readonly name = 'DagError';
  /** Stable; the thing to match on. */
  readonly code: DagErrorCode;
  /** The cycle, first and last alike; set for `INFERFLOW_DAG_CYCLE`. */
  readonly path: readonly string[] | undefined;
  /** The component the error is about. */
  readonly componentId: string | undefined;
  /** The component that asked for `componentId`. */
  readonly requiredBy: string | undefined;
  /** Everything that is wrong with a graph; empty for errors of an execution. */
  readonly issues: readonly TopologyProblem[];
  /** What had happened when an execution ended early; absent for errors of a graph. */
  readonly result: ExecutionResult | undefined;

  constructor(code: DagErrorCode, message: string, details: DagErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.path = details.path;
    this.componentId = details.componentId;
    this.requiredBy = details.requiredBy;
    this.issues = details.issues ?? [];
    this.result = details.result;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
