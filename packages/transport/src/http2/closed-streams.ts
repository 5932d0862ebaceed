/** Streams that are kept in mind after we ended them while their callers went on sending. */
const mostCutOff = 1024;
const lastKept = 128;

/** What is known of streams that have ended, for frames of them that still come. Bounded: of the oldest nothing is known any more. */
export class ClosedStreams {
  /** Oldest first; made when there is one. */
  #cutOff: Set<number> | null = null;
  readonly #last = new Uint32Array(lastKept);
  #at = 0;

  /** @param isCutOff we ended it, and its caller may go on sending */
  add(streamId: number, isCutOff: boolean): void {
    this.#last[this.#at] = streamId;
    this.#at = (this.#at + 1) % lastKept;
    if (!isCutOff) return;
    this.#cutOff ??= new Set();
    this.#cutOff.add(streamId);
    if (this.#cutOff.size > mostCutOff) for (const oldest of this.#cutOff) return void this.#cutOff.delete(oldest);
  }

  /** True for a stream that we cut off: its frames were on the way, and are no mistake. */
  wasCutOff(streamId: number): boolean {
    return this.#cutOff?.has(streamId) === true;
  }

  /** True for a stream that ended lately. */
  hasEnded(streamId: number): boolean {
    return this.#last.includes(streamId);
  }
}
