import { describe, expect, it } from 'vitest';
import { component, defineComponent } from './define-component.js';
import { readColumn } from './reads.js';
import { runComponent } from './testing/index.js';

describe('the columns of a run', () => {
  it('are those that were declared and nothing else, whatever they are called', async () => {
    const seen: unknown[] = [];
    const names = ['toString', '__proto__', 'x'];
    const type = defineComponent({
      type: 'tested',
      apiVersion: 1,
      parseConfig: () => null,
      create: () =>
        component({
          reads: Object.fromEntries(names.map((name) => [name, readColumn('x')])),
          writes: {},
          execute({ reads, writes }) {
            seen.push(Object.keys(reads), Object.keys(writes), 'constructor' in reads, 'toString' in writes);
            seen.push(...names.map((name, row) => reads[name]?.number(row)), Object.isFrozen(reads));
            seen.push(Reflect.set(Object.getPrototypeOf(reads), 'left', 1), 'left' in writes);
          },
        }),
    });
    await runComponent(type, { config: null, columns: { x: [1, 2, 3] } });
    expect(seen).toEqual([names, [], false, false, 1, 2, 3, true, false, false]);
  });
});
