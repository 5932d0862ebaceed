import { type LogMessage, messageBytes } from '../log-message.js';
import type { LogSink } from '../sink.js';
import { SentBatch } from './sent-batch.js';
import type { SpillStore } from './spill-store.js';

// How long batches of a topic stay small once one was refused for its size: the limit may be raised while we run.
const smallMs = 600_000;

/** Records of one topic on their way to a sink: those that wait, and the batch that is under way. */
export class Lane {
  readonly topic: string;
  /** null: without one, or it could not be opened yet. */
  spill: SpillStore | null;
  readonly waiting: LogMessage[] = [];
  waitingBytes = 0;
  sent: SentBatch | null = null;
  failures = 0;
  stop: (() => void) | null = null;
  /** What is done when the pause behind a failure is over; null = there is none. */
  goOn: (() => void) | null = null;
  readonly #sink: LogSink;
  #smallBytes = 0;
  #smallUntil = Number.NEGATIVE_INFINITY;

  constructor(topic: string, sink: LogSink, spill: SpillStore | null) {
    this.topic = topic;
    this.#sink = sink;
    this.spill = spill;
  }

  /** Begins a batch of what has waited longest. */
  begin(nowMs: number): void {
    const most = this.batchBytes(nowMs);
    let count = 0;
    let content = 0;
    for (const message of this.waiting) {
      content += this.#contentBytes(message);
      if (count > 0 && content > most) break;
      count++;
    }
    const messages = this.waiting.splice(0, count);
    this.waitingBytes -= queuedBytes(messages);
    this.sent = new SentBatch(messages, null);
  }

  /** Most bytes of a batch. */
  batchBytes(nowMs: number): number {
    return nowMs < this.#smallUntil ? this.#smallBytes : this.#sink.maxBatchBytes;
  }

  /** Messages were too much for one batch: those to come have half of them, for a while. */
  stayBelow(messages: readonly LogMessage[], nowMs: number): void {
    this.#smallBytes = messages.reduce((sum, message) => sum + this.#contentBytes(message), 0) / 2;
    this.#smallUntil = nowMs + smallMs;
  }

  #contentBytes(message: LogMessage): number {
    return message.value.byteLength + (this.#sink.recordOverhead?.(message) ?? 64);
  }
}

/** What messages cost in a queue. */
export function queuedBytes(messages: readonly LogMessage[]): number {
  return messages.reduce((sum, message) => sum + messageBytes(message), 0);
}
