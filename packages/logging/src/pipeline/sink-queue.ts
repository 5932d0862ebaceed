import { giveBackValue } from '../encode/value-slab.js';
import { type LogMessage, messageBytes } from '../log-message.js';
import type { Delivery, LogSink } from '../sink.js';
import { Lane, queuedBytes } from './lane.js';
import { SentBatch } from './sent-batch.js';
import type { SpillDirectory } from './spill-directory.js';
import type { SpilledBatch, SpillStore } from './spill-store.js';

/** What happens to records when a queue is full. */
export type OverflowPolicy = 'drop-newest' | 'drop-oldest' | 'spill';

/** Told what became of records; counters, in production. */
export interface QueueObserver {
  dropped(message: LogMessage, reason: string): void;
  delivered(topic: string, messages: readonly LogMessage[], mayRepeat: boolean): void;
  failed(topic: string, reason: string): void;
  spilled(message: LogMessage): void;
}

/** The clock a queue runs on. */
export interface QueueClock {
  now(): number;
  /** Calls back after a while; returns how to stop it. */
  after(ms: number, callback: () => void): () => void;
}

/** Options of {@link SinkQueue}. */
export interface SinkQueueOptions {
  readonly sink: LogSink;
  /** Most bytes waiting in memory, batches being delivered included. @default 64 MiB */
  readonly maxBytes: number;
  readonly policy: OverflowPolicy;
  /** Required by the policy `spill`. */
  readonly spill: SpillDirectory | null;
  /** How long a batch waits for more, in ms. */
  readonly lingerMs: number;
  /** First and longest pause after a failure, in ms. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
  readonly clock: QueueClock;
  readonly observer: QueueObserver;
}

/**
 * Records on their way to one sink, bounded by bytes. A lane per topic keeps its order and has one batch under way; a topic that fails
 * waits alone. Nothing here waits for the sink: what does not fit is dropped or spilled, and counted.
 */
export class SinkQueue {
  readonly #options: SinkQueueOptions;
  readonly #lanes = new Map<string, Lane>();
  #bytes = 0;
  #isClosed = false;
  #closing: Promise<number> | null = null;
  #wake: (() => void) | null = null;

  constructor(options: SinkQueueOptions) {
    this.#options = options;
    // What an earlier process left behind.
    for (const topic of options.spill?.topics() ?? []) {
      const lane = this.#lane(topic, options.spill?.open(topic));
      options.clock.after(0, () => this.#drainSpill(lane));
    }
  }

  /** Bytes in memory. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Nothing waits and nothing is under way. */
  get isEmpty(): boolean {
    return this.#bytes === 0 && [...this.#lanes.values()].every(({ spill }) => spill?.isEmpty ?? true);
  }

  /** Takes a record, or drops one by the policy. Never throws, never waits. */
  push(message: LogMessage): void {
    const bytes = messageBytes(message);
    const { maxBytes, policy, spill, observer } = this.#options;
    if (this.#isClosed) return observer.dropped(message, 'closed');
    const lane = this.#lane(message.topic);
    lane.spill ??= this.#openSpill(message.topic);
    // Once something of a topic is on disk, what is newer goes behind it.
    if (lane.spill !== null && (!lane.spill.isEmpty || this.#bytes + bytes > maxBytes)) {
      const refused = lane.spill.append(message);
      if (refused !== null) observer.dropped(message, refused);
      else observer.spilled(message);
      giveBackValue(message.value);
      return this.#drainSpill(lane);
    }
    if (this.#bytes + bytes > maxBytes) {
      if (policy === 'drop-oldest') this.#dropOldest(bytes);
      if (this.#bytes + bytes > maxBytes) {
        observer.dropped(message, spill === null ? 'queue_full' : 'spill_failed');
        return giveBackValue(message.value);
      }
    }
    lane.waiting.push(message);
    lane.waitingBytes += bytes;
    this.#bytes += bytes;
    this.#schedule(lane);
  }

  /**
   * Delivers what is there for at most `graceMs`; what is left in memory then is dropped, what is on disk stays. Returns dropped records. A
   * second call waits for the first.
   */
  close(graceMs: number): Promise<number> {
    this.#closing ??= this.#close(graceMs);
    return this.#closing;
  }

  async #close(graceMs: number): Promise<number> {
    const { clock, observer } = this.#options;
    const deadline = clock.now() + graceMs;
    for (const lane of this.#lanes.values()) {
      // The sink may be back, and the pause longer than there is time.
      lane.failures = 0;
      lane.stop?.();
      lane.stop = null;
      this.#goOn(lane);
      this.#schedule(lane, 0);
    }
    while (this.#bytes > 0 && clock.now() < deadline) {
      await new Promise<void>((resolve) => {
        const stop = clock.after(Math.max(deadline - clock.now(), 0), resolve);
        this.#wake = () => {
          stop();
          resolve();
        };
      });
    }
    this.#wake = null;
    this.#isClosed = true;
    let left = 0;
    for (const lane of this.#lanes.values()) {
      lane.stop?.();
      lane.stop = null;
      for (const message of [...(lane.sent?.spilled === null ? lane.sent.left : []), ...lane.waiting]) {
        if (lane.spill?.append(message) === null) {
          observer.spilled(message);
          continue;
        }
        observer.dropped(message, 'shutdown');
        left++;
      }
      lane.waiting.length = 0;
      lane.spill?.close();
    }
    this.#bytes = 0;
    return left;
  }

  /** null where there is none, and while it cannot be used: records wait in memory only then. */
  #openSpill(topic: string): SpillStore | null {
    try {
      return this.#options.spill?.open(topic) ?? null;
    } catch {
      return null;
    }
  }

  #lane(topic: string, spill: SpillStore | null = null): Lane {
    let lane = this.#lanes.get(topic);
    if (lane === undefined) {
      lane = new Lane(topic, this.#options.sink, spill);
      this.#lanes.set(topic, lane);
    }
    return lane;
  }

  #dropOldest(needed: number): void {
    const { maxBytes, observer } = this.#options;
    while (this.#bytes + needed > maxBytes) {
      let oldest: Lane | null = null;
      for (const lane of this.#lanes.values()) {
        const first = lane.waiting[0];
        if (first !== undefined && (oldest === null || first.createdAtMs < (oldest.waiting[0] as LogMessage).createdAtMs)) oldest = lane;
      }
      const message = oldest?.waiting.shift();
      if (oldest === null || message === undefined) return;
      oldest.waitingBytes -= messageBytes(message);
      this.#bytes -= messageBytes(message);
      observer.dropped(message, 'queue_full');
      giveBackValue(message.value);
    }
  }

  #schedule(lane: Lane, afterMs: number = this.#options.lingerMs): void {
    if (lane.sent !== null || lane.goOn !== null || lane.waiting.length === 0) return;
    if (afterMs > 0 && lane.waitingBytes < lane.batchBytes(this.#options.clock.now())) {
      lane.stop ??= this.#options.clock.after(afterMs, () => {
        lane.stop = null;
        this.#send(lane);
      });
      return;
    }
    lane.stop?.();
    lane.stop = null;
    this.#send(lane);
  }

  #send(lane: Lane): void {
    if (lane.sent !== null || lane.waiting.length === 0) return;
    lane.begin(this.#options.clock.now());
    this.#deliver(lane);
  }

  #deliver(lane: Lane): void {
    const part = lane.sent?.part;
    if (part === undefined || part === null) return;
    this.#options.sink.deliver(lane.topic, part).then(
      (delivery) => this.#ended(lane, part, delivery),
      () => this.#ended(lane, part, { isDelivered: false, reason: 'sink_failed', isRetriable: true }),
    );
  }

  #ended(lane: Lane, part: readonly LogMessage[], delivery: Delivery): void {
    const { sent } = lane;
    // Closed meanwhile: the batch was counted then.
    if (this.#isClosed || sent === null || sent.part !== part) return;
    const { observer, retryMs, maxRetryMs } = this.#options;
    if (!delivery.isDelivered) {
      observer.failed(lane.topic, delivery.reason ?? 'sink_failed');
      if (delivery.isRetriable !== false) {
        sent.hasFailed = true;
        this.#pause(lane, Math.min(maxRetryMs, retryMs * 2 ** Math.min(lane.failures++, 20)), () => this.#deliver(lane));
        return;
      }
    }
    lane.failures = 0;
    if (delivery.isDelivered) this.#delivered(lane, sent, part, delivery);
    else this.#refused(lane, sent, part, delivery);
    if (sent.part !== null) return this.#deliver(lane);
    if (sent.spilled !== null) lane.spill?.delivered(sent.spilled);
    lane.sent = null;
    this.#drainSpill(lane);
    this.#schedule(lane, lane.waiting.length > 0 ? 0 : this.#options.lingerMs);
    if (this.#bytes === 0) this.#wake?.();
  }

  #delivered(lane: Lane, sent: SentBatch, part: readonly LogMessage[], { mayRepeat }: Delivery): void {
    const { sink, observer } = this.#options;
    this.#bytes -= queuedBytes(part);
    sent.end();
    if (sent.spilled !== null && sent.part !== null) lane.spill?.delivered(sent.spilled, sent.doneCount);
    if (!sent.hasFailed && sink.isDoneWithValues === true) for (const { value } of part) giveBackValue(value);
    observer.delivered(lane.topic, part, mayRepeat === true || sent.mayRepeat);
  }

  #refused(lane: Lane, sent: SentBatch, part: readonly LogMessage[], { reason, refusal, mayRepeat }: Delivery): void {
    const { observer, clock } = this.#options;
    if (mayRepeat === true) sent.mayRepeat = true;
    if (refusal?.isBySize === true && part.length > 1) lane.stayBelow(part, clock.now());
    if (refusal === undefined) sent.end();
    const dropped = refusal === undefined ? part : sent.divide(refusal.records);
    this.#bytes -= queuedBytes(dropped);
    for (const message of dropped) observer.dropped(message, reason ?? 'sink_failed');
  }

  /** Nothing of a topic is begun until then. */
  #pause(lane: Lane, ms: number, goOn: () => void): void {
    lane.goOn = goOn;
    lane.stop = this.#options.clock.after(ms, () => {
      lane.stop = null;
      this.#goOn(lane);
    });
  }

  #goOn(lane: Lane): void {
    const { goOn } = lane;
    lane.goOn = null;
    goOn?.();
  }

  /** Starts a topic's oldest spilled batch once everything older has been delivered. */
  #drainSpill(lane: Lane): void {
    if (this.#isClosed || lane.spill === null || lane.sent !== null || lane.goOn !== null || lane.waiting.length > 0) return;
    const { observer, maxRetryMs, clock } = this.#options;
    let batch: SpilledBatch | null;
    try {
      batch = lane.spill.read(lane.batchBytes(clock.now()));
    } catch {
      observer.failed(lane.topic, 'spill_unreadable');
      this.#pause(lane, maxRetryMs, () => this.#drainSpill(lane));
      return;
    }
    if (batch === null) return;
    lane.sent = new SentBatch(batch.messages, batch);
    this.#bytes += queuedBytes(batch.messages);
    this.#deliver(lane);
  }
}
