const slabBytes = 256 * 1024;
const largestShared = 64 * 1024;

/**
 * Memory for record values. Small values share a piece, so that the runtime has few pieces to make and to sweep. One per topic: values
 * that wait for one topic must not be kept alive by those of another.
 */
export class ValueSlab {
  readonly #pieceBytes: number;
  #piece: Uint8Array = new Uint8Array(0);
  #used = 0;

  constructor(pieceBytes = slabBytes) {
    this.#pieceBytes = pieceBytes;
  }

  /** Bytes that nobody else writes, with whatever was in them. */
  take(length: number): Uint8Array {
    if (length > Math.min(largestShared, this.#pieceBytes)) return rawBytes(length);
    if (this.#used + length > this.#piece.length) {
      this.#piece = rawBytes(this.#pieceBytes);
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
