import { OutcomeStatus } from '@inferflow/dag';
import type { Matrix, Slate, Source } from '@inferflow/matrix';
import type { Caller } from './caller.js';
import type { BoundPlan } from './compile/bind-plan.js';
import type { EngineMethod } from './engine.js';
import type { LoggedPlan, RequestDetails, RequestRecord } from './log-tap.js';
import { requestDetails } from './request-details.js';
import type { RequestRun } from './run/request-run.js';
import { isSampled } from './sampling.js';

/** A run as logging sees it, first to decide, then to keep: it holds the matrices until `release`. */
export class LoggedRun implements RequestRecord {
  readonly plan: LoggedPlan;
  readonly method: EngineMethod;
  readonly rowCount: number;
  readonly startedAtMs: number;
  readonly durationMs: number;
  readonly faultyRows: number;
  readonly failedComponents: number;
  readonly trackingId: string;
  readonly userId: string;
  readonly tenantId: string;
  readonly matrix: Matrix;
  readonly slate: Slate | null;
  readonly #bound: BoundPlan;
  readonly #caller: Caller | null;
  readonly #routeHash: number;
  readonly #nowMs: number;
  #isHeld = false;
  #run: RequestRun | null;

  constructor(run: RequestRun, plan: LoggedPlan, nowMs: number, ended: { readonly durationMs: number; readonly faultyRows: number }) {
    this.plan = plan;
    this.method = run.method;
    this.rowCount = run.rowCount;
    this.startedAtMs = nowMs - ended.durationMs;
    this.durationMs = ended.durationMs;
    this.faultyRows = ended.faultyRows;
    this.failedComponents = failedIn(run);
    this.trackingId = run.trackingId;
    this.userId = run.userId;
    this.tenantId = run.tenantId;
    this.matrix = run.matrix;
    this.slate = run.slate;
    this.#bound = run.bound;
    this.#caller = run.caller;
    this.#routeHash = run.routeHash;
    this.#nowMs = nowMs;
    this.#run = run;
  }

  header(name: string): string | undefined {
    return this.#caller?.header(name);
  }

  isSampled(percent: number): boolean {
    const compat = this.#bound.plan.compat;
    return isSampled(percent, { userId: this.userId, routeHash: this.#routeHash, nowMs: this.#nowMs, compat });
  }

  target(name: string): Source | null {
    return this.#bound.targetSource(name);
  }

  slateColumn(name: string): Source | null {
    return this.#bound.slateSource(name);
  }

  details(): RequestDetails {
    if (this.#run === null) throw new TypeError('details of a request are there while `taken` runs, not later');
    return requestDetails(this.#run);
  }

  /** The run belongs to another request from here on. */
  seal(): void {
    this.#run = null;
  }

  /** Takes the references that `release` gives back. */
  hold(): void {
    this.#isHeld = true;
    this.matrix.retain();
    this.slate?.matrix.retain();
  }

  release(): void {
    if (!this.#isHeld) return;
    this.#isHeld = false;
    // The target matrix holds the request's bytes, which both point into.
    this.slate?.matrix.release();
    this.matrix.release();
  }
}

function failedIn(run: RequestRun): number {
  let failed = 0;
  for (let index = 0; index < run.outcomes.count; index++) {
    const status = run.outcomes.status(index);
    if (status === OutcomeStatus.failed || status === OutcomeStatus.abandoned) failed++;
  }
  return failed;
}
