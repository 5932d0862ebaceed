const brand = Symbol.for('inferflow.model-server.error');

/** Stable codes of this package; match on these, never on texts. */
export type ModelServerErrorCode =
  /** A model cannot be loaded, or its name and version are taken. */
  | 'INFERFLOW_MODEL_SERVER_MODEL_INVALID'
  /** An optional package is not installed. */
  | 'INFERFLOW_MODEL_SERVER_DEPENDENCY_MISSING'
  /** No model of that name and version. */
  | 'INFERFLOW_MODEL_SERVER_MODEL_NOT_FOUND'
  /** Inputs do not fit the model's signature. */
  | 'INFERFLOW_MODEL_SERVER_INPUT_INVALID'
  /** The caller gave up. */
  | 'INFERFLOW_MODEL_SERVER_CANCELLED'
  /** The time of a call is over. */
  | 'INFERFLOW_MODEL_SERVER_DEADLINE_EXCEEDED'
  /** Too many calls wait. */
  | 'INFERFLOW_MODEL_SERVER_OVERLOADED'
  /** The process that runs the model ended, is restarting, cannot be started, or was closed. */
  | 'INFERFLOW_MODEL_SERVER_UNAVAILABLE'
  /** The model itself failed. */
  | 'INFERFLOW_MODEL_SERVER_RUN_FAILED';

/** Everything this package throws. */
export class ModelServerError extends Error {
  override readonly name = 'ModelServerError';
  /** Stable code. */
  readonly code: ModelServerErrorCode;

  constructor(code: ModelServerErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
  }

  get [brand](): true {
    return true;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
