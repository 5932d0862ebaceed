import { ComponentRunState, type Failure, type RequestInfo, type RunHost } from '@inferflow/components';
import { Execution, type ExecutionHost, OutcomeStatus, Outcomes } from '@inferflow/dag';
import { CellStatus, type Matrix, type Slate } from '@inferflow/matrix';
import { readUtf8 } from '@inferflow/proto/hot';
import { CallScope, type DeadlineEntry, deadlines, type ScopeEnd, type ScopeLink } from '@inferflow/transport';
import { type GateGuest, outsideGate } from '../admission/admission-gate.js';
import type { Caller } from '../caller.js';
import type { BoundPlan } from '../compile/bind-plan.js';
import type { EngineMethod } from '../engine.js';
import type { EngineError } from '../errors.js';
import type { OpenEntry } from '../open-list.js';
import type { KeptMessage } from '../request/kept-message.js';
import { entityHeaders } from '../request/request-schema.js';
import { requestIdOf } from '../request-id.js';
import { routeHashOf } from './route-hash.js';
import { RunBlocks } from './run-blocks.js';
import { componentFailed, internalError, notBegun, outOfBudget } from './run-errors.js';
import type { RunObserver } from './run-observer.js';
import { WorkClock } from './work-clock.js';

/** When and for whom a run runs. */
export interface RunStart {
  readonly caller: Caller;
  readonly message: KeptMessage;
  readonly rowCount: number;
  readonly slateCount: number;
  /** `performance.now()` clock. */
  readonly startedAt: number;
  readonly deadline: number;
  readonly reserveMs: number;
}

/**
 * One request from its blocks to its answer. Pooled per bound plan: `open`, fill the blocks, `start`, … `close`. It is given back
 * only when nothing outside can reach it any more (see {@link RequestRun.close}).
 */
export class RequestRun implements ExecutionHost, RunHost, ScopeLink, DeadlineEntry, GateGuest, OpenEntry, RequestInfo {
  readonly bound: BoundPlan;
  readonly scope = new CallScope();
  readonly execution: Execution;
  readonly outcomes: Outcomes;
  /** Per component; null = a slate component of a request without slates. */
  readonly states: (ComponentRunState | null)[];
  readonly failures: (Failure | null)[];
  /** Per component: the one whose failure kept it from running; −1 = none. */
  readonly skippedBecause: Int32Array;
  readonly blocks: RunBlocks;
  readonly work = new WorkClock();
  caller: Caller | null = null;
  omitQuality = false;
  includeConfigHash = false;
  startedAt = 0;
  deadline = Number.POSITIVE_INFINITY;
  reserveMs = 0;
  trackingIdStart = 0;
  trackingIdEnd = 0;
  tenantIdStart = 0;
  tenantIdEnd = 0;
  openIndex = -1;
  scopePrevious: ScopeLink | null = null;
  scopeNext: ScopeLink | null = null;
  deadlinePlace = -1;
  beganAt = outsideGate;
  readonly #observer: RunObserver;
  #message: Uint8Array = new Uint8Array(0);
  #trackingId: string | null = null;
  #requestId: string | null = null;
  #routeHash = -1;
  #errorDraw = -1;
  #isOpen = false;
  /** There was no memory for what a component leaves: nothing of the run is used again. */
  #isBroken = false;
  /** What threw when it was told of the end may not have let go: then nothing is used again either. */
  #mayBeHeld = false;

  constructor(bound: BoundPlan, observer: RunObserver) {
    this.bound = bound;
    this.#observer = observer;
    const count = bound.bindings.length;
    this.execution = new Execution(bound.plan.topology);
    this.outcomes = new Outcomes(count);
    this.states = bound.bindings.map((binding, index) => (binding === null ? null : new ComponentRunState(binding, index)));
    this.failures = new Array<Failure | null>(count).fill(null);
    this.skippedBecause = new Int32Array(count).fill(-1);
    this.blocks = new RunBlocks(bound);
    this.scope.end('done');
  }

  /** Takes a request and makes its blocks; the caller fills them before {@link RequestRun.start}. */
  open(start: RunStart): void {
    this.caller = start.caller;
    this.#message = start.message.bytes;
    this.startedAt = start.startedAt;
    this.deadline = start.deadline;
    this.reserveMs = start.reserveMs;
    this.scope.reset(start.deadline);
    this.blocks.open(start.message, start.rowCount, start.slateCount);
    this.#isOpen = true;
    this.work.begin(start.startedAt);
  }

  /** Runs the components; the observer hears how it ends, perhaps before this returns. */
  start(): void {
    const caller = this.caller as Caller;
    caller.scope.attach(this);
    if (!this.#isOpen) return;
    deadlines.add(this, this.deadline - this.reserveMs);
    try {
      if (this.matrix.rowCount === 0) this.#endWithoutRows();
      else this.execution.start(this);
    } catch (error) {
      this.#threw(error, caller);
    }
    this.#pause();
  }

  /** No target: nothing is asked of anybody. */
  #endWithoutRows(): void {
    for (let index = 0; index < this.states.length; index++) {
      this.#skip(index, this.startedAt);
    }
    this.#finish();
    this.#observer.answer(this);
  }

  // ExecutionHost

  run(index: number): void {
    const state = this.states[index];
    if (state === null || state === undefined || (state.binding.component.scope === 'slate' && this.blocks.slateSet.count === 0)) {
      this.#skip(index, performance.now());
      this.execution.finish(index, true);
      return;
    }
    this.outcomes.started(index, performance.now());
    const rows = state.binding.component.scope === 'slate' ? this.blocks.slateSet : this.blocks.targetSet;
    state.begin(this, this.matrix, this.slate, rows, this.scope, this);
  }

  skipped(index: number, because: number): void {
    this.skippedBecause[index] = because;
    this.#skip(index, performance.now());
  }

  /** The component does not run: what it would have written is marked as skipped. */
  #skip(index: number, now: number): void {
    this.outcomes.ended(index, OutcomeStatus.skipped, 0, now);
    this.states[index]?.skip(this.matrix, this.slate);
  }

  ended(): void {
    const { failedBy } = this.execution;
    if (failedBy >= 0) this.#refuse(this.#failedError(failedBy));
    else this.#answer();
  }

  // RunHost

  /** Also of a call that others wait for, too, and of one after which its component goes on waiting. */
  callEnded(): void {
    if (this.#isOpen) this.work.resumeForDelivery();
  }

  componentEnded(index: number, failure: Failure | null): void {
    const { caller } = this;
    const now = performance.now();
    const isWoken = !this.work.isRunning;
    if (isWoken) this.work.resume(now);
    this.failures[index] = failure;
    const isBusy = failure !== null && this.states[index]?.busy === true;
    const status = failure === null ? OutcomeStatus.ok : isBusy ? OutcomeStatus.abandoned : OutcomeStatus.failed;
    this.outcomes.ended(index, status, 0, now);
    const durationMs = this.outcomes.durationMs(index);
    const state = this.states[index];
    const calledFor = state?.calledForMs ?? 0;
    // Calls that were refused came back at once, however slow the service is.
    if (calledFor > 0 && state?.calls.overloaded === 0) this.bound.plan.gate.called(index, durationMs, calledFor, now);
    this.#observer.componentEnded(this, index, failure, durationMs);
    try {
      this.execution.finish(index, failure === null);
    } catch (error) {
      this.#threw(error, caller);
    }
    if (isWoken) this.#pause();
  }

  /** What is thrown once the request is over is not its own: by then the run may serve another. */
  #threw(error: unknown, caller: Caller | null): void {
    if (!this.#isOpen || this.caller !== caller) throw error;
    this.componentBroke(error);
  }

  /** The request is refused, and nothing of its run is used again: how far it had come is not known. */
  componentBroke(error: unknown): void {
    if (!this.#isOpen || this.#isBroken) return;
    this.#isBroken = true;
    this.abort(internalError(error));
  }

  /** An answered run has told its time, and may serve another request already. */
  #pause(): void {
    if (this.#isOpen && this.work.isRunning) this.work.pause(performance.now());
  }

  // DeadlineEntry and ScopeLink

  /** The budget less its reserve is used up: what runs is ended as `deadline`, what has not begun will not, and the answer leaves. */
  deadlinePassed(): void {
    if (!this.#isOpen) return;
    const now = performance.now();
    if (!this.work.isRunning) this.work.resume(now);
    this.execution.stop();
    this.#cancelComponents('deadline');
    let failedBy = -1;
    for (let index = 0; index < this.states.length && this.#isOpen; index++) {
      if (this.outcomes.status(index) === OutcomeStatus.pending) this.#endUnstarted(index, now);
      if (this.failures[index] !== null && this.bound.plan.topology.onFailure[index] === 'fail' && failedBy < 0) failedBy = index;
    }
    if (failedBy >= 0) this.#refuse(this.#failedError(failedBy));
    else this.#answer();
  }

  /** The caller left, or its own deadline passed. */
  scopeEnded(reason: ScopeEnd): void {
    if (!this.#isOpen || reason === 'done') return;
    this.execution.stop();
    this.#cancelComponents('cancelled');
    this.#refuse(reason === 'deadline' ? outOfBudget(this.modelConfigId) : null);
  }

  /** Ends the request from the engine's side. */
  abort(error: EngineError): void {
    if (!this.#isOpen) return;
    this.execution.stop();
    this.#cancelComponents('cancelled');
    this.#refuse(error);
  }

  #endUnstarted(index: number, now: number): void {
    const failure = notBegun(this.bound.plan.components[index]?.name ?? '');
    this.failures[index] = failure;
    this.outcomes.ended(index, OutcomeStatus.failed, 0, now);
    try {
      this.states[index]?.skip(this.matrix, this.slate, CellStatus.failed);
    } catch (error) {
      this.componentBroke(error);
      return;
    }
    this.#observer.componentEnded(this, index, failure, 0);
  }

  /** First the calls, silently; then the components, which end as failed before `cancel` returns. */
  #cancelComponents(reason: ScopeEnd): void {
    this.#endScope(reason);
    for (let index = 0; index < this.states.length; index++) this.states[index]?.cancel(reason);
  }

  #endScope(reason: ScopeEnd): void {
    try {
      this.scope.end(reason);
    } catch (error) {
      this.#mayBeHeld = true;
      this.#observer.threw(this, error);
    }
  }

  #answer(): void {
    if (!this.#isOpen) return;
    if (performance.now() >= this.deadline) {
      this.#refuse(outOfBudget(this.modelConfigId));
      return;
    }
    this.#finish();
    this.#observer.answer(this);
  }

  #refuse(error: EngineError | null): void {
    if (!this.#isOpen) return;
    if (this.scope.ended === null) this.#cancelComponents('cancelled');
    this.#finish();
    this.#observer.refused(this, error);
  }

  /** From here on nothing that happens to the caller or the clock concerns this run. */
  #finish(): void {
    this.#isOpen = false;
    deadlines.remove(this);
    this.caller?.scope.detach(this);
  }

  #failedError(index: number): EngineError {
    return componentFailed(this.modelConfigId, this.bound.plan.components[index]?.name ?? '', this.failures[index] ?? null);
  }

  /** Leaves everything to the garbage collector. */
  discard(): void {
    this.bound.runs.abandoned++;
    this.blocks.abandon();
  }

  /**
   * Gives everything back. The run returns to its pool only if no component can still reach it and nothing of it broke; otherwise it, its
   * matrices and its blocks are left to the garbage collector, so that a late writer never meets another request. Returns whether it was
   * pooled.
   */
  close(): boolean {
    this.#isOpen = false;
    this.work.end();
    deadlines.remove(this);
    this.#endScope('done');
    const { runs } = this.bound;
    let isHeld = this.#mayBeHeld || this.execution.running > 0;
    for (let index = 0; index < this.states.length; index++) if (this.states[index]?.busy === true) isHeld = true;
    if (isHeld || this.#isBroken) {
      this.discard();
      return false;
    }
    for (let index = 0; index < this.states.length; index++) {
      const state = this.states[index];
      state?.end();
      if (state?.isSpent === true) this.states[index] = new ComponentRunState(state.binding, index);
    }
    this.blocks.close();
    this.execution.reset();
    this.outcomes.reset();
    for (let index = 0; index < this.failures.length; index++) {
      this.failures[index] = null;
      this.skippedBecause[index] = -1;
    }
    this.caller = null;
    this.#message = nothing;
    this.#trackingId = null;
    this.#requestId = null;
    this.#routeHash = -1;
    this.#errorDraw = -1;
    this.omitQuality = false;
    this.includeConfigHash = false;
    runs.give(this);
    return true;
  }

  // RequestInfo

  get modelConfigId(): string {
    return this.bound.plan.modelConfigId;
  }

  get method(): EngineMethod {
    return this.bound.schema.method;
  }

  get matrix(): Matrix {
    return this.blocks.matrix;
  }

  get slate(): Slate | null {
    return this.blocks.slate;
  }

  get rowCount(): number {
    return this.matrix.rowCount;
  }

  get trackingId(): string {
    this.#trackingId ??= readUtf8(this.#message, this.trackingIdStart, this.trackingIdEnd);
    return this.#trackingId;
  }

  /** What its log lines have in common. */
  get requestId(): string {
    this.#requestId ??= requestIdOf(this.header('x-request-id'), this.trackingId);
    return this.#requestId;
  }

  /** 0 up to 100, drawn once: a request logs all of its failures or none. */
  get errorDraw(): number {
    if (this.#errorDraw < 0) this.#errorDraw = Math.random() * 100;
    return this.#errorDraw;
  }

  get tenantId(): string {
    return readUtf8(this.#message, this.tenantIdStart, this.tenantIdEnd);
  }

  get userId(): string {
    return this.header(entityHeaders.userId) ?? '';
  }

  header(name: string): string | undefined {
    return this.caller?.header(name);
  }

  get routeHash(): number {
    if (this.#routeHash < 0) this.#routeHash = routeHashOf(this.userId, this.trackingId);
    return this.#routeHash;
  }
}

const nothing = new Uint8Array(0);
