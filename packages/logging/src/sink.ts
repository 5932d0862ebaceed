import type { LogMessage } from './log-message.js';

/** What became of a batch. */
export interface Delivery {
  /** True: the sink has every message of the batch, in the sense its documentation gives to "delivered". */
  readonly isDelivered: boolean;
  /** Why not; a short, fixed word for metrics. */
  readonly reason?: string;
  /** False: sending the batch again cannot help. */
  readonly isRetriable?: boolean;
  /** With `isRetriable` false: the reason lies in records of the batch, and the others may be taken when they are sent without them. */
  readonly refusal?: Refusal;
  /** Whether the batch was, or may have been, written more than once. */
  readonly mayRepeat?: boolean;
}

/** What a sink knows about records that it refused. */
export interface Refusal {
  /** Positions of records that are refused for certain; empty = it does not know which. */
  readonly records: readonly number[];
  /** It is for their size, which may be that of the batch as a whole: smaller batches are made for a while. */
  readonly isBySize: boolean;
}

/**
 * Where encoded records go. A sink gets one batch of a topic at a time, in order; several topics at once. After a retriable failure
 * it gets the very same array again, after a refusal of records the others, in one batch or several.
 */
export interface LogSink {
  /** Short name for metrics: `kafka`, `file`, `stdout`. */
  readonly name: string;
  /** Most bytes of a batch: the values, and what a record takes beside its value. */
  readonly maxBatchBytes: number;
  /** Bytes that a record takes beside its value, at most. @default 64 of each */
  readonly recordOverhead?: (message: LogMessage) => number;
  /** true: rows count as delivered when the sink tells its owner, not when it takes them over. */
  readonly saysWhatIsWritten?: boolean;
  /** true: once a batch is delivered at the first attempt the sink reads none of its values any more; their memory is used again. @default false */
  readonly isDoneWithValues?: boolean;
  /** Never rejects: failures are part of the answer. */
  deliver(topic: string, batch: readonly LogMessage[]): Promise<Delivery>;
  /** Writes out what it holds back and frees everything, within about `graceMs`. Nothing is delivered afterwards. */
  close(graceMs: number): Promise<void>;
}

/** Told about rows that a sink had taken over and then lost, e.g. with a file that could not be written. */
export type LostRows = (rows: number, reason: string) => void;
