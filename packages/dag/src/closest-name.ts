/** Names longer than this are not compared: nobody mistypes them, and the cost of a comparison is the product of the lengths. */
const MAX_LENGTH = 256;

/**
 * The candidate a mistyped name most likely meant, for "did you mean": at most a third of its characters differ, or one of two
 * (a swap of two neighbours counts as one difference, upper and lower case as none).
 * Ties go to the alphabetically first. `undefined` when nothing is close.
 */
export function closestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > MAX_LENGTH) return undefined;
  const wanted = name.toLowerCase();
  let best: string | undefined;
  let bestDistance = (name.length < 2 ? 0 : Math.max(1, Math.floor(name.length / 3))) + 1;
  for (const candidate of candidates) {
    if (candidate === name || candidate.length > MAX_LENGTH) continue;
    const limit = best !== undefined && candidate < best ? bestDistance : bestDistance - 1;
    const distance = editDistance(wanted, candidate.toLowerCase(), limit);
    if (distance > limit) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/**
 * Insertions, deletions, replacements and swaps of neighbours that turn one text into the other.
 * Once it is certain that more than `limit` are needed, some number above `limit` is returned.
 */
export function editDistance(from: string, to: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(from.length - to.length) > limit) return limit + 1;
  // What both begin and end with needs no edits: names are mostly alike, and the cost is the product of what is left.
  let start = 0;
  let fromEnd = from.length;
  let toEnd = to.length;
  while (start < fromEnd && start < toEnd && from.charCodeAt(start) === to.charCodeAt(start)) start++;
  while (fromEnd > start && toEnd > start && from.charCodeAt(fromEnd - 1) === to.charCodeAt(toEnd - 1)) {
    fromEnd--;
    toEnd--;
  }
  return distanceBetween(from.slice(start, fromEnd), to.slice(start, toEnd), limit);
}

function distanceBetween(from: string, to: string, limit: number): number {
  const width = to.length + 1;
  let beforeLast = new Uint16Array(width);
  let last = Uint16Array.from({ length: width }, (_, column) => column);
  let current = new Uint16Array(width);
  for (let row = 1; row <= from.length; row++) {
    current[0] = row;
    let lowest = row;
    for (let column = 1; column < width; column++) {
      const same = from.charCodeAt(row - 1) === to.charCodeAt(column - 1);
      let cost = Math.min(last[column - 1]! + (same ? 0 : 1), last[column]! + 1, current[column - 1]! + 1);
      const isSwap =
        row > 1 &&
        column > 1 &&
        from.charCodeAt(row - 1) === to.charCodeAt(column - 2) &&
        from.charCodeAt(row - 2) === to.charCodeAt(column - 1);
      if (isSwap) cost = Math.min(cost, beforeLast[column - 2]! + 1);
      current[column] = cost;
      lowest = Math.min(lowest, cost);
    }
    if (lowest > limit) return lowest;
    [beforeLast, last, current] = [last, current, beforeLast];
  }
  return last[to.length]!;
}
