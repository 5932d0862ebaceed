import { describe, expect, it } from 'vitest';
import { RetryBudget } from './retry-budget.js';

function takeAll(budget: RetryBudget): number {
  let taken = 0;
  while (budget.take()) taken++;
  return taken;
}

describe('RetryBudget', () => {
  it('starts with ten retries, then gives one per ten calls', () => {
    const budget = new RetryBudget(0.1);
    expect(takeAll(budget)).toBe(10);
    for (let call = 0; call < 55; call++) budget.earn();
    expect(takeAll(budget)).toBe(5);
  });

  it('keeps what calls earned for the loss of a connection, up to 200', () => {
    const budget = new RetryBudget(0.1);
    for (let call = 0; call < 505; call++) budget.earn();
    expect(takeAll(budget)).toBe(60);
    for (let call = 0; call < 100_000; call++) budget.earn();
    expect(takeAll(budget)).toBe(200);
  });

  it('of ratio 0 gives none', () => {
    const budget = new RetryBudget(0);
    budget.earn();
    expect(budget.take()).toBe(false);
  });
});
