/** A power of two. A stream that was cut off is forgotten when the 1024th after it, or a multiple of that, is cut off too. */
const cutOffSlots = 1024;
const lastKept = 128;

/** What is known of streams that have ended, for frames of them that still come. Bounded: of old ones nothing is known any more. */
export class ClosedStreams {
  /** By stream number without its lowest bit, modulo its length; made when there is one. */
  #cutOff: Uint32Array | null = null;
  readonly #last = new Uint32Array(lastKept);
  #at = 0;

  /** @param isCutOff we ended it, and its caller may go on sending */
  add(streamId: number, isCutOff: boolean): void {
    this.#last[this.#at] = streamId;
    this.#at = (this.#at + 1) % lastKept;
    if (!isCutOff) return;
    this.#cutOff ??= new Uint32Array(cutOffSlots);
    this.#cutOff[slotOf(streamId)] = streamId;
  }

  /** True for a stream that we cut off: its frames were on the way, and are no mistake. */
  wasCutOff(streamId: number): boolean {
    return this.#cutOff !== null && this.#cutOff[slotOf(streamId)] === streamId;
  }

  /** True for a stream that ended lately. */
  hasEnded(streamId: number): boolean {
    return this.#last.includes(streamId);
  }
}

function slotOf(streamId: number): number {
  return (streamId >>> 1) & (cutOffSlots - 1);
}
