import { type DeadlineEntry, deadlines, type ScopeEnd, type ScopeLink } from '@inferflow/transport';
import type { GateWaiter } from './admission/admission-gate.js';
import type { ModelPlan } from './compile/model-plan.js';
import type { OpenEntry } from './open-list.js';
import type { OpenRequest } from './request/open-services.js';

/** What becomes of a request that waited. */
export interface WaitingHost {
  /** Its turn. */
  waited(request: WaitingRequest): void;
  /** Its time is over, or there is not enough left of it. */
  waitedTooLong(request: WaitingRequest, retryAfterMs: number): void;
  /** Its caller left. */
  waitedInVain(request: WaitingRequest): void;
}

/** A request that waits for its turn: nothing but its message is held, and nothing of it has been decoded. Its links belong to their lists. */
export class WaitingRequest implements GateWaiter, OpenEntry, ScopeLink, DeadlineEntry {
  readonly plan: ModelPlan;
  readonly request: OpenRequest;
  gatePrevious: GateWaiter | null = null;
  gateNext: GateWaiter | null = null;
  isWaiting = false;
  openIndex = -1;
  scopePrevious: ScopeLink | null = null;
  scopeNext: ScopeLink | null = null;
  deadlinePlace = -1;
  readonly #host: WaitingHost;

  constructor(plan: ModelPlan, request: OpenRequest, host: WaitingHost) {
    this.plan = plan;
    this.request = request;
    this.#host = host;
  }

  /** Begins to wait. */
  start(): void {
    this.plan.gate.wait(this);
    deadlines.add(this, this.answerBy);
    this.request.caller.scope.attach(this);
  }

  get answerBy(): number {
    const { deadline, reserveMs } = this.request.budget;
    return deadline - reserveMs;
  }

  /** Ends the wait from outside, whatever comes then. */
  stop(): void {
    deadlines.remove(this);
    this.request.caller.scope.detach(this);
    this.plan.gate.giveUp(this);
  }

  begin(): void {
    this.stop();
    this.#host.waited(this);
  }

  turnedAway(retryAfterMs: number): void {
    this.stop();
    this.#host.waitedTooLong(this, retryAfterMs);
  }

  deadlinePassed(): void {
    this.turnedAway(this.plan.gate.retryAfterMs);
  }

  scopeEnded(reason: ScopeEnd): void {
    if (reason === 'deadline') this.deadlinePassed();
    else {
      this.stop();
      this.#host.waitedInVain(this);
    }
  }
}
