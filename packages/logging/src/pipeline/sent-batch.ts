import type { LogMessage } from '../log-message.js';
import type { SpilledBatch } from './spill-store.js';

interface Part {
  readonly messages: readonly LogMessage[];
  /** What is left of a part once the records that the sink named were taken out. */
  readonly isRest: boolean;
}

/**
 * A batch on its way to a sink: at first whole, then, when records of it were refused, in parts one after the other, in order. At most three
 * parts per record are sent, however few of them the sink takes.
 */
export class SentBatch {
  /** Where it was read; null = it was never on disk. */
  readonly spilled: SpilledBatch | null;
  /** The sink may still have values of an attempt that failed on their way. */
  hasFailed = false;
  /** An attempt that was refused in the end may have been taken in an earlier one. */
  mayRepeat = false;
  readonly #messages: readonly LogMessage[];
  readonly #parts: Part[];

  constructor(messages: readonly LogMessage[], spilled: SpilledBatch | null) {
    this.spilled = spilled;
    this.#messages = messages;
    this.#parts = [{ messages, isRest: false }];
  }

  /** What is to be sent now, the very same array over attempts; null = all is done. */
  get part(): readonly LogMessage[] | null {
    return this.#parts[0]?.messages ?? null;
  }

  /** Messages that are neither delivered nor dropped. */
  get left(): readonly LogMessage[] {
    return this.#parts.flatMap(({ messages }) => messages);
  }

  /** How many messages from the first on are delivered or dropped. */
  get doneCount(): number {
    const next = this.#parts[0]?.messages[0];
    return next === undefined ? this.#messages.length : this.#messages.indexOf(next);
  }

  /** The part is done with. */
  end(): void {
    this.#parts.shift();
  }

  /**
   * Records of the part were refused. Returns those that are for certain; the others are sent without them, and in halves when that did
   * not help or none is certain.
   * @param named positions of records in the part
   */
  divide(named: readonly number[]): readonly LogMessage[] {
    const part = this.#parts.shift();
    if (part === undefined) return [];
    const positions = new Set(part.messages.length === 1 ? [0] : named);
    const refused = part.messages.filter((_, position) => positions.has(position));
    const rest = part.messages.filter((_, position) => !positions.has(position));
    if (rest.length === 1 || (refused.length > 0 && !part.isRest)) {
      if (rest.length > 0) this.#parts.unshift({ messages: rest, isRest: true });
      return refused;
    }
    const middle = rest.length >> 1;
    const halves = [rest.slice(0, middle), rest.slice(middle)].filter(({ length }) => length > 0);
    this.#parts.unshift(...halves.map((messages) => ({ messages, isRest: false })));
    return refused;
  }
}
