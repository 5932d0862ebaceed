import type { Slate } from '@inferflow/matrix';

/** Which part of the rows a call is about. */
export interface Chunk {
  /** Positions of the row set, half-open. */
  readonly from: number;
  readonly to: number;
  /** Rows of the block that the answer fills, half-open: targets, or slates. */
  readonly firstRow: number;
  readonly lastRow: number;
  /** Rows that the called service sees. */
  readonly modelRows: number;
}

/** How a component's rows become calls. */
export type ChunkMode = 'targets' | 'per_slate' | 'rows' | 'dimension';

/**
 * Cuts the rows of a run into calls, one after the other.
 *
 * - `targets`: up to `batchSize` targets a call; model row r is the chunk's target r.
 * - `per_slate`: one call per slate with its targets as rows; the first answered row is the slate's.
 * - `rows`: up to `batchSize` slates of one length a call, each as one model row that holds its targets one after the other.
 * - `dimension`: the same with the targets as a dimension of their own: [slate, target, …].
 *
 * Slates without targets are in no chunk.
 */
export class ChunkCutter {
  readonly #mode: ChunkMode;
  readonly #batchSize: number;
  #rowCount = 0;
  #slate: Slate | null = null;
  #position = 0;
  #slateIndex = 0;

  /** `batchSize` 0 = all in one. */
  constructor(mode: ChunkMode, batchSize: number) {
    this.#mode = mode;
    this.#batchSize = batchSize > 0 ? batchSize : Number.MAX_SAFE_INTEGER;
  }

  /** Starts with the rows of a run. */
  start(rowCount: number, slate: Slate | null): void {
    this.#rowCount = rowCount;
    this.#slate = slate;
    this.#position = 0;
    this.#slateIndex = 0;
  }

  /** The next chunk; null when there is none left. */
  next(): Chunk | null {
    switch (this.#mode) {
      case 'targets':
        return this.#nextTargets();
      case 'per_slate':
        return this.#nextSlates(1);
      case 'rows':
      case 'dimension':
        return this.#nextSlates(this.#batchSize);
    }
  }

  #nextTargets(): Chunk | null {
    const from = this.#position;
    if (from >= this.#rowCount) return null;
    const to = Math.min(from + this.#batchSize, this.#rowCount);
    this.#position = to;
    return { from, to, firstRow: from, lastRow: to, modelRows: to - from };
  }

  /** Slates of one length that follow each other; with one slate a call the model's rows are its targets. */
  #nextSlates(most: number): Chunk | null {
    const { offsets } = this.#slate as Slate;
    const slates = offsets.length - 1;
    while (this.#slateIndex < slates && offsets[this.#slateIndex] === offsets[this.#slateIndex + 1]) this.#slateIndex++;
    if (this.#slateIndex >= slates) return null;
    const first = this.#slateIndex;
    const from = offsets[first] as number;
    const length = (offsets[first + 1] as number) - from;
    let last = first + 1;
    while (last < slates && last - first < most && (offsets[last + 1] as number) - (offsets[last] as number) === length) last++;
    this.#slateIndex = last;
    const modelRows = this.#mode === 'per_slate' ? length : last - first;
    return { from, to: offsets[last] as number, firstRow: first, lastRow: last, modelRows };
  }
}
