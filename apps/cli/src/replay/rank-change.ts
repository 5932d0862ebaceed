/** Kendall's τ-b of two lists of the same length: 1 = the same order, −1 = the reverse; ties are accounted for. NaN when one has no order. */
export function kendallTau(left: ArrayLike<number>, right: ArrayLike<number>): number {
  const n = left.length;
  const order = Array.from({ length: n }, (_, index) => index).sort(
    (a, b) => (left[a] as number) - (left[b] as number) || (right[a] as number) - (right[b] as number),
  );
  const pairs = (n * (n - 1)) / 2;
  let tiesLeft = 0;
  let tiesBoth = 0;
  for (let from = 0; from < n; ) {
    let to = from + 1;
    while (to < n && left[order[to] as number] === left[order[from] as number]) to++;
    tiesLeft += ((to - from) * (to - from - 1)) / 2;
    for (let first = from; first < to; ) {
      let last = first + 1;
      while (last < to && right[order[last] as number] === right[order[first] as number]) last++;
      tiesBoth += ((last - first) * (last - first - 1)) / 2;
      first = last;
    }
    from = to;
  }
  const values = Float64Array.from(order, (index) => right[index] as number);
  const swaps = countSwaps(values);
  let tiesRight = 0;
  for (let from = 0; from < n; ) {
    let to = from + 1;
    while (to < n && values[to] === values[from]) to++;
    tiesRight += ((to - from) * (to - from - 1)) / 2;
    from = to;
  }
  const ordered = Math.sqrt((pairs - tiesLeft) * (pairs - tiesRight));
  return ordered === 0 ? Number.NaN : (pairs - tiesLeft - tiesRight + tiesBoth - 2 * swaps) / ordered;
}

/** Sorts, and counts the pairs that were in the wrong order. */
function countSwaps(values: Float64Array): number {
  let swaps = 0;
  let source: Float64Array = values;
  let target: Float64Array = new Float64Array(values.length);
  for (let width = 1; width < values.length; width *= 2) {
    for (let from = 0; from < values.length; from += width * 2) {
      const middle = Math.min(from + width, values.length);
      const to = Math.min(from + width * 2, values.length);
      let [first, second] = [from, middle];
      for (let at = from; at < to; at++) {
        if (first < middle && (second >= to || (source[first] as number) <= (source[second] as number)))
          target[at] = source[first++] as number;
        else {
          target[at] = source[second++] as number;
          swaps += middle - first;
        }
      }
    }
    [source, target] = [target, source];
  }
  if (source !== values) values.set(source);
  return swaps;
}

/** Share of the best `count` of one list that are among the best of the other; ties go to the earlier row. */
export function topOverlap(left: ArrayLike<number>, right: ArrayLike<number>, count: number): number {
  const most = Math.min(count, left.length);
  if (most === 0) return Number.NaN;
  const best = new Set(topOf(left, most));
  let common = 0;
  for (const row of topOf(right, most)) if (best.has(row)) common++;
  return common / most;
}

function topOf(values: ArrayLike<number>, count: number): readonly number[] {
  return Array.from({ length: values.length }, (_, index) => index)
    .sort((a, b) => (values[b] as number) - (values[a] as number) || a - b)
    .slice(0, count);
}
