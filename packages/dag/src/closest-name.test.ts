import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { closestName, editDistance } from './closest-name.js';

describe('closestName', () => {
  it.each([
    ['fs_usr', ['fs_user', 'fs_product'], 'fs_user'],
    ['sp_request', ['fs_request', 'name'], 'fs_request'],
    ['Ranker', ['ranker'], 'ranker'],
    ['rnaker', ['ranker'], 'ranker'],
    ['x', ['completely_different'], undefined],
    ['ranker', ['ranker'], undefined],
    ['i3', ['i2', 'i1'], 'i1'],
    ['x', ['a', 'X'], 'X'],
    ['x', ['y'], undefined],
    ['anything', [], undefined],
    ['y'.repeat(5000), ['y'.repeat(5000)], undefined],
  ])('answers %s', (name, candidates, expected) => {
    expect(closestName(name, candidates)).toBe(expected);
  });

  it('does not depend on the order of the candidates', () => {
    const names = fc.array(fc.string({ maxLength: 6, unit: fc.constantFrom('a', 'b', 'c') }), { maxLength: 8 });
    fc.assert(
      fc.property(names, fc.string({ maxLength: 6, unit: fc.constantFrom('a', 'b', 'c') }), (candidates, name) => {
        expect(closestName(name, [...candidates].reverse())).toBe(closestName(name, candidates));
      }),
    );
  });
});

describe('editDistance', () => {
  it.each([
    ['', '', 0],
    ['', 'abc', 3],
    ['kitten', 'sitting', 3],
    ['ab', 'ba', 1],
    ['ca', 'abc', 3],
  ])('%s → %s', (from, to, expected) => {
    expect(editDistance(from, to)).toBe(expected);
    expect(editDistance(to, from)).toBe(expected);
  });

  it('says no more than "above" once above the limit', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 12 }), fc.string({ maxLength: 12 }), fc.nat(12), (from, to, limit) => {
        const exact = editDistance(from, to);
        const bounded = editDistance(from, to, limit);
        if (exact <= limit) expect(bounded).toBe(exact);
        else expect(bounded).toBeGreaterThan(limit);
      }),
    );
  });
});
