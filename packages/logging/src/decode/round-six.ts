/** A float rounded to six decimals from its exact value, ties to even: what Python's `round(x, 6)` gives. */
export function roundSix(value: number): number {
  if (!Number.isFinite(value) || Math.abs(value) >= 2 ** 52) return value;
  // Only odd multiples of 1/128 lie halfway between two decimals.
  const scaled = value * 128;
  if (Number.isInteger(scaled) && scaled % 2 !== 0) {
    const doubled = BigInt(scaled) * 15_625n;
    const lower = (doubled - (((doubled % 2n) + 2n) % 2n)) / 2n;
    const even = lower % 2n === 0n ? lower : lower + 1n;
    return Number(`${even}e-6`);
  }
  const rounded = Number(value.toFixed(6));
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}
