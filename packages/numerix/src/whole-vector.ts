import { ArithmeticFailure, type FloatColumn } from './kernels.js';

/** Rounds an intermediate value to the precision of `column`: these functions take more than one step per row. */
function rounder(column: FloatColumn): (value: number) => number {
  return column instanceof Float32Array ? Math.fround : identity;
}

function identity(value: number): number {
  return value;
}

/** (x − min) / (max − min); 1 everywhere when all values are equal. NaNs are ignored for the bounds. `out` may be `value`. */
export function normMinMax(value: FloatColumn, out: FloatColumn, rows: number): void {
  let min = Infinity;
  let max = -Infinity;
  for (let row = 0; row < rows; row++) {
    const x = value[row]!;
    if (x < min) min = x;
    if (x > max) max = x;
  }
  const round = rounder(out);
  const range = round(max - min);
  if (range === 0) {
    out.fill(1, 0, rows);
    return;
  }
  for (let row = 0; row < rows; row++) out[row] = round(value[row]! - min) / range;
}

/** Row i becomes i / (n − 1): the rank is the position. 1 everywhere when every value equals the one before it. */
export function percentileRank(value: FloatColumn, out: FloatColumn, rows: number): void {
  let isConstant = true;
  for (let row = 1; row < rows && isConstant; row++) isConstant = value[row] === value[row - 1];
  if (isConstant) {
    out.fill(1, 0, rows);
    return;
  }
  const last = rounder(out)(rows - 1);
  const round = rounder(out);
  for (let row = 0; row < rows; row++) out[row] = round(row) / last;
}

/**
 * (x − P(low)) / (P(high) − P(low)), not clamped; bounds that are equal count as 1 and 2. One row gives 1. `out` may be
 * `value`; `sorted` is scratch of at least `rows` values that must be neither of the two.
 */
export function normPercentile(
  value: FloatColumn,
  out: FloatColumn,
  rows: number,
  bounds: { readonly low: number; readonly high: number },
  sorted: FloatColumn,
): ArithmeticFailure | null {
  if (rows === 1) {
    out[0] = 1;
    return null;
  }
  for (let row = 0; row < rows; row++) {
    const x = value[row]!;
    // NaN has no place in an order, so there is no percentile to speak of.
    if (Number.isNaN(x)) return ArithmeticFailure.percentileOfNaN;
    sorted[row] = x;
  }
  const ordered = sorted.subarray(0, rows).sort();
  restoreZeroOrder(ordered, value);
  const round = rounder(out);
  let low = percentile(ordered, bounds.low, round);
  let high = percentile(ordered, bounds.high, round);
  if (low === high) {
    low = 1;
    high = 2;
  }
  const range = round(high - low);
  for (let row = 0; row < rows; row++) out[row] = round(value[row]! - low) / range;
  return null;
}

/** A typed array sorts −0 before 0; here they are equal and keep their order, which shows in the sign of a result. */
function restoreZeroOrder(ordered: FloatColumn, value: FloatColumn): void {
  let at = 0;
  while (at < ordered.length && ordered[at]! < 0) at++;
  if (!Object.is(ordered[at], -0)) return;
  for (let row = 0; row < ordered.length; row++) if (value[row] === 0) ordered[at++] = value[row]!;
}

function percentile(ordered: FloatColumn, percent: number, round: (value: number) => number): number {
  if (percent === 0) return ordered[0]!;
  const last = ordered.length - 1;
  const position = round(round(round(percent) / 100) * round(last));
  const floor = Math.floor(position);
  if (floor >= last) return ordered[last]!;
  const below = ordered[floor]!;
  if (position === floor) return below;
  return round(below + round(round(ordered[floor + 1]! - below) * round(position - floor)));
}
