import type { ScopeEnd } from '../call-scope.js';
import { deadlines } from '../deadline-queue.js';
import { GrpcError, TransportError } from '../errors.js';
import { type CallFailure, createFailure, failureReasonOf } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { deliverAnswer, deliverFailure } from './deliver.js';
import { CallState, type UnaryCall, type Upstream } from './unary-call.js';

/**
 * A service in this process. `message` is valid until the handler returned or its promise settled; the answer is handed on without a
 * copy. A {@link GrpcError} chooses the status; anything else thrown is an `exception`. `signal()` makes a signal that aborts when the
 * caller left or its deadline passed.
 */
export type LocalHandler = (
  path: string,
  message: Uint8Array,
  headers: Readonly<Record<string, string>>,
  signal: () => AbortSignal,
) => Uint8Array | Promise<Uint8Array>;

/** Settings of a local upstream. */
export interface LocalUpstreamOptions {
  /** Calls at once; more are refused as `overloaded`. @default 4096 */
  maxInFlight?: number;
}

/** One running handler. Lives on after its call was cancelled, until the handler settles. */
class LocalAttempt {
  call: UnaryCall | null;
  #controller: AbortController | null = null;
  #aborted: ScopeEnd | null = null;

  constructor(call: UnaryCall) {
    this.call = call;
  }

  signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted !== null) this.#controller.abort(abortReason(this.#aborted));
    }
    return this.#controller.signal;
  }

  abort(why: ScopeEnd): void {
    this.call = null;
    this.#aborted = why;
    this.#controller?.abort(abortReason(why));
  }
}

/** An upstream answered by a function in this process: same contract as a remote one, so deadlines and cancellation hold and nothing is called back inside `start`. */
export function createLocalUpstream(name: string, handler: LocalHandler, options: LocalUpstreamOptions = {}): LocalUpstream {
  return new LocalUpstream(name, handler, options.maxInFlight ?? 4096);
}

/** See {@link createLocalUpstream}. */
export class LocalUpstream implements Upstream {
  readonly name: string;
  readonly #handler: LocalHandler;
  readonly #maxInFlight: number;
  readonly #runTurn = () => this.#turn();
  #starting: UnaryCall[] = [];
  #hasTurn = false;
  #open = 0;
  #running = 0;
  #closed = false;
  #whenIdle: (() => void)[] = [];
  /** Calls that wait or run, so that `close` can fail them. */
  #first: UnaryCall | null = null;

  constructor(name: string, handler: LocalHandler, maxInFlight: number) {
    this.name = name;
    this.#handler = handler;
    this.#maxInFlight = maxInFlight;
  }

  /** Calls started and not ended. */
  get inFlight(): number {
    return this.#open;
  }

  /** Handlers that have not settled, those of cancelled calls included. */
  get running(): number {
    return this.#running;
  }

  start(call: UnaryCall): void {
    if (call.callState === CallState.ABANDONED) return;
    if (call.callState !== CallState.NEW)
      throw new TransportError('INFERFLOW_TRANSPORT_CALL_IN_USE', `${call.head.path}: a call object can be started once`);
    call.upstream = this;
    call.callState = CallState.WAITING;
    this.#link(call);
    if (this.#closed) call.pendingFailure = createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.name} is closed`);
    else if (this.#open > this.#maxInFlight)
      call.pendingFailure = createFailure(
        'overloaded',
        GrpcCode.RESOURCE_EXHAUSTED,
        `${this.name} already runs ${this.#maxInFlight} calls, the most it takes`,
      );
    else if (call.deadline <= performance.now())
      call.pendingFailure = createFailure('deadline', GrpcCode.DEADLINE_EXCEEDED, 'the deadline had passed before the call was started');
    else deadlines.add(call, call.deadline);
    this.#starting.push(call);
    if (!this.#hasTurn) {
      this.#hasTurn = true;
      setImmediate(this.#runTurn);
    }
  }

  cancel(call: UnaryCall, why: ScopeEnd = 'cancelled'): void {
    if (call.upstream !== this) return;
    const attempt = call.attempt as LocalAttempt | null;
    this.#end(call);
    attempt?.abort(why);
  }

  async ready(): Promise<boolean> {
    return !this.#closed;
  }

  async close(graceMs: number): Promise<void> {
    this.#closed = true;
    if (this.#open > 0 && graceMs > 0)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, graceMs);
        this.#whenIdle.push(() => {
          clearTimeout(timer);
          resolve();
        });
      });
    for (let call = this.#first; call !== null; call = this.#first) {
      this.cancel(call, 'cancelled');
      deliverFailure(call, createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.name} was closed before it answered`));
    }
  }

  #turn(): void {
    this.#hasTurn = false;
    const calls = this.#starting;
    this.#starting = [];
    for (const call of calls) {
      if (call.callState !== CallState.WAITING || call.upstream !== this) continue;
      const failure = call.pendingFailure;
      if (failure === null) this.#run(call);
      else {
        this.#end(call);
        deliverFailure(call, failure);
      }
    }
  }

  #run(call: UnaryCall): void {
    const message = new Uint8Array(call.byteLength);
    call.write(message, 0);
    const attempt = new LocalAttempt(call);
    call.attempt = attempt;
    call.callState = CallState.OPEN;
    this.#running++;
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      answer = this.#handler(call.head.path, message, call.head.headers, () => attempt.signal());
    } catch (error) {
      this.#threw(attempt, error);
      return;
    }
    if (answer instanceof Promise)
      answer.then(
        (bytes) => this.#answered(attempt, bytes),
        (error: unknown) => this.#threw(attempt, error),
      );
    else this.#answered(attempt, answer);
  }

  #answered(attempt: LocalAttempt, bytes: Uint8Array): void {
    this.#running--;
    const call = attempt.call;
    if (call === null) return;
    this.#end(call);
    if (bytes.length <= call.maxAnswerBytes) deliverAnswer(call, bytes);
    else
      deliverFailure(
        call,
        createFailure(
          'malformed',
          GrpcCode.RESOURCE_EXHAUSTED,
          `${this.name} answered ${bytes.length} bytes, more than the limit of ${call.maxAnswerBytes}`,
        ),
      );
  }

  #threw(attempt: LocalAttempt, error: unknown): void {
    this.#running--;
    const call = attempt.call;
    if (call === null) return;
    this.#end(call);
    deliverFailure(call, this.#failureOf(error));
  }

  #failureOf(error: unknown): CallFailure {
    if (error instanceof GrpcError) return createFailure(failureReasonOf(error.grpcCode), error.grpcCode, error.message);
    return createFailure(
      'exception',
      GrpcCode.UNKNOWN,
      `${this.name} threw: ${error instanceof Error ? error.message : 'a value that is no error'}`,
    );
  }

  #link(call: UnaryCall): void {
    call.queuePrevious = null;
    call.queueNext = this.#first;
    if (this.#first !== null) this.#first.queuePrevious = call;
    this.#first = call;
    this.#open++;
  }

  #end(call: UnaryCall): void {
    deadlines.remove(call);
    if (call.queuePrevious !== null) call.queuePrevious.queueNext = call.queueNext;
    else this.#first = call.queueNext;
    if (call.queueNext !== null) call.queueNext.queuePrevious = call.queuePrevious;
    call.queuePrevious = null;
    call.queueNext = null;
    const attempt = call.attempt as LocalAttempt | null;
    if (attempt !== null) attempt.call = null;
    call.attempt = null;
    call.callState = CallState.ENDED;
    call.upstream = null;
    this.#open--;
    if (this.#open === 0 && this.#whenIdle.length > 0) for (const wake of this.#whenIdle.splice(0)) wake();
  }
}

function abortReason(why: ScopeEnd): TransportError {
  return why === 'deadline'
    ? new TransportError('INFERFLOW_TRANSPORT_DEADLINE', 'the deadline of the call passed')
    : new TransportError('INFERFLOW_TRANSPORT_CANCELLED', 'the call was cancelled by its caller');
}
