import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IdleList } from './idle-list.js';

function listOf(length: number): IdleList<number> {
  const list = new IdleList<number>();
  for (let item = 0; item < length; item++) list.give(item);
  return list;
}

describe('things that wait for their next use', () => {
  it('come back last in, first out, and then not at all', () => {
    const list = listOf(2);
    expect([list.take(), list.take(), list.take()]).toEqual([1, 0, undefined]);
    list.give(7);
    list.clear();
    expect(list.length).toBe(0);
    expect(list.take()).toBeUndefined();
  });

  it('are let go a part at a time when nobody needs them, down to none', () => {
    const list = listOf(64);
    const lengths: number[] = [];
    for (let look = 0; look < 40; look++) {
      list.letGo();
      lengths.push(list.length);
    }
    // The first look only learns how many there are.
    expect(lengths.slice(0, 4)).toEqual([64, 56, 49, 42]);
    expect(lengths.at(-1)).toBe(0);
  });

  it('tell their owner which of them are gone', () => {
    const list = listOf(8);
    list.letGo();
    const gone: number[] = [];
    list.letGo((item) => gone.push(item));
    expect(gone).toEqual([7]);
    expect(list.length).toBe(7);
  });

  it('stay while so many are in use at a time', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 }), (all, used) => {
        const list = listOf(all);
        for (let look = 0; look < 100; look++) {
          const out: number[] = [];
          while (out.length < used) {
            const item = list.take();
            if (item === undefined) break;
            out.push(item);
          }
          for (const item of out) list.give(item);
          list.letGo();
          expect(list.length).toBeGreaterThanOrEqual(Math.min(all, used));
        }
        expect(list.length).toBe(Math.min(all, used));
      }),
    );
  });
});
