const slabBytes = 256 * 1024;
const largestShared = 64 * 1024;

/**
 * Memory for record values. Small values share a piece, so that the runtime has few pieces to make and to sweep. One per sink: values
 * that wait for one sink must not keep those of another alive.
 */
export class ValueSlab {
  #piece: Uint8Array = new Uint8Array(0);
  #used = 0;

  /** Bytes that nobody else writes, with whatever was in them. */
  take(length: number): Uint8Array {
    if (length > largestShared) return rawBytes(length);
    if (this.#used + length > this.#piece.length) {
      this.#piece = rawBytes(slabBytes);
      this.#used = 0;
    }
    const start = this.#used;
    this.#used = start + length;
    return this.#piece.subarray(start, this.#used);
  }
}

/** Not cleared, and no `Buffer`, whose `slice` would not copy. */
function rawBytes(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
