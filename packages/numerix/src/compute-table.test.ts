import { create } from '@bufbuild/protobuf';
import { EntityScoreDataSchema } from '@inferflow/proto';
import { describe, expect, it } from 'vitest';
import { compileExpression } from './compile-expression.js';
import { readTable } from './compute-table.js';

function table(rows: readonly string[][]) {
  const schema = ['id', 'a', 'b', 'c'];
  const entityScores = rows.map((values) => ({ matrixFormat: { case: 'stringData' as const, value: { values } } }));
  return readTable(create(EntityScoreDataSchema, { schema, entityScores }), true, compileExpression('c a -', schema, 'fp32'));
}

describe('readTable', () => {
  it('keeps the columns that the expression reads, and takes no memory for the others', () => {
    const { columns, failure } = table([['x', '1', '2', '3'], ['y', '4'], ['z']]);
    expect(failure).toBeNull();
    expect(columns.map((column) => [...column])).toEqual([[], [1, 4, 0], [], [3, 0, 0]]);
  });

  it('checks values that the expression does not read', () => {
    expect(table([['x', '1', 'two', '3']]).failure).toContain("'two'");
  });
});
