/** Every code an {@link EtcdSourceError} can carry. Match on the code, never on the message. */
export const EtcdSourceErrorCode = {
  /** An option is missing or cannot be understood. */
  options: 'INFERFLOW_ETCD_OPTIONS',
  /** The client library is not installed. */
  libraryMissing: 'INFERFLOW_ETCD_LIBRARY_MISSING',
} as const;

/** One of the values of {@link EtcdSourceErrorCode}. */
export type EtcdSourceErrorCode = (typeof EtcdSourceErrorCode)[keyof typeof EtcdSourceErrorCode];

const brand = Symbol.for('inferflow.EtcdSourceError');

/** A mistake in how the source was set up; trouble with etcd itself is a state, not an error. `instanceof` also holds across copies. */
export class EtcdSourceError extends Error {
  override readonly name = 'EtcdSourceError';
  /** Stable; the thing to match on. */
  readonly code: EtcdSourceErrorCode;

  constructor(code: EtcdSourceErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
