import { describe, expect, it } from 'vitest';
import { RowForms } from './row-forms.js';

const cells = (...values: number[]) => Int32Array.from(values);

describe('RowForms', () => {
  it('gives forms one number only when all cells stand alike', () => {
    const forms = new RowForms();
    const first = forms.of(12, 2, cells(0, 0, 4, 1, 4, 8));
    expect(forms.of(12, 2, cells(0, 0, 4, 1, 4, 8))).toBe(first);
    const others = [
      forms.of(16, 2, cells(0, 0, 4, 1, 4, 8)),
      forms.of(12, 3, cells(0, 0, 4, 1, 4, 8)),
      forms.of(12, 2, cells(1, 8, 4, 0, 0, 8)),
      forms.of(12, 2, cells(0, 0, 4, 1, 4, -1)),
    ];
    expect(new Set([first, ...others].map(({ number }) => number)).size).toBe(5);
    for (const form of [first, ...others]) expect(forms.get(form.number)).toBe(form);
  });

  it('forgets who has not been asked for longest, and gives no other its number', () => {
    const forms = new RowForms();
    const [first, second] = [forms.of(1, 1, cells(0, 0, 1)), forms.of(2, 1, cells(0, 0, 2))];
    const numbers = new Set([first.number, second.number]);
    for (let width = 3; width < 100; width++) {
      numbers.add(forms.of(width, 1, cells(0, 0, width)).number);
      forms.of(1, 1, cells(0, 0, 1));
    }
    expect(forms.get(first.number)).toBe(first);
    expect(forms.get(second.number)).toBeUndefined();
    expect(numbers.size).toBe(99);
    expect(numbers.has(forms.of(2, 1, cells(0, 0, 2)).number)).toBe(false);
  });
});
