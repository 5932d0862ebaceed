/** When a request must be answered, and the part of that time that is kept for the answer. */
export interface Budget {
  /** `performance.now()` clock. */
  readonly deadline: number;
  readonly reserveMs: number;
}

/**
 * The budget of a request: its caller's deadline, else the model's, else the engine's. The reserve is never more than a quarter of
 * what is left, so that a short deadline still has time to work in.
 */
export function budgetOf(
  now: number,
  callerDeadline: number,
  modelDeadlineMs: number | undefined,
  defaultDeadlineMs: number,
  reserveMs: number,
): Budget {
  const deadline = callerDeadline !== Number.POSITIVE_INFINITY ? callerDeadline : now + (modelDeadlineMs ?? defaultDeadlineMs);
  return { deadline, reserveMs: Math.min(reserveMs, Math.max(deadline - now, 0) / 4) };
}
