import { messageBuffers } from '../buffer-pool.js';
import type { ScopeEnd } from '../call-scope.js';
import { GrpcError, TransportError } from '../errors.js';
import { type CallFailure, createFailure, failureReasonOf } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { OptionProblems } from '../option-problems.js';
import { plainView } from '../plain-view.js';
import { CallLedger, type LedgerLimits, type LedgerOwner } from './call-ledger.js';
import { deliverAnswer } from './deliver.js';
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

const pooledFrom = 16 * 1024;

/** Settings of a local upstream. */
export interface LocalUpstreamOptions {
  /** Calls at once; more stand in line if they are patient, else they are refused as `overloaded`. @default 4096 */
  maxInFlight?: number;
  /** Calls that stand in line; more are refused as `overloaded`. @default 65536 */
  maxInLine?: number;
}

/** An upstream that is a function in this process. */
export interface LocalUpstream extends Upstream {
  readonly name: string;
  /** Calls started and not ended. */
  readonly inFlight: number;
  /** Handlers that have not settled, those of cancelled calls included. */
  readonly running: number;
}

/** An upstream answered by a function in this process: same contract as a remote one, so deadlines and cancellation hold and nothing is called back inside `start`. Throws `INFERFLOW_TRANSPORT_OPTIONS_INVALID`. */
export function createLocalUpstream(name: string, handler: LocalHandler, options: LocalUpstreamOptions = {}): LocalUpstream {
  const problems = new OptionProblems('local upstream');
  problems.expect(typeof name === 'string' && name !== '', 'name', name, 'a text for failures');
  problems.expect(typeof handler === 'function', 'handler', handler, 'a function');
  problems.expectOptions(options, 'maxInFlight');
  const maxInFlight = problems.atLeast('maxInFlight', options.maxInFlight ?? 4096, 1);
  const maxInLine = problems.atLeast('maxInLine', options.maxInLine ?? 65_536, 0);
  problems.throwIfAny();
  return new HandlerUpstream(name, handler, { maxInFlight, maxInLine, maxHeldBytes: Number.POSITIVE_INFINITY });
}

/** One running handler. Lives on after its call was cancelled, until the handler settles. */
class LocalAttempt {
  call: UnaryCall | null;
  /** Holds a long message until the handler settles. */
  buffer: Buffer | null = null;
  #controller: AbortController | null = null;
  #aborted: TransportError | null = null;

  constructor(call: UnaryCall) {
    this.call = call;
  }

  signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted !== null) this.#controller.abort(this.#aborted);
    }
    return this.#controller.signal;
  }

  abort(why: ScopeEnd): void {
    this.call = null;
    this.#aborted =
      why === 'deadline'
        ? new TransportError('INFERFLOW_TRANSPORT_DEADLINE', 'the deadline of the call passed')
        : new TransportError('INFERFLOW_TRANSPORT_CANCELLED', 'the call was cancelled by its caller');
    this.#controller?.abort(this.#aborted);
  }
}

class HandlerUpstream implements LocalUpstream, LedgerOwner {
  readonly name: string;
  readonly #handler: LocalHandler;
  readonly #ledger: CallLedger;
  readonly #runTurn = () => this.#turn();
  #hasTurn = false;
  #running = 0;

  constructor(name: string, handler: LocalHandler, limits: LedgerLimits) {
    this.name = name;
    this.#handler = handler;
    this.#ledger = new CallLedger(this, name, limits, null);
  }

  get inFlight(): number {
    return this.#ledger.inFlight;
  }

  get running(): number {
    return this.#running;
  }

  get isCrowded(): boolean {
    return this.#ledger.isCrowded;
  }

  start(call: UnaryCall): void {
    if (this.#ledger.admit(call)) this.roomFor();
  }

  roomFor(): void {
    if (this.#hasTurn) return;
    this.#hasTurn = true;
    setImmediate(this.#runTurn);
  }

  cancel(call: UnaryCall, why: ScopeEnd = 'cancelled'): void {
    if (call.upstream !== this) return;
    const attempt = call.attempt;
    this.#ledger.end(call);
    if (attempt instanceof LocalAttempt) attempt.abort(why);
  }

  async ready(): Promise<boolean> {
    return !this.#ledger.isClosed;
  }

  async close(graceMs: number): Promise<void> {
    if (await this.#ledger.close(graceMs)) return;
    const failure = createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.name} was closed before it answered`);
    for (const call of this.#ledger.calls()) {
      const attempt = call.attempt;
      this.#ledger.fail(call, failure);
      if (attempt instanceof LocalAttempt) attempt.abort('cancelled');
    }
  }

  #turn(): void {
    this.#hasTurn = false;
    // Calls that callbacks start during this turn run in the next one.
    for (let left = this.#ledger.waiting.size; left > 0; left--) {
      const call = this.#ledger.waiting.first;
      if (call === null) return;
      this.#run(call);
    }
  }

  #run(call: UnaryCall): void {
    const attempt = new LocalAttempt(call);
    this.#ledger.markOpen(call);
    call.attempt = attempt;
    this.#running++;
    let answer: Uint8Array | Promise<Uint8Array>;
    try {
      const message = this.#messageOf(call, attempt);
      answer = this.#handler(call.head.path, message, call.head.headers, () => attempt.signal());
    } catch (error) {
      this.#threw(attempt, error);
      return;
    }
    if (answer instanceof Uint8Array) this.#answered(attempt, answer);
    else {
      // A handler without types may return anything.
      Promise.resolve(answer).then(
        (bytes) => this.#answered(attempt, bytes),
        (error: unknown) => this.#threw(attempt, error),
      );
    }
  }

  #messageOf(call: UnaryCall, attempt: LocalAttempt): Uint8Array {
    const length = call.byteLength;
    if (length < pooledFrom) {
      const message = new Uint8Array(length);
      call.write(message, 0);
      return message;
    }
    const buffer = messageBuffers.take(length);
    attempt.buffer = buffer;
    const message = new Uint8Array(buffer.buffer, buffer.byteOffset, length);
    call.write(message, 0);
    return message;
  }

  /** The handler is through. Only after its answer was delivered, which may be a view of its message. */
  #settled(attempt: LocalAttempt): void {
    this.#running--;
    if (attempt.buffer !== null) messageBuffers.give(attempt.buffer);
    attempt.buffer = null;
  }

  #answered(attempt: LocalAttempt, bytes: unknown): void {
    if (bytes instanceof Uint8Array) this.#deliver(attempt, bytes);
    else {
      const kind = bytes === null ? 'null' : typeof bytes;
      this.#fail(attempt, createFailure('exception', GrpcCode.UNKNOWN, `${this.name} answered with ${kind} instead of a Uint8Array`));
    }
    this.#settled(attempt);
  }

  #deliver(attempt: LocalAttempt, bytes: Uint8Array): void {
    const call = attempt.call;
    if (call === null || call.callState !== CallState.OPEN) return;
    if (bytes.length > call.maxAnswerBytes) {
      const size = `${this.name} answered ${bytes.length} bytes, the limit is ${call.maxAnswerBytes}`;
      this.#ledger.fail(call, createFailure('malformed', GrpcCode.RESOURCE_EXHAUSTED, size));
      return;
    }
    this.#ledger.end(call);
    deliverAnswer(call, plainView(bytes));
  }

  #threw(attempt: LocalAttempt, error: unknown): void {
    this.#settled(attempt);
    this.#fail(attempt, this.#failureOf(error));
  }

  #fail({ call }: LocalAttempt, failure: CallFailure): void {
    if (call !== null && call.callState === CallState.OPEN) this.#ledger.fail(call, failure);
  }

  #failureOf(error: unknown): CallFailure {
    if (error instanceof GrpcError) return createFailure(failureReasonOf(error.grpcCode), error.grpcCode, error.message);
    const detail = error instanceof Error ? error.message : 'a value that is no error';
    return createFailure('exception', GrpcCode.UNKNOWN, `${this.name} threw: ${detail}`);
  }
}
