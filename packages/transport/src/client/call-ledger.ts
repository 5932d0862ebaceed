import { longestTimerMs } from '../deadline-clock.js';
import { deadlines } from '../deadline-queue.js';
import { TransportError } from '../errors.js';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { CallQueue } from './call-queue.js';
import { deliverFailure } from './deliver.js';
import { loopClock } from './loop-clock.js';
import { CallState, type UnaryCall, type Upstream } from './unary-call.js';

/** Bounds of an upstream. */
export interface LedgerLimits {
  readonly maxInFlight: number;
  readonly maxHeldBytes: number;
}

/**
 * The books of an upstream: which calls wait, pause or are open, how much they hold, which end at the end of this turn. Every call that
 * is admitted leaves through {@link CallLedger.end} exactly once.
 */
export class CallLedger {
  readonly waiting: CallQueue = new CallQueue();
  readonly open: CallQueue = new CallQueue();
  /** Calls that were refused and wait for their time to be started again. */
  readonly paused: CallQueue = new CallQueue();
  readonly #upstream: Upstream;
  readonly #name: string;
  readonly #limits: LedgerLimits;
  readonly #onOverloaded: (() => void) | null;
  readonly #runTurn = () => this.#turn();
  #ending: UnaryCall[] = [];
  #heldBytes = 0;
  #closed = false;
  #whenIdle: Promise<boolean> | null = null;
  /** Settles {@link CallLedger.close}; `null` before it was called and after it has settled. */
  #settle: ((isIdle: boolean) => void) | null = null;
  #graceTimer: NodeJS.Timeout | null = null;
  #graceEndsAt = Number.POSITIVE_INFINITY;

  constructor(upstream: Upstream, name: string, limits: LedgerLimits, onOverloaded: (() => void) | null) {
    this.#upstream = upstream;
    this.#name = name;
    this.#limits = limits;
    this.#onOverloaded = onOverloaded;
  }

  /** Calls admitted and not ended. */
  get inFlight(): number {
    return this.waiting.size + this.open.size + this.paused.size;
  }

  /** Request bytes of these calls. */
  get heldBytes(): number {
    return this.#heldBytes;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Takes a new call into the books as waiting. False when it will not run: its scope ended before, or it fails at the end of this turn. */
  admit(call: UnaryCall): boolean {
    if (call.callState === CallState.ABANDONED) return false;
    if (call.callState !== CallState.NEW)
      throw new TransportError('INFERFLOW_TRANSPORT_CALL_IN_USE', `${call.head.path}: a call object can be started once, make a new one`);
    const now = performance.now();
    call.upstream = this.#upstream;
    call.startedAt = now;
    if (this.#closed) {
      this.failLater(call, createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.#name} is closed`));
      return false;
    }
    if (call.deadline <= now) {
      this.failLater(call, createFailure('deadline', GrpcCode.DEADLINE_EXCEEDED, 'the deadline had passed before the call was started'));
      return false;
    }
    const byteLength = call.byteLength;
    if (this.inFlight >= this.#limits.maxInFlight || this.#heldBytes + byteLength > this.#limits.maxHeldBytes) {
      this.#onOverloaded?.();
      this.failLater(call, this.#overloaded());
      return false;
    }
    call.heldBytes = byteLength;
    call.idleAtStart = loopClock.idleMs(now);
    this.#heldBytes += byteLength;
    call.callState = CallState.WAITING;
    this.waiting.push(call);
    deadlines.add(call, call.deadline, now);
    return true;
  }

  /** Waiting → open. */
  markOpen(call: UnaryCall): void {
    this.waiting.remove(call);
    call.callState = CallState.OPEN;
    this.open.push(call);
  }

  /** Open → waiting, before those that were never started. */
  markWaiting(call: UnaryCall): void {
    this.#takeBack(call);
    call.callState = CallState.WAITING;
    this.waiting.pushFirst(call);
  }

  /** Open → paused, and after so many ms → waiting, when `resumed` is called. A call that ends before is forgotten. */
  pause(call: UnaryCall, ms: number, resumed: (call: UnaryCall) => void): void {
    this.#takeBack(call);
    call.callState = CallState.PAUSED;
    this.paused.push(call);
    setTimeout(() => {
      if (call.callState !== CallState.PAUSED) return;
      this.paused.remove(call);
      call.callState = CallState.WAITING;
      this.waiting.pushFirst(call);
      resumed(call);
    }, ms);
  }

  /** Closes the books on a call. */
  end(call: UnaryCall): void {
    deadlines.remove(call);
    this.#leaveQueue(call);
    this.#heldBytes -= call.heldBytes;
    call.heldBytes = 0;
    call.callState = CallState.ENDED;
    call.upstream = null;
    call.connection = null;
    call.attempt = null;
    if (this.#settle !== null && this.inFlight === 0) this.#graceOver(true);
  }

  /** Ends a call and tells its owner. */
  fail(call: UnaryCall, failure: CallFailure): void {
    this.end(call);
    deliverFailure(call, failure);
  }

  /** Fails a call at the end of this turn, for what is found out inside `start`. */
  failLater(call: UnaryCall, failure: CallFailure): void {
    this.#leaveQueue(call);
    call.callState = CallState.ENDING;
    call.pendingFailure = failure;
    if (this.#ending.push(call) === 1) setImmediate(this.#runTurn);
  }

  /**
   * Admits nothing more; resolves when every call has ended, or false after the time given. Called again it gives the same promise, and
   * the time can only become shorter.
   */
  close(graceMs: number): Promise<boolean> {
    this.#closed = true;
    this.#whenIdle ??= new Promise((resolve) => {
      this.#settle = resolve;
    });
    if (this.inFlight === 0) this.#graceOver(true);
    else if (graceMs <= 0) this.#graceOver(false);
    else this.#boundGrace(graceMs);
    return this.#whenIdle;
  }

  #boundGrace(graceMs: number): void {
    const endsAt = performance.now() + graceMs;
    if (this.#settle === null || endsAt >= this.#graceEndsAt) return;
    this.#graceEndsAt = endsAt;
    if (this.#graceTimer !== null) clearTimeout(this.#graceTimer);
    this.#graceTimer = setTimeout(() => this.#graceOver(false), Math.min(graceMs, longestTimerMs));
  }

  #graceOver(isIdle: boolean): void {
    if (this.#graceTimer !== null) clearTimeout(this.#graceTimer);
    this.#graceTimer = null;
    this.#settle?.(isIdle);
    this.#settle = null;
  }

  /** From the connection that had it. */
  #takeBack(call: UnaryCall): void {
    this.open.remove(call);
    call.connection = null;
    call.attempt = null;
    call.answerHeaders = null;
    call.answerTrailers = null;
  }

  #leaveQueue(call: UnaryCall): void {
    if (call.callState === CallState.WAITING) this.waiting.remove(call);
    else if (call.callState === CallState.OPEN) this.open.remove(call);
    else if (call.callState === CallState.PAUSED) this.paused.remove(call);
  }

  #turn(): void {
    const calls = this.#ending;
    this.#ending = [];
    for (const call of calls) {
      const failure = call.pendingFailure;
      if (call.callState === CallState.ENDING && failure !== null) this.fail(call, failure);
    }
  }

  #overloaded(): CallFailure {
    const held = `${this.inFlight} calls and ${this.#heldBytes} request bytes in flight`;
    return createFailure('overloaded', GrpcCode.RESOURCE_EXHAUSTED, `${this.#name} has ${held}, no more are taken`);
  }
}
