import type { LogFormatName } from '../encode/envelope.js';
import type { LoggedPlan } from '../logged-record.js';
import type { LogSink } from '../sink.js';
import type { TaskOwner } from '../thread/encode-thread.js';
import type { Zstd } from '../zstd.js';
import type { LogCounters } from './log-counters.js';
import { type OverflowPolicy, type QueueClock, SinkQueue } from './sink-queue.js';
import type { SpillDirectory } from './spill-directory.js';

/** What a stream writes now; may change between requests. */
export interface StreamSettings {
  /** null = nothing. */
  readonly format: LogFormatName | null;
  /** Whether messages are compressed. Only with `zstd` at hand; otherwise the flag of the records stays 0. */
  readonly isCompressed: boolean;
  readonly zstd: Zstd | null;
}

/** Records of one format on their way to one sink. */
export interface LogStream {
  readonly sink: LogSink;
  /** Asked for every request. */
  readonly settings: () => StreamSettings;
  readonly topicOf: (plan: LoggedPlan) => string;
  /** @default 1 000 000, below a broker's usual limit */
  readonly maxRecordBytes?: number;
  /** Bytes of encoded records in memory. @default 64 MiB */
  readonly queueBytes?: number;
  /** @default drop-newest */
  readonly policy?: OverflowPolicy;
  readonly spill?: SpillDirectory | null;
  /** @default 10 */
  readonly lingerMs?: number;
}

/** A stream, the queue in front of its sink, and the accounts of both. */
export interface OpenStream {
  readonly stream: LogStream;
  readonly queue: SinkQueue;
  /** Where the thread's records go. */
  readonly owner: TaskOwner;
}

/** Begins the queue of a stream: what an earlier process has spilled is delivered at once. */
export function openStream(stream: LogStream, counters: LogCounters, clock: QueueClock): OpenStream {
  const queue = createQueue(stream, counters, clock);
  return { stream, queue, owner: ownerOf(stream.sink.name, queue, counters) };
}

function createQueue(stream: LogStream, counters: LogCounters, clock: QueueClock): SinkQueue {
  const { sink } = stream;
  return new SinkQueue({
    sink,
    maxBytes: stream.queueBytes ?? 64 << 20,
    policy: stream.policy ?? 'drop-newest',
    spill: stream.policy === 'spill' ? (stream.spill ?? null) : null,
    lingerMs: stream.lingerMs ?? 10,
    retryMs: 100,
    maxRetryMs: 5000,
    clock,
    observer: {
      dropped: (message, reason) => counters.dropped(message.modelConfigId, message.rowCount, reason, sink.name),
      delivered: (_, messages, mayRepeat) => {
        if (sink.saysWhatIsWritten !== true) counters.delivered(sink.name, messages, mayRepeat);
      },
      failed: (topic, reason) => counters.failed(sink.name, topic, reason),
      spilled: (message) => counters.spilled(message.modelConfigId, message.rowCount),
    },
  });
}

function ownerOf(sink: string, queue: SinkQueue, counters: LogCounters): TaskOwner {
  return {
    encoded: (message) => {
      counters.sent(message.modelConfigId);
      queue.push(message);
    },
    lost: (modelConfigId, rows, reason) => {
      counters.error(modelConfigId, reason);
      counters.dropped(modelConfigId, rows, reason, sink);
    },
    unfit: (modelConfigId, cells) => counters.unfit(modelConfigId, cells),
  };
}
