// The bytes of a hot call:
//
//   ←  DATA …    | flag u8 | length u32 | message |     message-reader.ts; counted as held until there is an answer; a method that borrows
//                                                       messages has copied what it still needs when it returns
//   →  HEADERS, DATA | flag u8 | length u32 | message |, HEADERS with grpc-status: `respond`
//      HEADERS with grpc-status: `fail`                 what the caller does not take at once is counted as unsent until it has

import { messageBuffers } from '../buffer-pool.js';
import { CallScope, type ScopeEnd, type ScopeLink } from '../call-scope.js';
import type { BodyWriter } from '../client/unary-call.js';
import { type DeadlineEntry, deadlines } from '../deadline-queue.js';
import { GrpcCode } from '../grpc-code.js';
import { type GrpcStatus, SharedStatus } from '../grpc-status.js';
import { MessageReader, ReadState } from '../message-reader.js';
import { incompleteRequest, RequestProblem, tooLargeRequest, unnamedCompression } from '../request-frame.js';
import { heldBytesRefusal } from './admission.js';
import type { RefusalReason } from './one-port-options.js';
import type { RecentRefusal } from './recent-refusal.js';
import { reportBroken } from './report-broken.js';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';
import type { HotMethod, ServerCall } from './server-call.js';
import type { ServerLoad } from './server-load.js';

const firstMessageBytes = 64 * 1024;
const nothing = new Uint8Array(0);

/** What all calls of a server share. */
export interface HotCallHost {
  readonly options: ResolvedOnePortOptions;
  readonly load: ServerLoad;
}

/**
 * A hot call, whatever its stream is made of: reads its message, runs its method, has its answer put. It counts as in flight until it is
 * answered, and its bytes as held until the caller has taken the answer. The queue entry is first the time to receive, then the time to send.
 */
export abstract class HotCall implements ServerCall, DeadlineEntry, ScopeLink {
  readonly scope: CallScope;
  message: Uint8Array = nothing;
  deadlinePlace = -1;
  scopePrevious: ScopeLink | null = null;
  scopeNext: ScopeLink | null = null;
  readonly #host: HotCallHost;
  readonly #method: HotMethod;
  readonly #reader: MessageReader;
  #heldBytes = 0;
  #unsentBytes = 0;
  readonly #timeoutMs: number;
  #isAnswered = false;
  /** Its method is being called. */
  #isBeginning = false;

  constructor(host: HotCallHost, method: HotMethod, deadline: number, now: number) {
    this.#host = host;
    this.#method = method;
    const pool = method.borrowsMessage === true ? messageBuffers : null;
    this.#reader = new MessageReader(method.maxMessageBytes, firstMessageBytes, pool);
    this.#timeoutMs = deadline - now;
    this.scope = new CallScope(deadline);
    this.scope.attach(this);
    this.scope.armDeadline(deadlines, now);
    deadlines.add(this, now + host.options.receiveTimeoutMs, now);
    host.load.hotInFlight++;
  }

  abstract header(name: string): string | undefined;
  abstract headerValues(name: string): readonly string[];

  /** Puts an answer; returns the bytes that the caller has not taken. Throws what `body.write` throws, and then nothing was put. */
  protected abstract putAnswer(body: BodyWriter): number;
  /** Puts a status. */
  protected abstract putStatus(status: GrpcStatus): void;
  /** Resets a stream whose answer is not taken. */
  protected abstract resetStream(): void;
  /** An answer was put, and its bytes are counted. False when the caller leaves too much unread: the connection is closed. */
  protected abstract answerPut(unsentBytes: number): boolean;
  /** The answer has been taken, or will never be. */
  protected abstract answerGone(unsentBytes: number): void;
  /** Its connection's memory of what its calls were told. */
  protected abstract readonly recent: RecentRefusal | null;
  /** True when nobody waits for an answer any more. */
  protected abstract readonly isGone: boolean;

  get #borrows(): boolean {
    return this.#method.borrowsMessage === true;
  }

  protected get maxMessageBytes(): number {
    return this.#method.maxMessageBytes;
  }

  protected get isAnswered(): boolean {
    return this.#isAnswered;
  }

  respond(body: BodyWriter): void {
    if (this.#isAnswered || this.isGone) return;
    let unsentBytes: number;
    try {
      unsentBytes = this.putAnswer(body);
    } catch (error) {
      this.#broke(error);
      return;
    }
    this.#answered(unsentBytes);
  }

  fail(status: GrpcStatus): void {
    if (this.#isAnswered) return;
    if (this.#isBeginning && status instanceof SharedStatus) this.#noteRefusal(status);
    this.putStatus(status);
    this.#answered(0);
  }

  /** For the scope: the caller's time is up. Attached first, so told last: whoever has an answer to give has given it. */
  scopeEnded(reason: ScopeEnd): void {
    if (reason === 'deadline')
      this.fail({ code: GrpcCode.DEADLINE_EXCEEDED, message: 'the deadline of the call passed before it could be answered' });
  }

  /** For the queue: the request did not arrive, or the answer was not taken, in time. */
  deadlinePassed(): void {
    if (this.#isAnswered) {
      this.refused('slow-reader');
      this.resetStream();
      return;
    }
    this.refused('receive-timeout');
    const { receiveTimeoutMs } = this.#host.options;
    this.fail({ code: GrpcCode.CANCELLED, message: `the request was not complete after ${receiveTimeoutMs} ms` });
  }

  /**
   * @param chunk the next read may overwrite it
   * @param isLast the request ends right after this, before the chunk changes
   */
  dataArrived(chunk: Buffer, isLast: boolean): void {
    if (this.#isAnswered) return;
    const state = this.#reader.push(chunk, isLast && this.#borrows);
    if (state !== ReadState.OK) {
      this.#rejectBody(state);
      return;
    }
    this.hold(chunk.length);
  }

  requestEnded(): void {
    if (this.#isAnswered) return;
    deadlines.remove(this);
    const reader = this.#reader;
    if (!reader.isComplete) this.malformed(incompleteRequest(reader));
    else if (reader.isCompressed) this.inflate(reader.message);
    else this.handle(reader.message);
  }

  /** The stream is over: taken, reset or lost. */
  streamClosed(): void {
    deadlines.remove(this);
    this.#release();
    if (!this.#isAnswered) {
      this.#isAnswered = true;
      this.#host.load.hotInFlight--;
      this.scope.end('cancelled');
    }
    this.#host.load.heldBytes -= this.#unsentBytes;
    this.answerGone(this.#unsentBytes);
    this.#unsentBytes = 0;
  }

  /** Counts bytes of the request. False when the server holds too many: the call has failed. */
  protected hold(byteLength: number): boolean {
    const { load, options } = this.#host;
    this.#heldBytes += byteLength;
    load.heldBytes += byteLength;
    if (load.heldBytes <= options.maxHeldBytes) return true;
    this.refused(heldBytesRefusal.reason);
    this.#method.refusedForRoom?.(performance.now());
    this.fail(heldBytesRefusal.status);
    return false;
  }

  /** Runs the method. */
  protected handle(message: Uint8Array): void {
    this.message = message;
    this.#isBeginning = true;
    try {
      this.#method.handle(this);
    } catch (error) {
      this.#broke(error);
    }
    this.#isBeginning = false;
    if (!this.#borrows) return;
    this.message = nothing;
    this.#reader.release();
  }

  /** The message is marked as compressed. Its bytes are valid only until this returns. */
  protected inflate(_message: Uint8Array): void {
    this.refused('malformed');
    this.fail(unnamedCompression);
  }

  protected malformed(message: string): void {
    this.refused('malformed');
    this.fail(this.#host.options.malformed(message));
  }

  protected tooLarge(bytes: number | null): void {
    const { path, maxMessageBytes } = this.#method;
    this.refused('message-size');
    this.fail({ code: GrpcCode.RESOURCE_EXHAUSTED, message: tooLargeRequest(bytes, path, maxMessageBytes) });
  }

  protected refused(reason: RefusalReason): void {
    this.#host.options.onRefused?.(reason, this.#method.path);
  }

  #rejectBody(state: ReadState): void {
    if (state === ReadState.TOO_LARGE) this.tooLarge(this.#reader.announced);
    else this.malformed(state === ReadState.SURPLUS ? RequestProblem.SURPLUS : RequestProblem.NO_FRAME);
  }

  #broke(error: unknown): void {
    reportBroken(this.#host.options, error, this.#method.path);
    this.fail({ code: GrpcCode.INTERNAL, message: 'the method failed unexpectedly' });
  }

  #noteRefusal(status: SharedStatus): void {
    if (this.#method.sharesRefusals === undefined) return;
    this.recent?.note(status, this.#timeoutMs, performance.now());
  }

  #answered(unsentBytes: number): void {
    this.#isAnswered = true;
    const { load, options } = this.#host;
    load.hotInFlight--;
    this.#release();
    this.#unsentBytes = unsentBytes;
    load.heldBytes += unsentBytes;
    this.scope.end('done');
    if (!this.answerPut(unsentBytes)) this.refused('slow-reader');
    if (this.isGone) return;
    const now = performance.now();
    deadlines.add(this, now + options.sendTimeoutMs, now);
  }

  #release(): void {
    this.#host.load.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
    // While the method runs it may still read the message.
    if (this.#borrows && !this.#isBeginning) this.#reader.release();
  }
}
