import { createNoTelemetry, Metric, type Telemetry } from '@inferflow/telemetry';
import { type EncodeObserver, type EncodeTask, RecordEncoder } from '../encode/record-encoder.js';
import type { LoggedPlan, LoggedRecord, LoggedRequest } from '../logged-record.js';
import { LogSampling } from '../sampling.js';
import { SchemaBook } from '../schema/schema-book.js';
import type { EncodeThread } from '../thread/encode-thread.js';
import { type CapturedRequest, CapturedRequests, capturedBytes } from './captured-requests.js';
import { LogCounters } from './log-counters.js';
import { type LogStream, type OpenStream, openStream } from './log-stream.js';
import type { QueueClock, SinkQueue } from './sink-queue.js';

/** Turns requests into records, step by step; {@link RecordEncoder} is one. */
export interface LogEncoder {
  encode(task: EncodeTask): Generator<void, void, void>;
}

/** Options of {@link LogPipeline}. */
export interface LogPipelineOptions {
  readonly streams: readonly LogStream[];
  readonly sampling?: LogSampling;
  /** Label `kind` of all metrics. @default none: InferflowLog records */
  readonly kind?: string;
  /** @default InferflowLog records */
  readonly createEncoder?: (observer: EncodeObserver) => LogEncoder;
  readonly schemas?: SchemaBook;
  /** Encodes on a thread of its own while that is up, else here. InferflowLog records only. The pipeline closes it. */
  readonly thread?: EncodeThread | null;
  /** Bytes of requests that wait to be encoded; beyond them by the policy of the first stream, spill counting as drop-newest. @default 64 MiB */
  readonly captureBytes?: number;
  /** Time after which the event loop is left to others, in ms; the step under way is ended first, which takes up to 1 ms. @default 1 */
  readonly sliceMs?: number;
  readonly telemetry?: Telemetry;
  readonly clock?: QueueClock;
  /** Wall clock in ms since 1970. @default Date.now */
  readonly now?: () => number;
}

/** A timer that should run longer ends at once. */
const longestGraceMs = 0x7fff_ffff;

const systemClock: QueueClock = {
  now: () => performance.now(),
  after(ms, callback) {
    const timer = setTimeout(callback, ms);
    return () => clearTimeout(timer);
  },
};

/**
 * From answered requests to sinks. `wants` and `taken` are the engine's log tap: they decide and keep a reference, nothing more.
 * Encoding happens between other work, in slices; queues are bounded by bytes, and every row that is lost is counted with its reason.
 */
export class LogPipeline {
  readonly schemas: SchemaBook;
  readonly #sampling: LogSampling;
  readonly #streams: readonly OpenStream[];
  readonly #thread: EncodeThread | null;
  readonly #counters: LogCounters;
  readonly #captured = new CapturedRequests();
  readonly #captureLimit: number;
  readonly #sliceMs: number;
  readonly #now: () => number;
  readonly #encoder: LogEncoder;
  #current: { readonly captured: CapturedRequest; stream: number; isWanted: boolean; steps: Generator<void, void, void> | null } | null =
    null;
  #target: SinkQueue | null = null;
  #targetName = '';
  /** Rows of the request under way that its stream has as records or as lost. */
  #accountedRows = 0;
  #isScheduled = false;
  #isClosed = false;
  #closing: Promise<boolean> | null = null;
  readonly #stopCollecting: () => void;

  constructor(options: LogPipelineOptions) {
    this.schemas = options.schemas ?? new SchemaBook();
    this.#sampling = options.sampling ?? new LogSampling();
    const telemetry = options.telemetry ?? createNoTelemetry();
    this.#counters = new LogCounters(telemetry, options.kind);
    this.#captureLimit = options.captureBytes ?? 64 << 20;
    this.#sliceMs = options.sliceMs ?? 1;
    this.#now = options.now ?? Date.now;
    this.#thread = options.createEncoder === undefined ? (options.thread ?? null) : null;
    this.#streams = options.streams.map((stream) => openStream(stream, this.#counters, options.clock ?? systemClock));
    const observer: EncodeObserver = {
      encoded: (message) => {
        this.#counters.sent(message.modelConfigId);
        this.#accountedRows += message.rowCount;
        this.#target?.push(message);
      },
      lost: (record, rows, reason) => {
        if (options.kind === undefined) this.#counters.error(record.plan.modelConfigId, reason);
        this.#accountedRows += rows;
        this.#counters.dropped(record.plan.modelConfigId, rows, reason, this.#targetName);
      },
      unfit: (record, cells) => this.#counters.unfit(record.plan.modelConfigId, cells),
    };
    this.#encoder = options.createEncoder?.(observer) ?? new RecordEncoder(observer);
    const kind = options.kind === undefined ? {} : { kind: options.kind };
    const queued = telemetry.gauge(Metric.loggingCapturedBytes, kind);
    const gauges = this.#streams.map(({ stream, queue }) => ({
      stream,
      queue,
      bytes: telemetry.gauge(Metric.loggingQueueBytes, { sink: stream.sink.name, ...kind }),
      spill: telemetry.gauge(Metric.loggingSpillBytes, { sink: stream.sink.name, ...kind }),
    }));
    this.#stopCollecting = telemetry.onCollect(() => {
      queued.set(this.#heldBytes());
      for (const { stream, queue, bytes, spill } of gauges) {
        bytes.set(queue.bytes);
        spill.set(stream.spill?.usedBytes ?? 0);
      }
    });
  }

  /** Whether a request is logged. */
  wants(plan: LoggedPlan, request: LoggedRequest): boolean {
    if (this.#isClosed || !this.#hasActiveStream()) return false;
    return this.#sampling.wants(plan.config, request);
  }

  /** Takes over a request; releases it once it is encoded or dropped. */
  taken(record: LoggedRecord): void {
    this.#counters.chosen(record.plan.modelConfigId, record.rowCount);
    const bytes = capturedBytes(record);
    if (this.#heldBytes() + bytes > this.#captureLimit) {
      if (this.#streams[0]?.stream.policy === 'drop-oldest') this.#dropOldestCaptured(bytes);
      if (this.#heldBytes() + bytes > this.#captureLimit) {
        this.#counters.dropped(record.plan.modelConfigId, record.rowCount, 'capture_full');
        record.release();
        return;
      }
    }
    this.#captured.add(record, bytes);
    this.#schedule();
  }

  /**
   * Encodes and delivers what is there for at most `graceMs`; the rest is counted as dropped. Resolves to whether nothing was lost. A second
   * call waits for the first.
   */
  close(graceMs: number): Promise<boolean> {
    this.#closing ??= this.#close(Math.min(graceMs, longestGraceMs));
    return this.#closing;
  }

  async #close(graceMs: number): Promise<boolean> {
    this.#isClosed = true;
    const deadline = performance.now() + graceMs;
    while ((this.#hasWork() || this.#thread?.hasWork === true) && performance.now() < deadline) {
      this.#slice();
      await new Promise<void>((resolve) => setImmediate(resolve));
    }
    let isComplete = !this.#hasWork() && this.#thread?.hasWork !== true;
    await this.#thread?.close();
    if (this.#current !== null) this.#endCurrent('shutdown');
    while (this.#dropNextCaptured('shutdown'));
    for (const { queue, stream } of this.#streams) {
      const left = await queue.close(Math.max(deadline - performance.now(), 0));
      await stream.sink.close(Math.max(deadline - performance.now(), 100));
      isComplete &&= left === 0;
    }
    this.#stopCollecting();
    return isComplete;
  }

  /** Rows lost by a sink after it had taken them over. */
  readonly rowsLost = (modelConfigId: string, rows: number, reason: string, sink: string): void =>
    this.#counters.dropped(modelConfigId, rows, reason, sink);

  /** Rows that a sink has in its sense of delivered, after it had taken them over. */
  readonly rowsWritten = (modelConfigId: string, rows: number, sink: string): void => this.#counters.written(modelConfigId, rows, sink);

  /** Whether everything handed over has been encoded and delivered, spilled or dropped. */
  get isIdle(): boolean {
    return !this.#hasWork() && this.#thread?.hasWork !== true && this.#streams.every(({ queue }) => queue.isEmpty);
  }

  #hasWork(): boolean {
    return this.#current !== null || !this.#captured.isEmpty;
  }

  /** Memory of requests that wait to be encoded. */
  #heldBytes(): number {
    return this.#captured.bytes + (this.#thread?.pendingBytes ?? 0);
  }

  #hasActiveStream(): boolean {
    for (const { stream } of this.#streams) if (stream.settings().format !== null) return true;
    return false;
  }

  #schedule(): void {
    if (this.#isScheduled || this.#isClosed) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#slice();
      if (this.#hasWork()) this.#schedule();
    });
  }

  /** Encodes until the time is up. */
  #slice(): void {
    const end = performance.now() + this.#sliceMs;
    while (this.#step() && performance.now() < end);
    this.#thread?.flush();
  }

  #step(): boolean {
    if (this.#current === null) {
      const next = this.#captured.next();
      if (next === null) return false;
      this.#current = { captured: next, stream: 0, isWanted: false, steps: null };
    }
    const current = this.#current;
    const { record } = current.captured;
    try {
      if (current.steps === null) {
        const entry = this.#streams[current.stream];
        if (entry === undefined) {
          // Chosen while a sink wanted records, encoded when none does any more.
          if (!current.isWanted) this.#counters.dropped(record.plan.modelConfigId, record.rowCount, 'switched_off');
          this.#endCurrent(null);
          return this.#hasWork();
        }
        current.stream++;
        this.#targetName = entry.stream.sink.name;
        this.#accountedRows = 0;
        const { format, isCompressed, zstd } = entry.stream.settings();
        if (format === null) return true;
        current.isWanted = true;
        this.#target = entry.queue;
        const task: EncodeTask = {
          record,
          parentEntity: current.captured.parentEntity,
          schema: this.schemas.byHash(record.plan.modelConfigId, record.plan.configHash) ?? this.schemas.add(record.plan.config),
          format,
          zstd: isCompressed ? zstd : null,
          topic: entry.stream.topicOf(record.plan),
          maxRecordBytes: entry.stream.maxRecordBytes ?? 1_000_000,
          createdAtMs: this.#now(),
        };
        if (this.#thread?.isUp === true) {
          this.#thread.add(task, entry.owner);
          return true;
        }
        current.steps = this.#encoder.encode(task);
      }
      if (current.steps.next().done === true) current.steps = null;
    } catch {
      this.#counters.error(record.plan.modelConfigId, 'encoding_error');
      current.isWanted = true;
      current.steps?.return();
      current.steps = null;
      this.#dropRest(record, 'encoding_error');
    }
    return this.#hasWork();
  }

  /** Gives the request under way back; rows that a stream has neither as records nor as lost are lost to it by `lostReason`. */
  #endCurrent(lostReason: string | null): void {
    const current = this.#current;
    if (current === null) return;
    current.steps?.return();
    this.#current = null;
    const { record } = current.captured;
    if (lostReason !== null) {
      if (current.steps !== null) this.#dropRest(record, lostReason);
      for (const { stream } of this.#streams.slice(current.stream)) {
        if (stream.settings().format === null) continue;
        this.#counters.dropped(record.plan.modelConfigId, record.rowCount, lostReason, stream.sink.name);
      }
    }
    this.#captured.done(current.captured);
  }

  #dropRest(record: LoggedRecord, reason: string): void {
    const lost = record.rowCount - this.#accountedRows;
    if (lost > 0) this.#counters.dropped(record.plan.modelConfigId, lost, reason, this.#targetName);
  }

  #dropOldestCaptured(needed: number): void {
    while (this.#heldBytes() + needed > this.#captureLimit && this.#dropNextCaptured('capture_full'));
  }

  /** Returns whether there was one. */
  #dropNextCaptured(reason: string): boolean {
    const oldest = this.#captured.next();
    if (oldest === null) return false;
    this.#counters.dropped(oldest.record.plan.modelConfigId, oldest.record.rowCount, reason);
    this.#captured.done(oldest);
    return true;
  }
}
