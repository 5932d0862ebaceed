import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OpenList } from './open-list.js';

describe('OpenList', () => {
  it('holds what was added and not removed, whatever the order', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9), { maxLength: 60 }), (toggled) => {
        const entries = Array.from({ length: 10 }, () => ({ openIndex: -1 }));
        const list = new OpenList<{ openIndex: number }>();
        const expected = new Set<{ openIndex: number }>();
        for (const index of toggled) {
          const entry = entries[index] as { openIndex: number };
          if (expected.delete(entry)) list.remove(entry);
          else {
            expected.add(entry);
            list.add(entry);
          }
        }
        expect(new Set(list.toArray())).toEqual(expected);
        expect(list.toArray().map(({ openIndex }) => openIndex)).toEqual(list.toArray().map((_, index) => index));
        expect(list.any === undefined).toBe(expected.size === 0);
      }),
    );
  });

  it('ignores what it does not hold', () => {
    const list = new OpenList<{ openIndex: number }>();
    const [held, other] = [{ openIndex: -1 }, { openIndex: -1 }];
    list.add(held);
    list.remove(other);
    expect(list.toArray()).toEqual([held]);
    list.remove(held);
    list.remove(held);
    expect(list.any).toBeUndefined();
  });
});
