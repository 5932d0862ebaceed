const pieceBytes = 256 * 1024;
const largestShared = 64 * 1024;
// 8 MB: what waits for an answer of a busy topic, twice.
const keptPieces = 32;

/** Memory that several values share. */
interface Piece {
  readonly bytes: Uint8Array;
  readonly pool: PiecePool;
  used: number;
  /** Values that somebody may still read. */
  out: number;
  isCurrent: boolean;
}

const owners = new WeakMap<ArrayBufferLike, Piece>();

/** Pieces that nobody reads any more, kept for new values: making and sweeping them costs more than writing a record. */
export class PiecePool {
  readonly pieceBytes: number;
  readonly #free: Piece[] = [];

  /** @param size bytes of a piece. @default 256 KiB */
  constructor(size = pieceBytes) {
    this.pieceBytes = size;
  }

  take(): Piece {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const piece = { bytes: rawBytes(this.pieceBytes), pool: this, used: 0, out: 0, isCurrent: false };
    owners.set(piece.bytes.buffer, piece);
    return piece;
  }

  give(piece: Piece): void {
    piece.used = 0;
    if (this.#free.length < keptPieces) this.#free.push(piece);
  }
}

/**
 * Memory for record values. Small values share a piece, so that the runtime has few pieces to make and to sweep. One per topic: values
 * that wait for one topic must not keep alive those of another.
 */
export class ValueSlab {
  readonly #pool: PiecePool;
  #piece: Piece | null = null;

  constructor(pool = new PiecePool()) {
    this.#pool = pool;
  }

  /** Bytes that nobody else writes until {@link giveBackValue}, with whatever was in them. */
  take(length: number): Uint8Array {
    if (length > Math.min(largestShared, this.#pool.pieceBytes)) return rawBytes(length);
    let piece = this.#piece;
    if (piece === null || piece.used + length > piece.bytes.length) {
      if (piece !== null) piece.isCurrent = false;
      piece = this.#pool.take();
      piece.isCurrent = true;
      this.#piece = piece;
    }
    const start = piece.used;
    piece.used = start + length;
    piece.out++;
    return piece.bytes.subarray(start, piece.used);
  }
}

/**
 * Says that nobody reads a value of a {@link ValueSlab} any more: its bytes may be written again. Exactly once per value, or never: then
 * the runtime sweeps them. Other bytes are passed over.
 */
export function giveBackValue(value: Uint8Array): void {
  const piece = owners.get(value.buffer);
  if (piece === undefined || --piece.out > 0) return;
  if (piece.isCurrent) piece.used = 0;
  else piece.pool.give(piece);
}

/** Not cleared, and no `Buffer`, whose `slice` would not copy. */
function rawBytes(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
