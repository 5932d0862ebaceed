/** So long a model that was asked for counts as one that the others share the process with. */
const knownMs = 60_000;

/** Whether requests are all for the same model: then what one of them has to wait for, all have. */
export class ModelMix {
  #last = '';
  /** When a model was asked for after another one. */
  #mixedAt = Number.NEGATIVE_INFINITY;

  /** A request for a model came. */
  asked(modelConfigId: string, now: number): void {
    if (modelConfigId === this.#last) return;
    if (this.#last !== '') this.#mixedAt = now;
    this.#last = modelConfigId;
  }

  /** All requests of the last minute were for one model. */
  isOne(now: number): boolean {
    return now - this.#mixedAt > knownMs;
  }
}
