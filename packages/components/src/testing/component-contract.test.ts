import { DataType } from '@inferflow/matrix';
import { describe, expect, it } from 'vitest';
import { component, defineComponent, PENDING } from '../define-component.js';
import { readColumn } from '../reads.js';
import { writeColumns } from '../writes.js';
import { componentContract } from './component-contract.js';

type Run = Parameters<ReturnType<typeof columnsOf>['execute']>[0];

const columnsOf = (execute: (run: never) => unknown) => ({
  reads: { x: readColumn('x') },
  writes: { y: writeColumns({ name: 'y', type: DataType.FP32 }) },
  execute: execute as (run: {
    writes: { y: { setNumber(row: number, value: number): boolean } };
    rows: { count: number };
    done(): void;
  }) => never,
});

/** Names of the checks that a component with this code does not pass, with what they say. */
async function broken(execute: (run: Run) => unknown): Promise<Record<string, string>> {
  const definition = defineComponent({
    type: 'tried',
    apiVersion: 1,
    parseConfig: () => ({}),
    create: () => component(columnsOf(execute as (run: never) => unknown)),
  });
  const found: Record<string, string> = {};
  for (const check of componentContract(definition, { config: {}, columns: { x: [1, 2, 3] } })) {
    await check.run().catch((error: Error) => {
      found[check.name] = error.message;
    });
  }
  return found;
}

const ends = 'ends exactly once and leaves no cell unwritten';

describe('componentContract', () => {
  it('passes a component that keeps it', async () => {
    const found = await broken((run) => {
      for (let row = 0; row < run.rows.count; row++) run.writes.y.setNumber(row, row);
    });
    expect(found).toEqual({});
  });

  it('notices cells that are left unwritten', async () => {
    const found = await broken((run) => {
      for (let row = 1; row < run.rows.count; row++) run.writes.y.setNumber(row, row);
    });
    expect(found[ends]).toContain('without writing a value in rows 0 to 0');
  });

  it('notices a second end', async () => {
    const found = await broken((run) => {
      for (let row = 0; row < run.rows.count; row++) run.writes.y.setNumber(row, row);
      run.done();
      run.done();
      return PENDING;
    });
    expect(found[ends]).toContain('more than once');
  });

  it('notices a throw where there are no rows', async () => {
    const found = await broken(() => {
      throw new Error('boom');
    });
    expect(found['works without rows']).toContain('boom');
  });
});
