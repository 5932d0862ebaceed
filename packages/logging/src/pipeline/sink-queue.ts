import { giveBackValue } from '../encode/value-slab.js';
import { type LogMessage, messageBytes } from '../log-message.js';
import type { Delivery, LogSink } from '../sink.js';
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

interface Lane {
  readonly topic: string;
  /** null: without one, or it could not be opened yet. */
  spill: SpillStore | null;
  readonly waiting: LogMessage[];
  waitingBytes: number;
  inFlight: readonly LogMessage[] | null;
  inFlightBytes: number;
  spilled: SpilledBatch | null;
  failures: number;
  stop: (() => void) | null;
  isPaused: boolean;
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
    for (const lane of this.#lanes.values()) this.#schedule(lane, 0);
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
      for (const message of [...(lane.spilled === null ? (lane.inFlight ?? []) : []), ...lane.waiting]) {
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
      lane = {
        topic,
        spill,
        waiting: [],
        waitingBytes: 0,
        inFlight: null,
        inFlightBytes: 0,
        spilled: null,
        failures: 0,
        stop: null,
        isPaused: false,
      };
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
    if (lane.inFlight !== null || lane.isPaused || lane.waiting.length === 0) return;
    if (afterMs > 0 && lane.waitingBytes < this.#options.sink.maxBatchBytes) {
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
    if (lane.inFlight !== null || lane.waiting.length === 0) return;
    const { sink } = this.#options;
    let count = 0;
    let content = 0;
    let bytes = 0;
    for (const message of lane.waiting) {
      content += message.value.byteLength + (sink.recordOverhead?.(message) ?? 64);
      if (count > 0 && content > sink.maxBatchBytes) break;
      bytes += messageBytes(message);
      count++;
    }
    lane.inFlight = lane.waiting.splice(0, count);
    lane.waitingBytes -= bytes;
    lane.inFlightBytes = bytes;
    this.#deliver(lane);
  }

  #deliver(lane: Lane): void {
    const batch = lane.inFlight as readonly LogMessage[];
    this.#options.sink.deliver(lane.topic, batch).then(
      (delivery) => this.#ended(lane, batch, delivery),
      () => this.#ended(lane, batch, { isDelivered: false, reason: 'sink_failed', isRetriable: true }),
    );
  }

  #ended(lane: Lane, batch: readonly LogMessage[], delivery: Delivery): void {
    // Closed meanwhile: the batch was counted then.
    if (this.#isClosed || lane.inFlight !== batch) return;
    const { observer, retryMs, maxRetryMs } = this.#options;
    if (!delivery.isDelivered) {
      observer.failed(lane.topic, delivery.reason ?? 'sink_failed');
      if (delivery.isRetriable !== false) {
        this.#pause(lane, Math.min(maxRetryMs, retryMs * 2 ** Math.min(lane.failures++, 20)), () => this.#deliver(lane));
        return;
      }
      for (const message of batch) observer.dropped(message, delivery.reason ?? 'sink_failed');
    } else {
      // An attempt that failed may still have the values somewhere on their way.
      if (lane.failures === 0 && this.#options.sink.isDoneWithValues === true) for (const { value } of batch) giveBackValue(value);
      lane.failures = 0;
      observer.delivered(lane.topic, batch, delivery.mayRepeat === true);
    }
    if (lane.spilled !== null) lane.spill?.delivered(lane.spilled);
    lane.spilled = null;
    lane.inFlight = null;
    this.#bytes -= lane.inFlightBytes;
    lane.inFlightBytes = 0;
    this.#drainSpill(lane);
    this.#schedule(lane, lane.waiting.length > 0 ? 0 : this.#options.lingerMs);
    if (this.#bytes === 0) this.#wake?.();
  }

  /** Nothing of a topic is begun until then. */
  #pause(lane: Lane, ms: number, goOn: () => void): void {
    lane.isPaused = true;
    lane.stop = this.#options.clock.after(ms, () => {
      lane.stop = null;
      lane.isPaused = false;
      goOn();
    });
  }

  /** Starts a topic's oldest spilled batch once everything older has been delivered. */
  #drainSpill(lane: Lane): void {
    if (this.#isClosed || lane.spill === null || lane.inFlight !== null || lane.isPaused || lane.waiting.length > 0) return;
    const { sink, observer, maxRetryMs } = this.#options;
    let batch: SpilledBatch | null;
    try {
      batch = lane.spill.read(sink.maxBatchBytes);
    } catch {
      observer.failed(lane.topic, 'spill_unreadable');
      this.#pause(lane, maxRetryMs, () => this.#drainSpill(lane));
      return;
    }
    if (batch === null) return;
    lane.spilled = batch;
    lane.inFlight = batch.messages;
    lane.inFlightBytes = batch.messages.reduce((sum, message) => sum + messageBytes(message), 0);
    this.#bytes += lane.inFlightBytes;
    this.#deliver(lane);
  }
}
