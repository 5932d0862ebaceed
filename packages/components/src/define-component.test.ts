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
});
