const brand = Symbol.for('inferflow.transport.error');

/** Stable codes of the errors that this package throws; match on these, not on texts. */
export type TransportErrorCode =
  | 'INFERFLOW_TRANSPORT_GRPC'
  | 'INFERFLOW_TRANSPORT_CANCELLED'
  | 'INFERFLOW_TRANSPORT_DEADLINE'
  | 'INFERFLOW_TRANSPORT_METADATA_INVALID'
  | 'INFERFLOW_TRANSPORT_OPTIONS_INVALID'
  | 'INFERFLOW_TRANSPORT_CALL_IN_USE'
  | 'INFERFLOW_TRANSPORT_SCOPE_IN_USE'
  | 'INFERFLOW_TRANSPORT_LISTEN';

/** Every error thrown by this package. `code` is stable; `message` is for people. */
export class TransportError extends Error {
  readonly code: TransportErrorCode;

  constructor(code: TransportErrorCode, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'TransportError';
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }

  /** True for errors of this family from any copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}

/** An answer other than OK, thrown by handlers of a local upstream to choose the status their caller sees. */
export class GrpcError extends TransportError {
  /** The gRPC status code, 1–16. */
  readonly grpcCode: number;

  constructor(grpcCode: number, message: string, cause?: unknown) {
    super('INFERFLOW_TRANSPORT_GRPC', message, cause);
    this.name = 'GrpcError';
    this.grpcCode = grpcCode;
  }

  /** True for a `GrpcError` from any copy of the package. */
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof TransportError && value.code === 'INFERFLOW_TRANSPORT_GRPC';
  }
}
