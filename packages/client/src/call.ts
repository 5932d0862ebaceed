import { Code } from '@connectrpc/connect';
import { lateError, toCallError } from './call-error.js';
import { checkHeaders, checkTimeout, type RequestHeaders, type ResolvedClientOptions } from './client-options.js';
import { ClientError, ClientErrorCode, type Problem } from './errors.js';
import { LONGEST_TIMER_MS } from './longest-timer.js';

/** Settings of one call; what is left out comes from the client. */
export interface CallOptions {
  /** Time for the call with all its attempts, in milliseconds. */
  readonly timeoutMs?: number;
  /**
   * What the server is told of that time, in milliseconds. Less than `timeoutMs` lets the server's own answer (scores with row errors, or
   * why there are none) arrive before the client gives up; null tells nothing, so that the model's or the server's own deadline holds.
   * @default all that is left of `timeoutMs`
   */
  readonly deadlineMs?: number | null;
  /** Aborts the call. */
  readonly signal?: AbortSignal;
  /** Sent beside the client's headers; the same name replaces the client's. */
  readonly headers?: RequestHeaders;
}

/** Adds everything wrong with a call's settings to `problems`. */
export function checkCallOptions(options: CallOptions, problems: Problem[]): void {
  if (options.timeoutMs !== undefined) {
    checkTimeout(options.timeoutMs, 'timeoutMs', problems);
  }
  if (options.deadlineMs !== undefined && options.deadlineMs !== null) {
    checkTimeout(options.deadlineMs, 'deadlineMs', problems);
  }
  checkHeaders(options.headers ?? {}, 'headers', problems);
}

/** What one call is about, for its errors and its report. */
export interface CallSubject {
  readonly method: string;
  readonly modelConfigId: string;
  readonly trackingId: string;
}

/** One attempt: how the transport is asked. */
export type Attempt<Answer> = (options: { headers: Headers; timeoutMs?: number; signal: AbortSignal }) => Promise<Answer>;

const RETRY_BASE_MS = 5;

/** Runs the calls of one client: headers, deadline, retries, reports, and the count that `close` waits for. */
export class CallRunner {
  readonly #options: ResolvedClientOptions;
  readonly #inFlight = new Set<AbortController>();
  #closing: Promise<void> | null = null;
  #idle: () => void = () => undefined;

  constructor(options: ResolvedClientOptions) {
    this.#options = options;
  }

  /** @throws ClientError, and nothing else */
  async run<Answer>(subject: CallSubject, options: CallOptions, attempt: Attempt<Answer>): Promise<Answer> {
    if (this.#closing !== null) {
      throw new ClientError(ClientErrorCode.closed, 'the client is closed', { trackingId: subject.trackingId });
    }
    const started = performance.now();
    const callTimeoutMs = options.timeoutMs ?? this.#options.timeoutMs;
    const deadline = started + callTimeoutMs;
    // One controller per call, unlinked when it ends: a signal that lives long gathers nothing.
    const controller = new AbortController();
    const { signal } = controller;
    const abort = () => controller.abort(options.signal?.reason);
    if (options.signal?.aborted === true) {
      abort();
    }
    options.signal?.addEventListener('abort', abort);
    this.#inFlight.add(controller);
    const { deadlineMs } = options;
    // Transports know one time for both sides: where the server is told another, the client's is kept here.
    const timer = deadlineMs === undefined ? undefined : setTimeout(() => controller.abort(lateError(subject)), callTimeoutMs);
    let attempts = 0;
    let grpcCode = 0;
    try {
      for (;;) {
        attempts++;
        try {
          const headers = this.#headers(options);
          if (deadlineMs === undefined) return await attempt({ headers, timeoutMs: wholeMs(deadline - performance.now()), signal });
          if (deadlineMs !== null) setDeadline(headers, wholeMs(started + deadlineMs - performance.now()));
          return await attempt({ headers, signal });
        } catch (thrown) {
          const error = toCallError(
            signal.reason instanceof ClientError ? signal.reason : thrown,
            subject,
            options.signal?.aborted === true,
          );
          const delayMs = Math.max(RETRY_BASE_MS * 2 ** (attempts - 1) * (0.5 + Math.random()), error.retryDelayMs ?? 0);
          const isWorthwhile = attempts <= this.#options.retries && performance.now() + delayMs < deadline;
          if (error.grpcCode !== Code.Unavailable || !isWorthwhile || signal.aborted) {
            grpcCode = error.grpcCode ?? Code.Unknown;
            throw error;
          }
          await wait(delayMs, signal);
        }
      }
    } finally {
      clearTimeout(timer);
      options.signal?.removeEventListener('abort', abort);
      this.#inFlight.delete(controller);
      if (this.#inFlight.size === 0) {
        this.#idle();
      }
      this.#report({ ...subject, durationMs: performance.now() - started, grpcCode, attempts });
    }
  }

  /** Refuses new calls, waits up to `graceMs` for those in flight, aborts the rest, then releases the transport. */
  close(graceMs: number): Promise<void> {
    this.#closing ??= this.#drain(graceMs);
    return this.#closing;
  }

  async #drain(graceMs: number): Promise<void> {
    if (this.#inFlight.size > 0) {
      const idle = new Promise<void>((resolve) => {
        this.#idle = resolve;
      });
      const abortAll = () => {
        for (const controller of this.#inFlight) {
          controller.abort(new ClientError(ClientErrorCode.closed, 'the client was closed before the answer came'));
        }
      };
      const timer = setTimeout(abortAll, Math.min(graceMs, LONGEST_TIMER_MS));
      await idle;
      clearTimeout(timer);
    }
    await this.#options.onClose();
  }

  #headers(options: CallOptions): Headers {
    const headers = new Headers();
    if (this.#options.callerId !== '') headers.set('inferflow-caller-id', this.#options.callerId);
    if (this.#options.authToken !== '') headers.set('inferflow-auth-token', this.#options.authToken);
    for (const set of [this.#options.headers, options.headers ?? {}]) {
      for (const [name, values] of Object.entries(set)) {
        headers.delete(name);
        for (const value of typeof values === 'string' ? [values] : values) {
          headers.append(name, value);
        }
      }
    }
    return headers;
  }

  #report(report: Parameters<ResolvedClientOptions['onCall']>[0]): void {
    try {
      this.#options.onCall(report);
    } catch {
      // A broken metrics hook must not break scoring.
    }
  }
}

/** Whole milliseconds: some transports put the number in a header. */
function wholeMs(milliseconds: number): number {
  return Math.max(1, Math.round(milliseconds));
}

/** In the words of each protocol; gRPC has eight digits for it. */
function setDeadline(headers: Headers, milliseconds: number): void {
  headers.set('grpc-timeout', `${Math.min(milliseconds, 99_999_999)}m`);
  headers.set('connect-timeout-ms', String(milliseconds));
}

function wait(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener('abort', done);
  });
}
