import { DataType } from '@inferflow/matrix';
import { describe, expect, it } from 'vitest';
import { component, readNames, writeSlots } from './define-component.js';
import { readColumn, readColumns, readKeys, readTensor } from './reads.js';
import { writeColumns } from './writes.js';

describe('component', () => {
  const body = { reads: {}, execute() {} };

  it('says what it reads and writes', () => {
    const made = component({
      reads: {
        a: readColumn('x'),
        b: readColumns(['x', 'y']),
        t: readTensor({ columns: ['z'], type: 'FP32', shape: [1] }),
        k: readKeys({ columns: ['id'] }),
      },
      writes: {
        one: writeColumns({ name: 'p', type: DataType.Int16 }),
        two: writeColumns([
          { name: 'q', type: DataType.String },
          { name: 'r', type: DataType.FP32Vector, width: 12 },
        ]),
      },
      execute() {},
    });
    expect(readNames(made)).toEqual(['x', 'y', 'z', 'id']);
    expect(writeSlots(made)).toEqual([
      { name: 'p', type: DataType.Int16, width: 2 },
      { name: 'q', type: DataType.String },
      { name: 'r', type: DataType.FP32Vector, width: 12 },
    ]);
  });

  it('refuses declarations that contradict each other', () => {
    const column = { name: 'p', type: DataType.FP32 };
    expect(() => component({ ...body, writes: { a: writeColumns(column), b: writeColumns(column) } })).toThrow(/written twice/);
    expect(() =>
      component({ ...body, writes: { a: writeColumns(column), b: writeColumns({ ...column, name: 'q' }, { rows: 'own' }) } }),
    ).toThrow(/agree/);
    expect(() => writeColumns({ name: '', type: DataType.FP32 })).toThrow(/name/);
    expect(() => readKeys({ columns: [] })).toThrow(/key/);
  });

  const one = { a: writeColumns({ name: 'p', type: DataType.FP32 }) };
  it.each<[string, () => unknown, string]>([
    ['no declarations', () => component(undefined as never), 'component() takes { reads, writes, execute }'],
    ['no reads', () => component({ writes: one, execute() {} } as never), '`reads` must be an object'],
    ['no writes', () => component({ reads: {}, execute() {} } as never), '`writes` must be an object'],
    ['no code', () => component({ reads: {}, writes: one } as never), '`execute` must be a function'],
    ['a name as read', () => component({ ...body, reads: { x: 'x' }, writes: one } as never), '`reads.x` must be made by readColumn'],
    ['a column as write', () => component({ ...body, writes: { x: { name: 'x' } } } as never), '`writes.x` must be made by writeColumns'],
    ['another scope', () => component({ ...body, writes: one, scope: 'slates' } as never), '`scope` must be'],
    ['a state', () => component({ ...body, writes: one, createState: {} } as never), '`createState` must be a function'],
    ['a column without name', () => readColumn(undefined as never), 'readColumn was given something else'],
    ['a list of no names', () => readColumns([1] as never), 'readColumns was given something else'],
    ['one name for a list', () => readColumns('abc' as never), 'readColumns was given something else'],
    ['a name of a type', () => writeColumns({ name: 'p', type: 'FP32' as never }), 'column "p" is written as a type that there is not'],
    ['no type', () => writeColumns({ name: 'p' } as never), 'column "p" is written as a type that there is not'],
    ['no name to write', () => writeColumns({ type: DataType.FP32 } as never), 'needs a name'],
    ['other rows', () => writeColumns({ name: 'p', type: DataType.FP32 }, { rows: 'Own' as never }), '"rows" or "own"'],
  ])('refuses what an author without types may get wrong: %s', (_, make, text) => {
    expect(make).toThrow(expect.objectContaining({ code: 'INFERFLOW_COMPONENTS_CONTRACT', message: expect.stringContaining(text) }));
  });
});
