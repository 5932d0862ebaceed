import type { Stream } from './stream.js';

const slotCount = 512;
const slotMask = slotCount - 1;

/**
 * The open streams of a client connection by id. Ids are odd and go up, so half an id, cut to the table's size, spreads them evenly;
 * streams that share a slot are linked through their own fields. Nothing is allocated per stream.
 */
export class StreamTable {
  readonly #slots: (Stream | null)[] = new Array<Stream | null>(slotCount).fill(null);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): Stream | null {
    let stream = this.#slots[(id >>> 1) & slotMask] ?? null;
    while (stream !== null && stream.id !== id) stream = stream.tableNext;
    return stream;
  }

  /** The id must not be in the table. */
  add(stream: Stream): void {
    const slot = (stream.id >>> 1) & slotMask;
    stream.tableNext = this.#slots[slot] ?? null;
    this.#slots[slot] = stream;
    this.#size++;
  }

  /** False when the stream is not in the table. */
  remove(stream: Stream): boolean {
    const slot = (stream.id >>> 1) & slotMask;
    let before: Stream | null = null;
    for (let at = this.#slots[slot] ?? null; at !== null; before = at, at = at.tableNext) {
      if (at !== stream) continue;
      if (before === null) this.#slots[slot] = stream.tableNext;
      else before.tableNext = stream.tableNext;
      stream.tableNext = null;
      this.#size--;
      return true;
    }
    return false;
  }

  /** All streams, oldest first. For what happens rarely. */
  list(): Stream[] {
    const streams: Stream[] = [];
    for (const first of this.#slots) for (let at: Stream | null = first; at !== null; at = at.tableNext) streams.push(at);
    return streams.sort((a, b) => a.id - b.id);
  }
}
