import { describe, expect, it } from 'vitest';
import { budgetOf } from './budget.js';
import { resolveLimits } from './limits.js';
import { SchemaKey } from './schema-key.js';
import { Violations } from './violations.js';

describe('budgetOf', () => {
  it.each([
    ['the caller’s deadline', 1200, 90, 1200, 15],
    ['the model’s', Number.POSITIVE_INFINITY, 90, 1090, 15],
    ['the engine’s', Number.POSITIVE_INFINITY, undefined, 1500, 15],
    ['at most a quarter is kept', 1020, undefined, 1020, 5],
    ['nothing is left', 900, undefined, 900, 0],
  ])('%s', (_name, caller, model, deadline, reserveMs) => {
    expect(budgetOf(1000, caller, model, 500, 15)).toEqual({ deadline, reserveMs });
  });
});

describe('SchemaKey', () => {
  const bytes = (text: string) => new TextEncoder().encode(text);
  const keyOf = (head: number, ...parts: (string | number)[]) => {
    const key = new SchemaKey();
    key.begin(head);
    for (const part of parts) {
      if (typeof part === 'number') key.addNumber(part);
      else key.addBytes(bytes(part), 0, bytes(part).length);
    }
    return key;
  };

  it('tells apart what differs, however it is cut', () => {
    const keys = [
      keyOf(0, 'ab', 'c'),
      keyOf(0, 'a', 'bc'),
      keyOf(1, 'ab', 'c'),
      keyOf(0, 'ab', 'c', 0),
      keyOf(0, 'abc'),
      keyOf(0, 'abcd'),
      keyOf(0, 'abcd', ''),
    ];
    for (const left of keys) for (const right of keys) expect(left.equals(right.copy())).toBe(left === right);
  });

  it('grows, is reused, and hashes equal content alike', () => {
    const long = Array.from({ length: 300 }, (_, index) => `feature_${index}`);
    const key = keyOf(3, ...long);
    const copy = key.copy();
    const hash = key.hash();
    key.begin(9);
    key.addBytes(bytes('xyz'), 0, 3);
    expect(key.equals(copy)).toBe(false);
    expect(keyOf(3, ...long).equals(copy)).toBe(true);
    expect(keyOf(3, ...long).hash()).toBe(hash);
  });
});

describe('Violations', () => {
  it('keeps order, joins lists and counts what it does not list', () => {
    const first = new Violations();
    first.add('a', 'one');
    const more = new Violations();
    for (let index = 0; index < 100; index++) more.add(`b${index}`, 'two');
    first.addAll(more);
    expect(first.count).toBe(101);
    const error = first.toError('m');
    expect(error.message).toBe('one');
    expect(error.violations).toHaveLength(41);
    expect(error.violations.at(-1)).toEqual({ field: '', description: 'and 61 more' });
  });
});

describe('resolveLimits', () => {
  it('fills in defaults and refuses nonsense', () => {
    expect(resolveLimits({ maxTargets: 7 })).toMatchObject({ maxTargets: 7, maxMessageBytes: 4 * 1024 * 1024 });
    expect(() => resolveLimits({ maxTargets: 1.5 })).toThrow(/limit maxTargets/);
    expect(() => resolveLimits({ maxRows: 1 } as never)).toThrow(/limit maxRows/);
  });
});
