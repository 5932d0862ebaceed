import { describe, expect, it } from 'vitest';
import type { RequestRun } from './request-run.js';
import { IdleBudget, RunPool } from './run-pool.js';

const runs = (count: number) => Array.from({ length: count }, () => ({}) as RequestRun);

describe('runs between two requests', () => {
  it('are kept up to a bound of their own and one of the engine', () => {
    const budget = new IdleBudget(5);
    const [one, other] = [new RunPool(4, budget), new RunPool(4, budget)];
    for (const run of runs(9)) one.give(run);
    for (const run of runs(9)) other.give(run);
    expect([one.idle, other.idle, budget.idle]).toEqual([4, 1, 5]);
    one.close();
    expect([one.idle, budget.idle]).toEqual([0, 1]);
    one.give({} as RequestRun);
    expect([one.idle, budget.idle]).toEqual([0, 1]);
  });

  it('that a burst left are let go, and make room in the budget', () => {
    const budget = new IdleBudget(100);
    const pool = new RunPool(64, budget);
    for (const run of runs(64)) pool.give(run);
    for (let request = 0; request < 60 * 8192; request++) pool.give(pool.take() as RequestRun);
    expect([pool.idle, budget.idle]).toEqual([1, 1]);
  });
});
