import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ProbeCall } from '../testing/probe-call.js';
import { Stream } from './stream.js';
import { StreamTable } from './stream-table.js';

const call = new ProbeCall('x');

describe('StreamTable', () => {
  it('finds, lists and removes what a map would', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('add', 'remove', 'jump'), fc.nat(5000)), { maxLength: 300 });
    fc.assert(
      fc.property(steps, (all) => {
        const table = new StreamTable();
        const map = new Map<number, Stream>();
        let nextId = 1;
        for (const [what, number] of all) {
          if (what === 'jump') nextId += 2 * number;
          else if (what === 'add') {
            const stream = new Stream(nextId, call, 0, 0, 0);
            nextId += 2;
            table.add(stream);
            map.set(stream.id, stream);
          } else if (map.size > 0) {
            const id = [...map.keys()][number % map.size]!;
            const stream = table.get(id)!;
            expect(stream).toBe(map.get(id));
            expect(table.remove(stream)).toBe(true);
            expect(table.remove(stream)).toBe(false);
            map.delete(id);
          }
          expect(table.get(nextId)).toBeNull();
        }
        expect(table.size).toBe(map.size);
        expect(table.list()).toEqual([...map.values()]);
      }),
      { numRuns: 200 },
    );
  });
});
