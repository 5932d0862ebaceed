/** What {@link StreamTable} needs of a stream. */
export interface TableStream<S> {
  readonly id: number;
  /** Link of the table. */
  tableNext: S | null;
}

const slotCount = 512;
const slotMask = slotCount - 1;

/**
 * The open streams of a connection by id, all of them opened by the client. Ids are odd and go up, so half an id, cut to the table's size, spreads them evenly;
 * streams that share a slot are linked through their own fields. Nothing is allocated per stream.
 */
export class StreamTable<S extends TableStream<S>> {
  readonly #slots: (S | null)[] = new Array<S | null>(slotCount).fill(null);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get(id: number): S | null {
    let stream = this.#slots[(id >>> 1) & slotMask] ?? null;
    while (stream !== null && stream.id !== id) stream = stream.tableNext;
    return stream;
  }

  /** The id must not be in the table. */
  add(stream: S): void {
    const slot = (stream.id >>> 1) & slotMask;
    stream.tableNext = this.#slots[slot] ?? null;
    this.#slots[slot] = stream;
    this.#size++;
  }

  /** False when the stream is not in the table. */
  remove(stream: S): boolean {
    const slot = (stream.id >>> 1) & slotMask;
    let before: S | null = null;
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
  list(): S[] {
    const streams: S[] = [];
    for (const first of this.#slots) for (let at: S | null = first; at !== null; at = at.tableNext) streams.push(at);
    return streams.sort((a, b) => a.id - b.id);
  }
}
