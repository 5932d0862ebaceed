import { expect } from 'vitest';
import type { Matrix } from '../matrix.js';
import type { RowSet } from '../row-set.js';
import type { GatherProgram } from './gather-program.js';

/** What a program writes for rows from … to−1, in an array of its own; nothing beside it may have been touched. */
export function gather(program: GatherProgram, matrix: Matrix, slate: Matrix | null, rows: RowSet, from = 0, to = rows.count): Uint8Array {
  const length = program.byteLength(matrix, slate, rows, from, to);
  const target = new Uint8Array(length + 7).fill(0xee);
  program.write(matrix, slate, rows, from, to, target, 3);
  expect([...target.subarray(0, 3), ...target.subarray(length + 3)]).toEqual(new Array(7).fill(0xee));
  return target.slice(3, length + 3);
}
