import type { ModelConfig } from '@inferflow/config';
import type { Matrix, Slate, Source } from '@inferflow/matrix';
import type { OutcomeName } from '@inferflow/proto';
import type { EngineMethod } from './engine.js';

/** What a log tap may know of a model: its configuration and where a column of its requests is. */
export interface LoggedPlan {
  readonly modelConfigId: string;
  readonly config: ModelConfig;
  readonly configHash: string;
  /** Whether the model keeps the original's behaviour, by its own configuration or by the engine's. */
  readonly compat: boolean;
}

/** What a log tap may know of a request before it decides. */
export interface LoggedRequest {
  readonly method: EngineMethod;
  readonly trackingId: string;
  /** First value of the `user-id` header, or ''. */
  readonly userId: string;
  /** Parsed `tenant_id` of the Predict requests, or ''. */
  readonly tenantId: string;
  readonly rowCount: number;
  /** From the request's arrival until its answer was written, in ms. */
  readonly durationMs: number;
  /** Rows whose score does not rest on real inputs. */
  readonly faultyRows: number;
  /** Components that failed or were abandoned. */
  readonly failedComponents: number;
  header(name: string): string | undefined;
  /** Whether this user (without one: this request) is among `percent` % today, by the rule of the model's configuration. */
  isSampled(percent: number): boolean;
}

/** Who filled a block of a matrix. */
export interface LoggedBlock {
  readonly origin: 'rows' | 'context' | 'constant' | 'component';
  /** '' unless a component did. */
  readonly componentName: string;
  /** Slots that headers of the request filled. */
  readonly headerSlots: readonly number[];
}

/** The calls of one component to a service, added up. */
export interface LoggedCalls {
  /** The endpoint that was chosen. */
  readonly service: string;
  /** '' unless a model was asked. */
  readonly modelName: string;
  readonly modelVersion: string;
  readonly count: number;
  readonly failed: number;
  readonly totalMs: number;
  readonly maxMs: number;
}

/** How one component of a request ended. */
export interface LoggedOutcome {
  readonly componentName: string;
  /** `feature`, `predator`, `numerix`, or the type of a plugin. */
  readonly kind: string;
  readonly status: OutcomeName;
  /** Why, for anything but `ok`. */
  readonly reason: string;
  /** From the request's arrival until it began, ms. */
  readonly startMs: number;
  readonly durationMs: number;
  readonly defaultedInputs: number;
  /** null = it called nobody. */
  readonly calls: LoggedCalls | null;
}

/** What a run knows beside its columns. */
export interface RequestDetails {
  /** In topological order. */
  readonly components: readonly LoggedOutcome[];
  /** Per block of the target matrix; null = nobody writes it. */
  readonly targetBlocks: readonly (LoggedBlock | null)[];
  /** Per block of the slate matrix; empty without slates. */
  readonly slateBlocks: readonly (LoggedBlock | null)[];
  /** Columns of the answer. */
  readonly responseColumns: readonly string[];
  /** What routing drew from. */
  readonly routeHash: number;
  /** UTF-8 per target whose score does not rest on real inputs; equal texts are the same bytes. null = no such row. */
  readonly targetErrors: readonly (Uint8Array | null)[] | null;
  /** The same per pair or slate. */
  readonly slateErrors: readonly (Uint8Array | null)[] | null;
}

/** A finished request as it is handed to logging. The matrices stay readable until `release` is called, once. */
export interface RequestRecord extends LoggedRequest {
  readonly plan: LoggedPlan;
  readonly startedAtMs: number;
  readonly matrix: Matrix;
  /** Its texts lie in the memory of `matrix`: whoever retains the matrix of the slates retains that, too, and releases it last. */
  readonly slate: Slate | null;
  /** Where a column of the target matrix is, or null when neither the request nor a component has it. */
  target(name: string): Source | null;
  /** Where a column of the slate matrix is, or null. */
  slateColumn(name: string): Source | null;
  /** What else is known of the run: a copy. Only while `taken` runs. */
  details(): RequestDetails;
  /** Gives the matrices back. Must be called exactly once, also when logging failed. */
  release(): void;
}

/** Seam for inference logging: asked once per answered request, called after the answer has left. */
export interface LogTap {
  /** Whether this request is logged. Called on the request path: must be cheap and must not throw. */
  wants(plan: LoggedPlan, request: LoggedRequest): boolean;
  /** Takes over the record; it owns it until it calls `record.release()`. A tap that throws has not taken it. */
  taken(record: RequestRecord): void;
}
