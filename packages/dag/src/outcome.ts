/** How a component ended, or that it has not. */
export const OutcomeStatus = { pending: 0, ok: 1, failed: 2, skipped: 3, abandoned: 4 } as const;

/** One of the values of {@link OutcomeStatus}. */
export type OutcomeStatus = (typeof OutcomeStatus)[keyof typeof OutcomeStatus];

const statusNames = ['pending', 'ok', 'failed', 'skipped', 'abandoned'] as const;

/** The name of a status, for text and metric labels. */
export function outcomeStatusName(status: OutcomeStatus): keyof typeof OutcomeStatus {
  return statusNames[status];
}

const FIELDS = 4;

/**
 * What happened to every component of one execution, without an object per component: status, a reason code that only the
 * caller understands (0 = none), start and end in milliseconds of the caller's clock.
 */
export class Outcomes {
  readonly count: number;
  /** status, reason, start, end of component 0, then of component 1, … */
  readonly #cells: Float64Array;

  constructor(count: number) {
    this.count = count;
    this.#cells = new Float64Array(count * FIELDS);
  }

  /** Makes every component pending again. */
  reset(): void {
    this.#cells.fill(0);
  }

  /** Notes that a component has started at `now`. */
  started(index: number, now: number): void {
    const at = index * FIELDS;
    this.#cells[at + 2] = now;
    this.#cells[at + 3] = now;
  }

  /** Notes how a component ended. A component that never started gets `now` as its start too. */
  ended(index: number, status: OutcomeStatus, reason: number, now: number): void {
    const cells = this.#cells;
    const at = index * FIELDS;
    cells[at] = status;
    cells[at + 1] = reason;
    if (cells[at + 2] === 0) cells[at + 2] = now;
    cells[at + 3] = now;
  }

  status(index: number): OutcomeStatus {
    // Only `ended` writes this cell, and only with an OutcomeStatus.
    return this.#cells[index * FIELDS]! as OutcomeStatus;
  }

  reason(index: number): number {
    return this.#cells[index * FIELDS + 1]!;
  }

  /** Milliseconds of the caller's clock; 0 when the component has neither started nor ended. */
  startedAt(index: number): number {
    return this.#cells[index * FIELDS + 2]!;
  }

  /** Milliseconds from start to end; 0 while it runs. */
  durationMs(index: number): number {
    return this.#cells[index * FIELDS + 3]! - this.#cells[index * FIELDS + 2]!;
  }

  /** How many components have this status. */
  countOf(status: OutcomeStatus): number {
    let count = 0;
    for (let index = 0; index < this.count; index++) if (this.#cells[index * FIELDS] === status) count++;
    return count;
  }
}
