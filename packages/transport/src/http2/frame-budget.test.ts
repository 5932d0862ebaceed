import { describe, expect, it, vi } from 'vitest';
import { FrameBudget } from './frame-budget.js';

describe('FrameBudget', () => {
  it('is spent, earned up to the burst, and filled with time', () => {
    let now = 1000;
    vi.spyOn(performance, 'now').mockImplementation(() => now);
    const budget = new FrameBudget(10, 100);
    expect(budget.spend(10)).toBe(true);
    expect(budget.spend(1)).toBe(false);
    budget.earn(3);
    expect([budget.spend(1), budget.spend(1), budget.spend(1)]).toEqual([true, true, false]);
    now += 50;
    expect([budget.spend(4), budget.spend(4)]).toEqual([true, false]);
    budget.earn(1000);
    expect([budget.spend(10), budget.spend(1)]).toEqual([true, false]);
    vi.restoreAllMocks();
  });
});
