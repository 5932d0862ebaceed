/** Every code a {@link ConfigError} can carry. Match on the code, never on the message. */
export const ConfigErrorCode = {
  /** A source of configs cannot be read at all. */
  sourceUnavailable: 'INFERFLOW_CONFIG_SOURCE_UNAVAILABLE',
  /** A source was started twice, or after it was closed, or closed before it had started. */
  sourceState: 'INFERFLOW_CONFIG_SOURCE_STATE',
} as const;

/** One of the values of {@link ConfigErrorCode}. */
export type ConfigErrorCode = (typeof ConfigErrorCode)[keyof typeof ConfigErrorCode];

const brand = Symbol.for('inferflow.ConfigError');

/** The one error of this package; what is wrong inside a config is a `Problem`, not an error. `instanceof` also holds across copies of the package. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  /** Stable; the thing to match on. */
  readonly code: ConfigErrorCode;

  constructor(code: ConfigErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
