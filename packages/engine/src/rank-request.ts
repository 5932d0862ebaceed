import type { DataType } from '@inferflow/matrix';
import type { OutcomeName, PlainCellCounts } from '@inferflow/proto';

/** A feature value as an embedder has it. Numbers become FP32 for `typed` models unless `types` says otherwise. */
export type FeatureValue =
  | string
  | number
  | bigint
  | boolean
  | Uint8Array
  | ArrayLike<number>
  | readonly string[]
  | readonly boolean[]
  | readonly bigint[];

/** One thing to rank. */
export interface RankTarget {
  readonly id: string;
  readonly features?: Readonly<Record<string, FeatureValue>>;
}

/** What `rank` is asked. */
export interface RankRequest {
  readonly targets: readonly RankTarget[];
  /** Features of the request: the same for every row. */
  readonly context?: Readonly<Record<string, FeatureValue>>;
  /** Data types of features, where the default for the value is not right. */
  readonly types?: Readonly<Record<string, DataType>>;
  /** Column to sort by, largest first. @default the last score column among the model's response features */
  readonly sortBy?: string;
  /** Request metadata such as `user-id`. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly trackingId?: string;
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

/** A value of an answered column; null where there is none. */
export type RankedValue = number | bigint | boolean | string | readonly (number | bigint | boolean | string)[] | null;

/** One ranked target. */
export interface RankedRow {
  readonly id: string;
  /** Position in the request. */
  readonly index: number;
  /** The value it was sorted by; null where there is none (such rows are last). */
  readonly score: number | null;
  /** All response columns by name. */
  readonly values: Readonly<Record<string, RankedValue>>;
  /** Why this row's score is not from real inputs, or ''. */
  readonly error: string;
}

/** How good the inputs of an answer were. */
export interface RankQuality {
  /** In topological order. */
  readonly components: readonly RankComponentQuality[];
  /** Stored cells by where their value came from. */
  readonly cells: PlainCellCounts;
  /** Columns that nobody writes and the request did not bring, by the component that reads them ('' = the answer): all of them missing. */
  readonly absentColumns: Readonly<Record<string, readonly string[]>>;
}

/** How one component ended. */
export interface RankComponentQuality {
  readonly componentName: string;
  readonly status: OutcomeName;
  /** Why, for anything but `ok`. */
  readonly reason: string;
  readonly durationMs: number;
  /** Model inputs that were filled with a default. */
  readonly defaultedInputs: number;
}

/** The ranked answer. */
export interface RankResult {
  readonly rows: readonly RankedRow[];
  /** Column the rows are sorted by, or '' when the model answers no score. */
  readonly sortedBy: string;
  readonly quality: RankQuality;
  /** Rows whose `error` is not empty. */
  readonly errorCount: number;
}
