// `fill`, `set` and `subarray` are calls into V8: 20 ns (Node 20.20) however little there is to do, and a request of few rows has little to
// do many times. Ranges are the caller's business: a loop does not throw for one that does not fit.

/** Up to here a loop copies faster than `set`, which wants a view: level at about 50 bytes. */
const shortCopyBytes = 48;
/** Up to here a loop is faster than `fill`: level at about 16 cells. */
const shortFillCells = 12;

/** Copies `source[from, to)` to `target`, bytes only. */
export function copyBytes(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): void {
  if (to - from > shortCopyBytes) {
    target.set(source.subarray(from, to), at);
    return;
  }
  for (let index = from, put = at; index < to; index++, put++) target[put] = source[index] as number;
}

/** Sets `target[from, to)` to a value; both ends within the target. */
export function fillRange(target: Uint8Array | Int32Array, value: number, from: number, to: number): void {
  if (to - from > shortFillCells) target.fill(value, from, to);
  else for (let index = from; index < to; index++) target[index] = value;
}
