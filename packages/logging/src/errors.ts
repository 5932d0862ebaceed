const brand = Symbol.for('inferflow.logging.error');

/** Stable codes of this package; match on these, never on texts. */
export type LoggingErrorCode =
  | 'INFERFLOW_LOGGING_OPTIONS_INVALID'
  | 'INFERFLOW_LOGGING_DEPENDENCY_MISSING'
  | 'INFERFLOW_LOGGING_SPILL_FAILED'
  | 'INFERFLOW_LOGGING_MESSAGE_INVALID'
  | 'INFERFLOW_LOGGING_FORMAT_INVALID'
  | 'INFERFLOW_LOGGING_COMPRESSION_INVALID'
  | 'INFERFLOW_LOGGING_SCHEMA_NOT_FOUND';

/** Everything this package throws. */
export class LoggingError extends Error {
  override readonly name = 'LoggingError';
  /** Stable code. */
  readonly code: LoggingErrorCode;

  constructor(code: LoggingErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
  }

  get [brand](): true {
    return true;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** What to say when an optional library is asked for and not installed. @internal */
export function missingLibrary(library: string, purpose: string, cause: unknown): LoggingError {
  return new LoggingError('INFERFLOW_LOGGING_DEPENDENCY_MISSING', `${purpose} needs the package "${library}": npm install ${library}`, {
    cause,
  });
}
