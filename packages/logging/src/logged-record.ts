import type { Matrix, Slate, Source } from '@inferflow/matrix';
import type { LoggedModel } from './schema/logged-model.js';

/** The model of a logged request; the engine's `LoggedPlan` fits. */
export interface LoggedPlan {
  readonly modelConfigId: string;
  readonly config: LoggedModel;
  readonly configHash: string;
  /** Whether missing texts are written as the original writes them. */
  readonly compat: boolean;
}

/** What sampling looks at; the engine's `LoggedRequest` fits. */
export interface LoggedRequest {
  readonly method: string;
  readonly trackingId: string;
  readonly userId: string;
  readonly tenantId: string;
  readonly rowCount: number;
  /** Time until the answer left. */
  readonly durationMs: number;
  /** Rows whose score does not rest on real inputs. */
  readonly faultyRows: number;
  /** Components that failed. */
  readonly failedComponents: number;
  header(name: string): string | undefined;
  /** The daily choice of users; a request without user is chosen by itself. */
  isSampled(percent: number): boolean;
}

/** An answered request with its columns; the engine's `RequestRecord` fits. */
export interface LoggedRecord extends LoggedRequest {
  readonly plan: LoggedPlan;
  /** Milliseconds since 1970. */
  readonly startedAtMs: number;
  readonly matrix: Matrix;
  readonly slate: Slate | null;
  target(name: string): Source | null;
  slateColumn(name: string): Source | null;
  /** Gives the matrices back; called exactly once. */
  release(): void;
}

const parentHeaders = ['parent_catalog_id', 'search_query', 'clp_id', 'collection_id'] as const;

/** First of the parent headers that is not empty; '' = none. Read while the caller is still there. */
export function parentEntityOf(request: Pick<LoggedRequest, 'header'>): string {
  for (const name of parentHeaders) {
    const value = request.header(name);
    if (value !== undefined && value !== '') return value;
  }
  return '';
}
