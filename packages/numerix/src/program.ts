import type { Expression } from './expression.js';
import type { FloatColumn } from './kernels.js';

/** Width of every value of a computation: `fp32` rounds each operation to four bytes, `fp64` to eight. */
export type Precision = 'fp32' | 'fp64';

/** Kinds of instructions; the argument is a column, a constant or an operation. */
export const InstructionKind = { column: 0, constant: 1, unary: 2, binary: 3 } as const;

/** A program over a fixed list of columns. Holds scratch memory: one evaluation at a time, which synchronous code gives. */
export interface CompiledExpression {
  readonly expression: Expression;
  readonly precision: Precision;
  /** The columns, in the order `evaluate` expects them. */
  readonly columnNames: readonly string[];
  /** Whether column i is read at all; columns that are not may be left empty. */
  readonly isRead: readonly boolean[];
  /** Pairs of kind and argument. @internal */
  readonly program: Int32Array;
  /** Deepest the stack gets. @internal */
  readonly depth: number;
  /** Values of the constants, already rounded. @internal */
  readonly constants: readonly number[];
  /**
   * What a row-wise run stumbles over when it has reached the end of the program: an expression of a running service may
   * be wrong, and what comes before the mistake is still computed (and may fail first). null when nothing is wrong.
   */
  readonly fault: string | null;
  /** @internal */
  readonly scratch: Scratch;
  /** The same as the function `evaluate` with this expression. */
  evaluate(columns: readonly FloatColumn[], rowCount: number): FloatColumn;
}

/** Arrays that grow with the rows and are used again by the next evaluation. @internal */
export interface Scratch {
  rows: number;
  constants: FloatColumn[];
  converted: (FloatColumn | null)[];
  stack: FloatColumn[];
  operands: FloatColumn[];
  sorted: FloatColumn | null;
}
