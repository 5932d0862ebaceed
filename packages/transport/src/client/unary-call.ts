// A call and its bytes, from its owner's memory and back:
//
//   write(target, at)    puts byteLength bytes where they leave:  | 9 HEADERS block | 9 DATA | flag u8 | length u32 | message |   (a slab)
//   succeeded(message)   a view of what was read, or of a pooled buffer when reads cut the message in pieces
//
// and its life:  NEW ─ start ─► WAITING ─► OPEN ─► ENDED      OPEN ─ not processed by the peer ─► WAITING or, for a while, PAUSED
//                NEW ─ start, no room ─► IN_LINE ─► WAITING
import type { Transport } from '@connectrpc/connect';
import type { ScopeEnd, ScopeLink } from '../call-scope.js';
import { type DeadlineEntry, deadlines } from '../deadline-queue.js';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import type { CallHead } from '../grpc-head.js';
import { loopClock } from '../loop-clock.js';
import type { Connection } from './connection.js';
import { deliverFailure } from './deliver.js';

/** Writes a message of known length. */
export interface BodyWriter {
  /** Exact length in bytes. */
  readonly byteLength: number;
  /** Writes exactly {@link BodyWriter.byteLength} bytes from `at` on. Repeatable with the same result until the call ends. */
  write(target: Uint8Array, at: number): void;
}

/** A service that answers unary calls: remote, or in this process. */
export interface Upstream {
  /** Starts a call; its end is reported later, never inside `start`. Throws `INFERFLOW_TRANSPORT_CALL_IN_USE` for a call that was started before. */
  start(call: UnaryCall): void;
  /** Ends a call at once and silently. A call that ended, or runs elsewhere, is ignored. `why` is only for counters. */
  cancel(call: UnaryCall, why?: ScopeEnd): void;
  /** Refuses new calls, lets open ones end for `graceMs`, fails the rest with `unavailable`. Called again it can only shorten the grace. */
  close(graceMs: number): Promise<void>;
  /** Carries streaming methods to the same service, which sees `authority`; absent where there is nothing. Rejects once the upstream is closed. */
  streams?(authority: string): Promise<Transport>;
  /** So many calls stand in line for room that who has one here does not get on faster with more. Absent where there is no line. */
  readonly isCrowded?: boolean;
  /** Connects and tells whether calls can be answered within the time given. */
  ready?(timeoutMs: number): Promise<boolean>;
}

/** Where a call is in its life. */
export const CallState = { NEW: 0, WAITING: 1, OPEN: 2, ENDING: 3, ENDED: 4, ABANDONED: 5, PAUSED: 6, IN_LINE: 7 } as const;
export type CallState = (typeof CallState)[keyof typeof CallState];

/** Answers above this size are refused unless a call says otherwise: 32 MiB. */
export const defaultMaxAnswerBytes = 32 * 1024 * 1024;

/**
 * One unary call, subclassed by its owner: the object is the request body, the callback, a link of its scope and an entry of the
 * deadline queue at once, so a call costs its owner one allocation.
 *
 * Exactly one of {@link UnaryCall.succeeded} and {@link UnaryCall.failed} is called, never inside `start()`, and none after
 * `cancel()` or after the scope ended.
 */
export abstract class UnaryCall implements BodyWriter, ScopeLink, DeadlineEntry {
  readonly head: CallHead;
  /**
   * On the `performance.now()` clock; `Infinity` means none, and so does NaN. Set by its maker; only the upstream of a patient call moves
   * it, see {@link UnaryCall.isPatient}.
   */
  deadline: number;
  /** A longer answer is cut off and fails as `malformed` with RESOURCE_EXHAUSTED. */
  readonly maxAnswerBytes: number;
  /** Set it before `start` to get {@link UnaryCall.answerHeaders} and {@link UnaryCall.answerTrailers}. */
  wantsMetadata = false;
  /** Headers of the answer, as name, value, name, value …: `null` until they came, and unless they are wanted. Values of `-bin` names are base64. */
  answerHeaders: readonly string[] | null = null;
  /** Trailers of the answer, `grpc-status` among them; everything, when the answer has trailers only. */
  answerTrailers: readonly string[] | null = null;
  /** Where the call runs; `null` before `start` and after the end. */
  upstream: Upstream | null = null;

  scopePrevious: ScopeLink | null = null;
  scopeNext: ScopeLink | null = null;
  deadlinePlace = -1;

  /** @internal The fields below belong to the upstream. */
  callState: CallState = CallState.NEW;
  /** @internal */
  queuePrevious: UnaryCall | null = null;
  /** @internal */
  queueNext: UnaryCall | null = null;
  /** @internal */
  connection: Connection | null = null;
  /** @internal What the connection or the local upstream keeps for the call. */
  attempt: unknown = null;
  /** @internal */
  pendingFailure: CallFailure | null = null;
  /** @internal Request bytes counted against the upstream's bound. */
  heldBytes = 0;
  /** When it was given to its upstream, `performance.now()` clock; 0 before. */
  startedAt = 0;
  /** @internal When it had room, after it stood in line; 0 = it did not, or still does. */
  roomAt = 0;
  /** @internal How long the loop had waited for events when the call had room. */
  idleAtStart = 0;
  /** @internal Its deadline was moved: that happens once. */
  isExcused = false;
  /** @internal */
  retries = 0;
  /** @internal */
  replays = 0;

  constructor(head: CallHead, deadline: number, maxAnswerBytes: number = defaultMaxAnswerBytes) {
    this.head = head;
    this.deadline = deadline;
    this.maxAnswerBytes = maxAnswerBytes;
  }

  /** Length of the message in bytes, without gRPC's five-byte frame head. */
  abstract get byteLength(): number;

  /** Writes the message; see {@link BodyWriter.write}. */
  abstract write(target: Uint8Array, at: number): void;

  /**
   * Whether the call stands in line where its upstream has no room, instead of being refused as `overloaded`. That time comes on top of
   * its deadline, so override it only where something else ends the call: the deadline of a request, for one.
   */
  get isPatient(): boolean {
    return false;
  }

  /** Memory of its own that it holds while it stands in line; less than {@link UnaryCall.byteLength} where the message is written from what is there anyway. */
  get bytesInLine(): number {
    return this.byteLength;
  }

  /** The answer. The bytes belong to the transport and are valid until this returns: copy what is kept. Must not throw. */
  abstract succeeded(message: Uint8Array): void;

  /** The failure. Must not throw. */
  abstract failed(failure: CallFailure): void;

  /** Ends the call silently: who ended the scope knows. Before `start` it makes `start` do nothing. */
  scopeEnded(reason: ScopeEnd): void {
    if (this.upstream !== null) this.upstream.cancel(this, reason);
    else if (this.callState === CallState.NEW) this.callState = CallState.ABANDONED;
  }

  /** For the deadline queue. */
  deadlinePassed(): void {
    const upstream = this.upstream;
    if (upstream === null) return;
    const ownMs = this.isExcused ? 0 : this.ownMs();
    if (ownMs > 0) {
      this.isExcused = true;
      deadlines.add(this, performance.now() + ownMs);
      return;
    }
    upstream.cancel(this, 'deadline');
    deliverFailure(this, createFailure('deadline', GrpcCode.DEADLINE_EXCEEDED, 'the deadline of the call passed before an answer came'));
  }

  /**
   * Time of the call that this process was at work, and so neither wrote the request nor read the answer: the peer is not charged for
   * it. 0 where it is little beside the time the peer had. Also for those who wait for the call with a deadline of their own.
   */
  ownMs(): number {
    if (this.startedAt === 0 || this.callState === CallState.IN_LINE) return 0;
    const now = performance.now();
    return loopClock.ownMs(now - Math.max(this.startedAt, this.roomAt), this.idleAtStart, now);
  }

  /** Whether it had to stand in line, and does not any more. */
  get stoodInLine(): boolean {
    return this.roomAt > 0;
  }

  /** How much of the time since then the call stood in line: for those who wait for it with a deadline of their own. */
  inLineMs(since: number, now: number): number {
    const until = this.callState === CallState.IN_LINE ? now : this.roomAt;
    return Math.max(0, until - Math.max(since, this.startedAt));
  }

  /** @internal It does not stand in line any more. */
  gotRoom(now: number): void {
    this.roomAt = now;
    this.deadline += now - this.startedAt;
  }
}
