import { longestTimerMs } from '../deadline-clock.js';
import { deadlines } from '../deadline-queue.js';
import { TransportError } from '../errors.js';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { type Flushable, turnEnd } from '../http2/turn-end.js';
import { loopClock } from '../loop-clock.js';
import { CallQueue } from './call-queue.js';
import { deliverFailure } from './deliver.js';
import { CallState, type UnaryCall, type Upstream } from './unary-call.js';

/** Bounds of an upstream. */
export interface LedgerLimits {
  /** Calls that have room. */
  readonly maxInFlight: number;
  /** Request bytes of these calls, and once more what calls that stand in line hold themselves. */
  readonly maxHeldBytes: number;
  /** Calls that stand in line for room. */
  readonly maxInLine: number;
}

/** Whose books they are. */
export interface LedgerOwner extends Upstream {
  /** A call that stood in line waits for its connection from here on. */
  roomFor(call: UnaryCall): void;
}

/**
 * The books of an upstream: which calls wait, pause or are open, how much they hold, which end at the end of this turn. Every call that
 * is admitted leaves through {@link CallLedger.end} exactly once. Where there is no room for a patient call it stands in line: whichever
 * call ends makes room for the first, at the end of the turn, so that nobody who ends calls is disturbed by others that start.
 */
export class CallLedger implements Flushable {
  isDirty = false;
  readonly line: CallQueue = new CallQueue();
  readonly waiting: CallQueue = new CallQueue();
  readonly open: CallQueue = new CallQueue();
  /** Calls that were refused and wait for their time to be started again. */
  readonly paused: CallQueue = new CallQueue();
  readonly #owner: LedgerOwner;
  readonly #name: string;
  readonly #limits: LedgerLimits;
  readonly #onOverloaded: (() => void) | null;
  readonly #runTurn = () => this.#turn();
  #ending: UnaryCall[] = [];
  #heldBytes = 0;
  #lineBytes = 0;
  #closed = false;
  #whenIdle: Promise<boolean> | null = null;
  /** Settles {@link CallLedger.close}; `null` before it was called and after it has settled. */
  #settle: ((isIdle: boolean) => void) | null = null;
  #graceTimer: NodeJS.Timeout | null = null;
  #graceEndsAt = Number.POSITIVE_INFINITY;

  constructor(owner: LedgerOwner, name: string, limits: LedgerLimits, onOverloaded: (() => void) | null) {
    this.#owner = owner;
    this.#name = name;
    this.#limits = limits;
    this.#onOverloaded = onOverloaded;
  }

  /** Calls admitted and not ended. */
  get inFlight(): number {
    return this.line.size + this.#withRoom;
  }

  /** Request bytes of these calls; of those in line only what they hold themselves. */
  get heldBytes(): number {
    return this.#heldBytes + this.#lineBytes;
  }

  /** Whether so many calls stand in line that who has one here does not get on faster with more. */
  get isCrowded(): boolean {
    const { maxInFlight, maxInLine } = this.#limits;
    return this.line.size >= Math.max(1, Math.min(maxInFlight, maxInLine));
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /**
   * Takes a new call into the books as waiting. False when it is not to be started now: its scope ended before, it fails at the end of
   * this turn, or it stands in line.
   */
  admit(call: UnaryCall): boolean {
    if (call.callState === CallState.ABANDONED) return false;
    if (call.callState !== CallState.NEW)
      throw new TransportError('INFERFLOW_TRANSPORT_CALL_IN_USE', `${call.head.path}: a call object can be started once, make a new one`);
    const now = performance.now();
    call.upstream = this.#owner;
    call.startedAt = now;
    if (this.#closed) {
      this.failLater(call, createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.#name} is closed`));
      return false;
    }
    if (call.deadline <= now) {
      this.failLater(call, createFailure('deadline', GrpcCode.DEADLINE_EXCEEDED, 'the deadline had passed before the call was started'));
      return false;
    }
    const { byteLength } = call;
    if (this.line.size === 0 && this.#fits(byteLength)) {
      this.#giveRoom(call, byteLength, now);
      return true;
    }
    if (!this.#lineUp(call, byteLength)) {
      this.#onOverloaded?.();
      this.failLater(call, this.#overloaded());
    }
    return false;
  }

  /** The turn in which a call ended is over: the first in line have room now. */
  flush(): void {
    for (let call = this.line.first; call !== null && this.#fits(call.byteLength); call = this.line.first) {
      const now = performance.now();
      this.#leaveQueue(call);
      this.#lineBytes -= call.heldBytes;
      call.gotRoom(now);
      this.#giveRoom(call, call.byteLength, now);
      this.#owner.roomFor(call);
    }
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
    if (call.callState === CallState.IN_LINE) this.#lineBytes -= call.heldBytes;
    else this.#heldBytes -= call.heldBytes;
    call.heldBytes = 0;
    call.callState = CallState.ENDED;
    call.upstream = null;
    call.connection = null;
    call.attempt = null;
    if (this.line.size > 0) turnEnd.markCalls(this);
    if (this.#settle !== null && this.inFlight === 0) this.#graceOver(true);
  }

  /** Every call in the books, one after the other: whoever is given one ends it. */
  *calls(): Generator<UnaryCall> {
    for (const queue of [this.line, this.waiting, this.paused, this.open])
      for (let call = queue.first; call !== null; call = queue.first) yield call;
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

  get #withRoom(): number {
    return this.waiting.size + this.open.size + this.paused.size;
  }

  #fits(byteLength: number): boolean {
    const { maxInFlight, maxHeldBytes } = this.#limits;
    return this.#withRoom < maxInFlight && this.#heldBytes + byteLength <= maxHeldBytes;
  }

  #giveRoom(call: UnaryCall, byteLength: number, now: number): void {
    call.heldBytes = byteLength;
    this.#heldBytes += byteLength;
    call.idleAtStart = loopClock.idleMs(now);
    call.callState = CallState.WAITING;
    this.waiting.push(call);
    deadlines.add(call, call.deadline, now);
  }

  /** False when it may not. What would never have room must not keep others waiting. */
  #lineUp(call: UnaryCall, byteLength: number): boolean {
    const { maxHeldBytes, maxInLine } = this.#limits;
    if (!call.isPatient || this.line.size >= maxInLine || byteLength > maxHeldBytes) return false;
    const { bytesInLine } = call;
    if (this.#lineBytes + bytesInLine > maxHeldBytes) return false;
    call.heldBytes = bytesInLine;
    this.#lineBytes += bytesInLine;
    call.callState = CallState.IN_LINE;
    this.line.push(call);
    return true;
  }

  #leaveQueue(call: UnaryCall): void {
    if (call.callState === CallState.IN_LINE) this.line.remove(call);
    else if (call.callState === CallState.WAITING) this.waiting.remove(call);
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
    const held = `${this.inFlight} calls and ${this.heldBytes} request bytes in flight`;
    return createFailure('overloaded', GrpcCode.RESOURCE_EXHAUSTED, `${this.#name} has ${held}, no more are taken`);
  }
}
