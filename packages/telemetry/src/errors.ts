/** Every code a {@link TelemetryError} can carry. Match on the code, never on the message. */
export const TelemetryErrorCode = {
  /** The metric table has no metric of this name. */
  unknownMetric: 'INFERFLOW_TELEMETRY_UNKNOWN_METRIC',
  /** A counter was asked for as a gauge, or the like. */
  wrongKind: 'INFERFLOW_TELEMETRY_WRONG_KIND',
  /** A label is missing, or the metric does not have it. */
  labelsInvalid: 'INFERFLOW_TELEMETRY_LABELS_INVALID',
  /** An option has a value outside its range. */
  optionInvalid: 'INFERFLOW_TELEMETRY_OPTION_INVALID',
} as const;

/** One of the values of {@link TelemetryErrorCode}. */
export type TelemetryErrorCode = (typeof TelemetryErrorCode)[keyof typeof TelemetryErrorCode];

const brand = Symbol.for('inferflow.TelemetryError');

/** The one error of this package; always a mistake of the calling code, found when a metric is bound, never when it is observed. */
export class TelemetryError extends Error {
  override readonly name = 'TelemetryError';
  /** Stable; the thing to match on. */
  readonly code: TelemetryErrorCode;

  constructor(code: TelemetryErrorCode, message: string) {
    super(message);
    this.code = code;
    Object.defineProperty(this, brand, { value: true });
  }

  static override [Symbol.hasInstance](value: unknown): boolean {
    return typeof value === 'object' && value !== null && brand in value;
  }
}
