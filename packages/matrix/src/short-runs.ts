// What typed arrays do by themselves costs a call into the engine, 20 ns and more however little there is to do: a request of few rows
// has little to do many times.

/** Up to this length a loop copies faster than `set` does, which wants a view. */
const shortCopy = 48;
/** Up to this length a loop is faster than `fill`. */
const shortFill = 12;

/** Copies `source[from, to)` to `target`, bytes only. */
export function copyBytes(source: Uint8Array, from: number, to: number, target: Uint8Array, at: number): void {
  if (to - from > shortCopy) {
    target.set(source.subarray(from, to), at);
    return;
  }
  for (let index = from, put = at; index < to; index++, put++) target[put] = source[index] as number;
}

/** `target.fill(value, from, to)`. */
export function fillRange(target: Uint8Array | Int32Array, value: number, from: number, to: number): void {
  if (to - from > shortFill) target.fill(value, from, to);
  else for (let index = from; index < to; index++) target[index] = value;
}
