import type { LoggedRequest } from './logged-record.js';
import type { LoggedModel } from './schema/logged-model.js';

/** Requests that are logged whatever the sampling says. */
export interface AlwaysLogRules {
  /** A component failed. */
  readonly onError?: boolean;
  /** Some row's score does not rest on real inputs. */
  readonly onDegraded?: boolean;
  /** Requests that took at least this long, in ms. */
  readonly slowerThanMs?: number;
  /** Requests with this header, whatever its value. */
  readonly header?: string;
}

/** What sampling looks at in a model. */
export interface LogSamplingOptions {
  readonly rules?: AlwaysLogRules;
  /** Share of requests. @default `loggingPercent` of the model's response */
  readonly percentOf?: (model: LoggedModel) => number;
  /** Whether requests without tracking id are logged: only where records can be told apart without one. @default false */
  readonly allowsAnonymous?: boolean;
  /** From 0 up to 1. @default Math.random */
  readonly random?: () => number;
}

/** Decides which requests are logged. */
export class LogSampling {
  readonly #rules: AlwaysLogRules;
  readonly #percentOf: (model: LoggedModel) => number;
  readonly #allowsAnonymous: boolean;
  readonly #random: () => number;

  constructor(options: LogSamplingOptions = {}) {
    this.#rules = options.rules ?? {};
    this.#percentOf = options.percentOf ?? (({ response }) => response.loggingPercent);
    this.#allowsAnonymous = options.allowsAnonymous === true;
    this.#random = options.random ?? Math.random;
  }

  /**
   * `RetrieveModelScore` logs the same users all day; the Predict methods choose each request by itself. Requests without tracking id
   * are not logged: their records could not be told apart.
   */
  wants(model: LoggedModel, request: LoggedRequest): boolean {
    if ((request.trackingId === '' && !this.#allowsAnonymous) || request.rowCount === 0) return false;
    const percent = this.#percentOf(model);
    if (percent > 0) {
      if (request.method === 'RetrieveModelScore' ? request.isSampled(percent) : this.#random() * 100 < percent) return true;
    }
    const { onError, onDegraded, slowerThanMs, header } = this.#rules;
    if (onError === true && request.failedComponents > 0) return true;
    if (onDegraded === true && request.faultyRows > 0) return true;
    if (slowerThanMs !== undefined && request.durationMs >= slowerThanMs) return true;
    return header !== undefined && request.header(header) !== undefined;
  }
}
