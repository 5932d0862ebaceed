import type { Matrix, Slate, Source } from '@inferflow/matrix';
import type { LoggedPlan, LoggedRecord } from '../logged-record.js';

/** A request that two pipelines keep: each gets one of these, and the last `release` gives the request back. */
export class HeldRecord implements LoggedRecord {
  readonly plan: LoggedPlan;
  readonly method: string;
  readonly trackingId: string;
  readonly userId: string;
  readonly tenantId: string;
  readonly rowCount: number;
  readonly durationMs: number;
  readonly faultyRows: number;
  readonly failedComponents: number;
  readonly startedAtMs: number;
  readonly matrix: Matrix;
  readonly slate: Slate | null;
  readonly #record: LoggedRecord;
  readonly #onRelease: () => void;

  constructor(record: LoggedRecord, onRelease: () => void) {
    this.#record = record;
    this.#onRelease = onRelease;
    this.plan = record.plan;
    this.method = record.method;
    this.trackingId = record.trackingId;
    this.userId = record.userId;
    this.tenantId = record.tenantId;
    this.rowCount = record.rowCount;
    this.durationMs = record.durationMs;
    this.faultyRows = record.faultyRows;
    this.failedComponents = record.failedComponents;
    this.startedAtMs = record.startedAtMs;
    this.matrix = record.matrix;
    this.slate = record.slate;
  }

  header(name: string): string | undefined {
    return this.#record.header(name);
  }

  isSampled(percent: number): boolean {
    return this.#record.isSampled(percent);
  }

  target(name: string): Source | null {
    return this.#record.target(name);
  }

  slateColumn(name: string): Source | null {
    return this.#record.slateColumn(name);
  }

  release(): void {
    this.#onRelease();
  }
}
