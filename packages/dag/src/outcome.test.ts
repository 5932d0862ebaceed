import { describe, expect, it } from 'vitest';
import { OutcomeStatus, Outcomes, outcomeStatusName } from './outcome.js';

describe('Outcomes', () => {
  it('keeps status, reason, start and duration of each component', () => {
    const outcomes = new Outcomes(3);
    outcomes.started(1, 100.25);
    expect([outcomes.status(1), outcomes.durationMs(1)]).toEqual([OutcomeStatus.pending, 0]);
    outcomes.ended(1, OutcomeStatus.failed, 7, 103);
    outcomes.ended(2, OutcomeStatus.skipped, 0, 104);
    expect([outcomes.status(1), outcomes.reason(1), outcomes.startedAt(1), outcomes.durationMs(1)]).toEqual([2, 7, 100.25, 2.75]);
    expect([outcomes.status(2), outcomes.startedAt(2), outcomes.durationMs(2)]).toEqual([3, 104, 0]);
    expect([outcomes.status(0), outcomes.startedAt(0)]).toEqual([OutcomeStatus.pending, 0]);
    expect(outcomes.countOf(OutcomeStatus.skipped)).toBe(1);
    outcomes.reset();
    expect(outcomes.countOf(OutcomeStatus.pending)).toBe(3);
    expect(outcomes.startedAt(1)).toBe(0);
  });

  it('has a name for every status', () => {
    for (const [name, status] of Object.entries(OutcomeStatus)) expect(outcomeStatusName(status)).toBe(name);
  });
});
