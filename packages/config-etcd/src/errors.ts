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

/** Every code an {@link EtcdWriteError} can carry. Match on the code, never on the message. */
export const EtcdWriteErrorCode = {
  /** Somebody else wrote one of the models between the read and the write. Nothing was written. */
  lostRace: 'INFERFLOW_ETCD_LOST_RACE',
  /** A model does not fit into one request of etcd. */
  tooLarge: 'INFERFLOW_ETCD_TOO_LARGE',
  /** An id that cannot be a key, or that servers would not read. */
  badId: 'INFERFLOW_ETCD_BAD_ID',
  /** What etcd holds cannot be changed safely, such as an unreadable key of all models. */
  unwritable: 'INFERFLOW_ETCD_UNWRITABLE',
} as const;

/** One of the values of {@link EtcdWriteErrorCode}. */
export type EtcdWriteErrorCode = (typeof EtcdWriteErrorCode)[keyof typeof EtcdWriteErrorCode];

const writeBrand = Symbol.for('inferflow.EtcdWriteError');

/** A write that was refused before or by etcd; trouble with reaching etcd is an `EtcdFailure`. `instanceof` also holds across copies. */
export class EtcdWriteError extends Error {
  override readonly name = 'EtcdWriteError';
  /** Stable; the thing to match on. */
  readonly code: EtcdWriteErrorCode;

  constructor(code: EtcdWriteErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    Object.defineProperty(this, writeBrand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && writeBrand in value;
  }
}
