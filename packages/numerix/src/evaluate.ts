import { NumerixError } from './errors.js';
import { applyBinary, applyUnary, type FloatColumn } from './kernels.js';
import { Operation } from './operators.js';
import { type CompiledExpression, InstructionKind } from './program.js';
import { normMinMax, normPercentile, percentileRank } from './whole-vector.js';

const BOUNDS_0_99 = { low: 0, high: 99 } as const;
const BOUNDS_5_95 = { low: 5, high: 95 } as const;

/**
 * Evaluates an expression over whole columns and returns a new column of the expression's precision, owned by the caller.
 *
 * @param columns one array per name of `compiled.columnNames`; those that are not read may be shorter. Columns of the other
 * width are converted first. They are not changed and not kept.
 * @throws NumerixError INFERFLOW_NUMERIX_ARITHMETIC for a division by zero and the like: one bad row fails the whole call.
 */
export function evaluate(compiled: CompiledExpression, columns: readonly FloatColumn[], rowCount: number): FloatColumn {
  const out = createColumn(compiled, rowCount);
  const failure = evaluateInto(compiled, columns, rowCount, out);
  if (failure !== null) throw new NumerixError('INFERFLOW_NUMERIX_ARITHMETIC', `expression '${compiled.expression.text}': ${failure}`);
  return out;
}

/**
 * The same without exceptions: writes `rowCount` values into `out`, an array of the expression's precision, and returns null
 * or the text of the failure, in which case `out` holds nothing of use. Allocates nothing once warm. `out` may be one of the
 * columns.
 */
export function evaluateInto(
  compiled: CompiledExpression,
  columns: readonly FloatColumn[],
  rowCount: number,
  out: FloatColumn,
): string | null {
  checkColumns(compiled, columns, rowCount, out);
  const { program, scratch } = compiled;
  if (scratch.rows < rowCount || scratch.stack.length === 0) grow(compiled, rowCount);
  const { operands } = scratch;
  let depth = 0;
  for (let at = 0; at < program.length; at += 2) {
    const argument = program[at + 1]!;
    switch (program[at]) {
      case InstructionKind.column:
        operands[depth++] = inPrecision(compiled, columns, argument, rowCount);
        break;
      case InstructionKind.constant:
        operands[depth++] = scratch.constants[argument]!;
        break;
      case InstructionKind.unary: {
        const target = scratch.stack[depth - 1]!;
        const failure = applyFunction(argument as Operation, operands[depth - 1]!, target, rowCount, compiled);
        if (failure !== null) return failure;
        operands[depth - 1] = target;
        break;
      }
      default: {
        depth--;
        const target = scratch.stack[depth - 1]!;
        const failure = applyBinary(argument as Operation, operands[depth - 1]!, operands[depth]!, target, rowCount);
        if (failure !== null) return failure;
        operands[depth - 1] = target;
      }
    }
  }
  if (compiled.fault !== null) return compiled.fault;
  const result = operands[0]!;
  if (result !== out) for (let row = 0; row < rowCount; row++) out[row] = result[row]!;
  return null;
}

/** A new column of the expression's precision. */
export function createColumn(compiled: CompiledExpression, rowCount: number): FloatColumn {
  return compiled.precision === 'fp32' ? new Float32Array(rowCount) : new Float64Array(rowCount);
}

function applyFunction(
  operation: Operation,
  value: FloatColumn,
  out: FloatColumn,
  rows: number,
  compiled: CompiledExpression,
): string | null {
  const rowWise = applyUnary(operation, value, out, rows);
  if (rowWise !== false) return rowWise;
  if (operation === Operation.normMinMax) normMinMax(value, out, rows);
  else if (operation === Operation.percentileRank) percentileRank(value, out, rows);
  else {
    const { scratch } = compiled;
    if (scratch.sorted === null || scratch.sorted.length < rows) scratch.sorted = createColumn(compiled, scratch.rows);
    return normPercentile(value, out, rows, operation === Operation.normPercentile0To99 ? BOUNDS_0_99 : BOUNDS_5_95, scratch.sorted);
  }
  return null;
}

/** A column as it is, or converted to the width of the computation into scratch memory. */
function inPrecision(compiled: CompiledExpression, columns: readonly FloatColumn[], index: number, rowCount: number): FloatColumn {
  const column = columns[index]!;
  if (column instanceof Float32Array === (compiled.precision === 'fp32')) return column;
  const { scratch } = compiled;
  let converted = scratch.converted[index];
  if (!converted || converted.length < rowCount) {
    converted = createColumn(compiled, scratch.rows);
    scratch.converted[index] = converted;
  }
  for (let row = 0; row < rowCount; row++) converted[row] = column[row]!;
  return converted;
}

function grow(compiled: CompiledExpression, rowCount: number): void {
  const { scratch, constants, depth } = compiled;
  const rows = Math.max(64, 2 ** Math.ceil(Math.log2(Math.max(1, rowCount))));
  scratch.rows = rows;
  scratch.stack = Array.from({ length: Math.max(1, depth) }, () => createColumn(compiled, rows));
  scratch.constants = constants.map((value) => createColumn(compiled, rows).fill(value));
  scratch.converted = [];
  scratch.sorted = null;
}

function checkColumns(compiled: CompiledExpression, columns: readonly FloatColumn[], rowCount: number, out: FloatColumn): void {
  if (columns.length !== compiled.columnNames.length) {
    throw mismatch(`expected ${compiled.columnNames.length} columns (${compiled.columnNames.join(', ')}), got ${columns.length}`);
  }
  if (out.length < rowCount || out instanceof Float32Array !== (compiled.precision === 'fp32')) {
    throw mismatch(
      `the result needs a ${compiled.precision === 'fp32' ? 'Float32Array' : 'Float64Array'} of at least ${rowCount} values, got a ${out.constructor.name} of ${out.length}`,
    );
  }
  for (let index = 0; index < columns.length; index++) {
    if (compiled.isRead[index] && columns[index]!.length < rowCount) {
      throw mismatch(`column '${compiled.columnNames[index]}' has ${columns[index]!.length} rows, expected ${rowCount}`);
    }
  }
}

function mismatch(message: string): NumerixError {
  return new NumerixError('INFERFLOW_NUMERIX_COLUMNS_MISMATCH', message);
}
