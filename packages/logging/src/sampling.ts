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

/** Decides which requests are logged. */
export class LogSampling {
  readonly #rules: AlwaysLogRules;
  readonly #random: () => number;

  constructor(rules: AlwaysLogRules = {}, random: () => number = Math.random) {
    this.#rules = rules;
    this.#random = random;
  }

  /**
   * `RetrieveModelScore` logs the same users all day; the Predict methods choose each request by itself. Requests without tracking id
   * are never logged: their records could not be told apart.
   */
  wants(model: LoggedModel, request: LoggedRequest): boolean {
    if (request.trackingId === '' || request.rowCount === 0) return false;
    const percent = model.response.loggingPercent;
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
