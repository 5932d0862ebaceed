/** What a failed request means to its caller; `apps/server` maps each kind to one gRPC code. */
export type EngineErrorKind =
  | 'invalid_argument'
  | 'failed_precondition'
  | 'resource_exhausted'
  | 'deadline_exceeded'
  | 'unavailable'
  | 'cancelled'
  | 'internal';

/** Every error code of this package with the kind it always has. Match on the code, never on the message. */
export const engineErrorKinds = {
  /** The model config id is not known to this engine. */
  INFERFLOW_ENGINE_UNKNOWN_MODEL: 'invalid_argument',
  /** The request breaks one or more rules; all of them are in `violations`. */
  INFERFLOW_ENGINE_INVALID_REQUEST: 'invalid_argument',
  /** The request bytes are not the message they should be. */
  INFERFLOW_ENGINE_MALFORMED_REQUEST: 'invalid_argument',
  /** The model's configuration was refused and there is no earlier good version. */
  INFERFLOW_ENGINE_MODEL_REFUSED: 'failed_precondition',
  /** A limit on sizes or counts of one request was passed. */
  INFERFLOW_ENGINE_LIMIT_EXCEEDED: 'resource_exhausted',
  /** Too many requests are in flight. */
  INFERFLOW_ENGINE_OVERLOADED: 'resource_exhausted',
  /** The deadline passed, or left no time for an answer. */
  INFERFLOW_ENGINE_DEADLINE_EXCEEDED: 'deadline_exceeded',
  /** A component whose `on_failure` is `fail` failed. */
  INFERFLOW_ENGINE_COMPONENT_FAILED: 'unavailable',
  /** The caller gave up. */
  INFERFLOW_ENGINE_CANCELLED: 'cancelled',
  /** The engine is closed or has no configuration yet. */
  INFERFLOW_ENGINE_NOT_READY: 'unavailable',
  /** A defect of this software; the cause is logged, not sent. */
  INFERFLOW_ENGINE_INTERNAL: 'internal',
  /** The options of `createEngine` or of an embedder's call are wrong (a programmer's mistake). */
  INFERFLOW_ENGINE_OPTIONS_INVALID: 'invalid_argument',
} as const satisfies Readonly<Record<`INFERFLOW_ENGINE_${string}`, EngineErrorKind>>;

/** Stable code of an {@link EngineError}. */
export type EngineErrorCode = keyof typeof engineErrorKinds;

/** One broken rule: where in the request (a field path such as `pairs[2].first_target_index`) and what is wrong. */
export interface Violation {
  readonly field: string;
  readonly description: string;
}

/** What an {@link EngineError} carries besides its code and message. */
export interface EngineErrorDetails {
  readonly violations?: readonly Violation[];
  readonly modelConfigId?: string;
  readonly componentName?: string;
  /** When the same request may succeed, in ms; 0 = nobody knows. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

const brand: unique symbol = Symbol.for('inferflow.EngineError') as never;

/**
 * A request, or a call of the engine, that did not get an answer. Messages never hold request values or ids of people.
 * `instanceof` works across copies of this package.
 */
export class EngineError extends Error {
  override readonly name = 'EngineError';
  readonly code: EngineErrorCode;
  readonly kind: EngineErrorKind;
  /** All broken rules of the request; the first one's text is the message's. Empty for other kinds. */
  readonly violations: readonly Violation[];
  readonly modelConfigId: string;
  /** The component the error is about, or ''. */
  readonly componentName: string;
  /** When the same request may succeed, in ms; 0 = nobody knows, or never. */
  readonly retryAfterMs: number;
  readonly [brand] = true;

  constructor(code: EngineErrorCode, message: string, details: EngineErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.code = code;
    this.kind = engineErrorKinds[code];
    this.violations = details.violations ?? [];
    this.modelConfigId = details.modelConfigId ?? '';
    this.componentName = details.componentName ?? '';
    this.retryAfterMs = details.retryAfterMs ?? 0;
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/**
 * An {@link EngineError} without a stack trace: what a bad request from outside gets, so that garbage cannot buy the
 * price of a stack.
 */
export function createRequestError(code: EngineErrorCode, message: string, details: EngineErrorDetails = {}): EngineError {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 0;
  try {
    return new EngineError(code, message, details);
  } finally {
    Error.stackTraceLimit = limit;
  }
}
