import { EngineError } from '../errors.js';

/** Bounds on one request and on the engine; passing one is refused with `resource_exhausted`. */
export interface Limits {
  /** Bytes of one request message. @default 4 MiB */
  readonly maxMessageBytes: number;
  /** Targets (rows) of one request. @default 10 000 */
  readonly maxTargets: number;
  /** Pairs or slates of one request. @default 10 000 */
  readonly maxSlates: number;
  /** Target indices over all slates of one request. @default 100 000 */
  readonly maxSlateTargets: number;
  /** Columns one request brings: schema entries, context features, entities and their features. @default 2 000 */
  readonly maxFeatures: number;
  /** Cells one request brings: targets × columns (slates × columns count too). @default 4 000 000 */
  readonly maxCells: number;
  /** Requests in flight in this engine. @default 10 000 */
  readonly maxInFlight: number;
}

const defaultLimits: Limits = {
  maxMessageBytes: 4 * 1024 * 1024,
  maxTargets: 10_000,
  maxSlates: 10_000,
  maxSlateTargets: 100_000,
  maxFeatures: 2_000,
  maxCells: 4_000_000,
  maxInFlight: 10_000,
};

/**
 * Fills absent limits with their defaults.
 * @throws EngineError INFERFLOW_ENGINE_OPTIONS_INVALID for a limit that is not a positive whole number.
 */
export function resolveLimits(limits: Partial<Limits> = {}): Limits {
  const resolved: Record<string, number> = { ...defaultLimits };
  for (const [name, value] of Object.entries(limits)) {
    if (value === undefined) continue;
    if (!(name in defaultLimits) || !Number.isSafeInteger(value) || value < 1) {
      throw new EngineError(
        'INFERFLOW_ENGINE_OPTIONS_INVALID',
        `limit ${name} must be one of ${Object.keys(defaultLimits).join(', ')} and a positive whole number`,
      );
    }
    resolved[name] = value;
  }
  return resolved as unknown as Limits;
}
