import { Operation } from './operators.js';

/** A column of numbers: the array's element width is the precision of the computation. */
export type FloatColumn = Float32Array | Float64Array;

/** Texts of arithmetic failures; callers of the service match on them. */
export const ArithmeticFailure = {
  divisionByZero: 'Division by zero',
  andNeedsBooleans: 'AND operation requires boolean values (0.0 or 1.0).',
  orNeedsBooleans: 'OR operation requires boolean values (0.0 or 1.0).',
  logOfNonPositive: 'Cannot take logarithm of non-positive number',
  percentileOfNaN: 'Percentiles of NaN are not defined',
} as const;
export type ArithmeticFailure = (typeof ArithmeticFailure)[keyof typeof ArithmeticFailure];

/**
 * Row-wise operations. `out` may be `left` or `right`. Storing into a Float32Array rounds: +, -, * and / of two FP32 values
 * computed in FP64 and then rounded are the correctly rounded FP32 results, so no operation needs a second form.
 */
export function applyBinary(
  operation: Operation,
  left: FloatColumn,
  right: FloatColumn,
  out: FloatColumn,
  rows: number,
): ArithmeticFailure | null {
  switch (operation) {
    case Operation.add:
      for (let row = 0; row < rows; row++) out[row] = left[row]! + right[row]!;
      return null;
    case Operation.subtract:
      for (let row = 0; row < rows; row++) out[row] = left[row]! - right[row]!;
      return null;
    case Operation.multiply:
      for (let row = 0; row < rows; row++) out[row] = left[row]! * right[row]!;
      return null;
    case Operation.divide:
      for (let row = 0; row < rows; row++) if (right[row] === 0) return ArithmeticFailure.divisionByZero;
      for (let row = 0; row < rows; row++) out[row] = left[row]! / right[row]!;
      return null;
    case Operation.power:
      for (let row = 0; row < rows; row++) out[row] = power(left[row]!, right[row]!);
      return null;
    case Operation.min:
      for (let row = 0; row < rows; row++) out[row] = smaller(left[row]!, right[row]!);
      return null;
    case Operation.max:
      for (let row = 0; row < rows; row++) out[row] = larger(left[row]!, right[row]!);
      return null;
    case Operation.greater:
      for (let row = 0; row < rows; row++) out[row] = left[row]! > right[row]! ? 1 : 0;
      return null;
    case Operation.less:
      for (let row = 0; row < rows; row++) out[row] = left[row]! < right[row]! ? 1 : 0;
      return null;
    case Operation.greaterOrEqual:
      for (let row = 0; row < rows; row++) out[row] = left[row]! >= right[row]! ? 1 : 0;
      return null;
    case Operation.lessOrEqual:
      for (let row = 0; row < rows; row++) out[row] = left[row]! <= right[row]! ? 1 : 0;
      return null;
    case Operation.equal:
      for (let row = 0; row < rows; row++) out[row] = left[row]! === right[row]! ? 1 : 0;
      return null;
    case Operation.and:
      if (!areBooleans(left, right, rows)) return ArithmeticFailure.andNeedsBooleans;
      for (let row = 0; row < rows; row++) out[row] = left[row]! !== 0 && right[row]! !== 0 ? 1 : 0;
      return null;
    case Operation.or:
      if (!areBooleans(left, right, rows)) return ArithmeticFailure.orNeedsBooleans;
      for (let row = 0; row < rows; row++) out[row] = left[row]! !== 0 || right[row]! !== 0 ? 1 : 0;
      return null;
    default:
      throw new TypeError(`operation ${operation} does not take two operands`);
  }
}

/** Functions that look at one row only. `out` may be `value`. Returns false when `operation` is not one of them. */
export function applyUnary(operation: Operation, value: FloatColumn, out: FloatColumn, rows: number): ArithmeticFailure | null | false {
  switch (operation) {
    case Operation.exp:
      for (let row = 0; row < rows; row++) out[row] = Math.exp(value[row]!);
      return null;
    case Operation.log:
      for (let row = 0; row < rows; row++) if (value[row]! <= 0) return ArithmeticFailure.logOfNonPositive;
      for (let row = 0; row < rows; row++) out[row] = Math.log(value[row]!);
      return null;
    case Operation.abs:
      for (let row = 0; row < rows; row++) out[row] = Math.abs(value[row]!);
      return null;
    default:
      return false;
  }
}

/** C's pow: 1 to any power and −1 to an infinite one are 1, where JavaScript says NaN. */
function power(base: number, exponent: number): number {
  if (base === 1 || (base === -1 && (exponent === Infinity || exponent === -Infinity))) return 1;
  return base ** exponent;
}

function smaller(left: number, right: number): number {
  if (right < left) return right;
  return Number.isNaN(left) ? right : left;
}

function larger(left: number, right: number): number {
  if (right > left) return right;
  return Number.isNaN(left) ? right : left;
}

function areBooleans(left: FloatColumn, right: FloatColumn, rows: number): boolean {
  for (let row = 0; row < rows; row++) {
    const l = left[row]!;
    const r = right[row]!;
    if ((l !== 0 && l !== 1) || (r !== 0 && r !== 1)) return false;
  }
  return true;
}
