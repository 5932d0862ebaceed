import { type BodyWriter, CallScope } from '@inferflow/transport';
import type { Caller } from './caller.js';
import type { CallInfo, CallOptions, EngineMethod } from './engine.js';
import { createRequestError, EngineError } from './errors.js';
import type { RequestDoor } from './request-door.js';

/** A caller that waits for a promise. */
class TranscodedCaller implements Caller {
  readonly scope: CallScope;
  readonly #call: CallInfo;
  readonly #resolve: (answer: Uint8Array) => void;
  readonly #reject: (error: EngineError) => void;
  readonly #onAbort: () => void;

  constructor(call: CallInfo, resolve: (answer: Uint8Array) => void, reject: (error: EngineError) => void) {
    this.scope = new CallScope(call.deadline);
    this.#call = call;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#onAbort = () => this.scope.end(isLate(call) ? 'deadline' : 'cancelled');
    call.signal?.addEventListener('abort', this.#onAbort, { once: true });
  }

  header(name: string): string | undefined {
    return this.#call.header(name);
  }

  headerValues(name: string): readonly string[] {
    return this.#call.headerValues(name);
  }

  respond(body: BodyWriter): void {
    const answer = new Uint8Array(body.byteLength);
    body.write(answer, 0);
    this.#over();
    this.#resolve(answer);
  }

  refuse(error: EngineError): void {
    this.#over();
    this.#reject(error);
  }

  #over(): void {
    this.#call.signal?.removeEventListener('abort', this.#onAbort);
    this.scope.end('done');
  }
}

/** Runs one request given as bytes; the answer's bytes belong to the caller. Rejects with EngineError. */
export function transcode(door: RequestDoor, method: EngineMethod, message: Uint8Array, call: CallInfo): Promise<Uint8Array> {
  // Compared with any time it would never be over, for this call and for those that share theirs with it.
  if (typeof call.deadline !== 'number' || Number.isNaN(call.deadline)) {
    return Promise.reject(new EngineError('INFERFLOW_ENGINE_OPTIONS_INVALID', 'the deadline of a call must be a number of milliseconds'));
  }
  if (call.signal?.aborted === true) {
    if (isLate(call)) {
      const text = 'the deadline of the request had passed when it arrived';
      return Promise.reject(createRequestError('INFERFLOW_ENGINE_DEADLINE_EXCEEDED', text));
    }
    return Promise.reject(createRequestError('INFERFLOW_ENGINE_CANCELLED', 'the call was cancelled before it began'));
  }
  return new Promise((resolve, reject) => door.begin(method, new TranscodedCaller(call, resolve, reject), message));
}

/** Whether the time of a call is up: who aborts it then does so for that reason. Timers of others may be a moment early. */
function isLate({ deadline }: CallInfo): boolean {
  return performance.now() >= deadline - 2;
}

/** An embedder's options as what surrounds a call. */
export function callInfoOf(options: CallOptions = {}): CallInfo {
  const headers = new Map(
    Object.entries(options.headers ?? {}).map(([name, value]) => [name.toLowerCase(), typeof value === 'string' ? [value] : value]),
  );
  return {
    header: (name) => headers.get(name)?.[0],
    headerValues: (name) => headers.get(name) ?? [],
    deadline: options.deadlineMs === undefined ? Number.POSITIVE_INFINITY : performance.now() + options.deadlineMs,
    signal: options.signal,
  };
}
