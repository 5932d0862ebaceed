import type { Failure, FailureReason } from '@inferflow/components';
import type { Caller } from './caller.js';
import type { EngineMethod } from './engine.js';
import type { EngineLogger } from './engine-options.js';
import type { EngineError, EngineErrorKind } from './errors.js';
import { requestIdOf } from './request-id.js';
import type { RequestRun } from './run/request-run.js';

/** A service that is down fails every request: more lines than these tell nobody more. */
const LINES_PER_SECOND = 50;
const LONGEST_MESSAGE = 300;
/** Where there is no model to ask for its percentage. */
const DEFAULT_PERCENT = 10;

/** What failed outside is told in our words: what a service answers may quote what it was asked. null = the failure's own text. */
const wordsOf: Readonly<Record<FailureReason, string | null>> = {
  deadline: 'no answer in time',
  cancelled: 'cancelled',
  unavailable: 'the service is not available',
  overloaded: 'the service is overloaded, or too many calls to it are open',
  rejected: 'the service or the expression refused the call',
  malformed: null,
  shape: null,
  conversion: null,
  'not-written': null,
  exception: null,
};

/** Level of a refused request; null = no line: the caller left. */
const levelOf: Readonly<Record<EngineErrorKind, 'info' | 'warn' | 'error' | null>> = {
  invalid_argument: 'info',
  failed_precondition: 'warn',
  resource_exhausted: 'warn',
  deadline_exceeded: 'warn',
  unavailable: 'warn',
  cancelled: null,
  internal: 'error',
};

/**
 * Log lines of what fails: one per failed component, one per component some of whose rows failed, one per request that was not answered,
 * each with the request's id. Requests are drawn by their model's `error_logging_percent` (0 = none); defects of this software are logged
 * whatever it says. No line holds a value of a request. Nothing is made for requests without failures.
 */
export class FailureLog {
  readonly #logger: EngineLogger;
  readonly #configHashOf: (modelConfigId: string) => string | undefined;
  readonly #now: () => number;
  #tokens = LINES_PER_SECOND;
  #filledAt: number;
  /** Lines left out since the last one. */
  #suppressed = 0;

  /**
   * @param configHashOf hash of the config that serves a model, for requests that were refused before they had one
   * @param now milliseconds; only differences count
   */
  constructor(
    logger: EngineLogger,
    configHashOf: (modelConfigId: string) => string | undefined = () => undefined,
    now: () => number = () => performance.now(),
  ) {
    this.#logger = logger;
    this.#configHashOf = configHashOf;
    this.#now = now;
    this.#filledAt = now();
  }

  /** A component failed as a whole. */
  componentFailed(run: RequestRun, failure: Failure): void {
    // Nothing is wrong with a component whose request was given up.
    if (failure.reason === 'cancelled') return;
    if (this.#isDrawn(run, failure.reason)) this.#write(run, failure, 0);
  }

  /** The run is answered: components that lost some of their rows. */
  answered(run: RequestRun): void {
    for (let index = 0; index < run.states.length; index++) {
      const faults = run.states[index]?.faults;
      if (faults === undefined || faults.count === 0 || run.failures[index] !== null) continue;
      const failure = faults.failure(0);
      if (!this.#isDrawn(run, failure.reason)) continue;
      let rows = 0;
      for (let fault = 0; fault < faults.count; fault++) rows += faults.to(fault) - faults.from(fault);
      this.#write(run, failure, rows);
    }
  }

  /** A request was refused; `run` null = before it began, and then `percent` of them are drawn. */
  requestFailed(method: EngineMethod, error: EngineError, run: RequestRun | null, caller: Caller | null, percent = DEFAULT_PERCENT): void {
    const level = levelOf[error.kind];
    if (level === null) return;
    if (level !== 'error' && !(run === null ? Math.random() * 100 < percent : this.#isDrawn(run, null))) return;
    if (!this.#mayWrite()) return;
    const modelConfigId = run?.modelConfigId ?? error.modelConfigId;
    const fields = {
      requestId: run?.requestId ?? requestIdOf(caller?.header('x-request-id'), ''),
      modelConfigId,
      configHash: run?.bound.plan.config.hash ?? this.#configHashOf(modelConfigId),
      method,
      component: error.componentName,
      reason: error.code,
      ...(level === 'error' && { err: error.cause ?? error }),
      ...this.#takeSuppressed(),
    };
    this.#logger[level](fields, requestWords[error.kind]);
  }

  #isDrawn(run: RequestRun, reason: FailureReason | null): boolean {
    const percent = run.bound.plan.config.errorLoggingPercent;
    if (percent <= 0) return false;
    // A throw is a defect of the component.
    return reason === 'exception' || run.errorDraw < percent;
  }

  #write(run: RequestRun, failure: Failure, rows: number): void {
    if (!this.#mayWrite()) return;
    const text = wordsOf[failure.reason] ?? failure.message;
    const fields = {
      requestId: run.requestId,
      modelConfigId: run.modelConfigId,
      configHash: run.bound.plan.config.hash,
      method: run.method,
      component: failure.componentName,
      reason: failure.reason,
      ...(failure.grpcCode !== 0 && { grpcCode: failure.grpcCode }),
      ...(rows > 0 && { rows }),
      // Where in the plugin it was thrown: its author has nothing else.
      ...(failure.cause !== undefined && { err: failure.cause }),
      ...this.#takeSuppressed(),
    };
    const message = text.length > LONGEST_MESSAGE ? `${text.slice(0, LONGEST_MESSAGE)}…` : text;
    if (failure.reason === 'exception') this.#logger.error(fields, message);
    else this.#logger.warn(fields, message);
  }

  #mayWrite(): boolean {
    const now = this.#now();
    this.#tokens = Math.min(LINES_PER_SECOND, this.#tokens + ((now - this.#filledAt) * LINES_PER_SECOND) / 1000);
    this.#filledAt = now;
    if (this.#tokens < 1) {
      this.#suppressed++;
      return false;
    }
    this.#tokens--;
    return true;
  }

  #takeSuppressed(): { readonly suppressedLines?: number } {
    if (this.#suppressed === 0) return none;
    const suppressedLines = this.#suppressed;
    this.#suppressed = 0;
    return { suppressedLines };
  }
}

/** The texts of refusals name indices and ids of the request: they go to the caller, not into the log. */
const requestWords: Readonly<Record<EngineErrorKind, string>> = {
  invalid_argument: 'the request was refused: it is not valid',
  failed_precondition: 'the request was refused: its model has no good version',
  resource_exhausted: 'the request was refused: it passes a limit',
  deadline_exceeded: 'the request ran out of time',
  unavailable: 'the request failed',
  cancelled: 'the caller left',
  internal: 'a request failed inside the engine',
};

const none = Object.freeze({});
