import type { ModelConfig } from '@inferflow/config';
import type { Matrix, Slate, Source } from '@inferflow/matrix';
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

/** A finished request as it is handed to logging. The matrices stay readable until `release` is called, once. */
export interface RequestRecord extends LoggedRequest {
  readonly plan: LoggedPlan;
  readonly startedAtMs: number;
  readonly matrix: Matrix;
  readonly slate: Slate | null;
  /** Where a column of the target matrix is, or null when neither the request nor a component has it. */
  target(name: string): Source | null;
  /** Where a column of the slate matrix is, or null. */
  slateColumn(name: string): Source | null;
  /** Gives the matrices back. Must be called exactly once, also when logging failed. */
  release(): void;
}

/** Seam for inference logging: asked once per answered request, called after the answer has left. */
export interface LogTap {
  /** Whether this request is logged. Called on the request path: must be cheap and must not throw. */
  wants(plan: LoggedPlan, request: LoggedRequest): boolean;
  /** Takes over the record; it owns it until it calls `record.release()`. */
  taken(record: RequestRecord): void;
}
