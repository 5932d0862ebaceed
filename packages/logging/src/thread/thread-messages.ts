import type { SlotSpec } from '@inferflow/matrix';
import type { LogFormatName } from '../encode/envelope.js';
import type { EncodeLoss } from '../encode/record-encoder.js';
import type { LogMessage } from '../log-message.js';

/** What all requests of a model have in common; sent once. */
export interface SentPlan {
  readonly id: number;
  readonly modelConfigId: string;
  readonly configHash: string;
  readonly compat: boolean;
  readonly idColumn: string;
  readonly responseFeatures: readonly string[];
  readonly logBatchSize: number;
  readonly version: number;
  /** Name and type text of the log's columns. */
  readonly features: readonly (readonly [string, string])[];
  /** Shapes of the layout by number; −1 = a block without columns. */
  readonly shapes: readonly number[];
  /** Where the id column and the features are: first and other column. */
  readonly sources: readonly (readonly [string, number, number])[];
}

/** Slots of a shape; sent once. */
export interface SentShape {
  readonly id: number;
  readonly slots: readonly SlotSpec[];
}

/** A block of a request; its memory is in the chunk. */
export interface SentBlock {
  readonly shape: number;
  readonly rowCount: number;
  readonly rowMapRows: number;
  readonly at: number;
  readonly length: number;
  /** Length of a heap of its own, behind the memory; −1 = the heap is in the memory. */
  readonly heapLength: number;
  readonly heapEnd: number;
  readonly withoutValue: number;
  readonly counts: readonly number[];
}

/** A request to be encoded. */
export interface SentRequest {
  readonly id: number;
  readonly plan: number;
  readonly rowCount: number;
  readonly trackingId: string;
  readonly userId: string;
  readonly parentEntity: string;
  readonly format: LogFormatName;
  readonly isCompressed: boolean;
  readonly topic: string;
  readonly maxRecordBytes: number;
  readonly createdAtMs: number;
  readonly blocks: readonly (SentBlock | null)[];
}

/** Several requests and one piece of memory with all their blocks. */
export interface ThreadInput {
  readonly chunk: ArrayBuffer;
  readonly shapes: readonly SentShape[];
  readonly plans: readonly SentPlan[];
  readonly requests: readonly SentRequest[];
  /** Forget all shapes and plans before. */
  readonly isFresh: boolean;
}

/** What became of a request. */
export interface ThreadOutput {
  readonly id: number;
  readonly messages: readonly Omit<LogMessage, 'schema'>[];
  readonly lost: readonly (readonly [rows: number, reason: EncodeLoss])[];
  readonly unfit: number;
  /** It ended with an error: rows without message are lost. */
  readonly hasFailed: boolean;
}

/** The thread's side or ours of a channel. */
export interface ThreadPort {
  postMessage(message: unknown, transfer: readonly ArrayBuffer[]): void;
}
