import { expect, it } from 'vitest';
import { KnownNames } from './known-names.js';

it('finds what was meant, and stops to look once that would be felt', () => {
  const names = new KnownNames(Array.from({ length: 1000 }, (_, index) => `component_${index}`));
  const found = Array.from({ length: 3000 }, () => names.closest('componet_7'));
  expect(found[0]).toBe('component_7');
  expect(found.filter((name) => name !== undefined)).toHaveLength(100);
});
