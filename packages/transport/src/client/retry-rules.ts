import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { CallFate } from './connection.js';
import { RetryBudget } from './retry-budget.js';
import type { UnaryCall } from './unary-call.js';
import type { UpstreamEvent } from './upstream-options.js';

const leastRetryMs = 1;
/**
 * What the peer did not process may be started again as long as the call has time: a proxy that renews its connections may refuse one
 * many times. This ends calls without a deadline.
 */
const mostReplays = 300;
const mostPauseMs = 250;
const never = -1;

/** Which calls that failed are started again, and when. Retry is decided here alone. */
export class RetryRules {
  readonly #budget: RetryBudget;
  readonly #onEvent: ((event: UpstreamEvent) => void) | null;

  /** @param ratio retries per call of what the peer may have processed */
  constructor(ratio: number, onEvent: ((event: UpstreamEvent) => void) | null) {
    this.#budget = new RetryBudget(ratio);
    this.#onEvent = onEvent;
  }

  /** A call was started. */
  earn(): void {
    this.#budget.earn();
  }

  /**
   * Milliseconds until the call is to be started again, negative when it has failed. What the peer did not process is repeated as if nothing
   * had happened; what was UNAVAILABLE once, if that is wanted and the budget allows it.
   */
  pauseMs(call: UnaryCall, failure: CallFailure, fate: CallFate, mayRetry: boolean): number {
    if (isTooLate(call)) return never;
    if ((fate === CallFate.UNPROCESSED || fate === CallFate.REFUSED) && call.replays < mostReplays) {
      call.replays++;
      this.#onEvent?.({ kind: 'retry', wasProcessed: false });
      return fate === CallFate.REFUSED ? pauseAfterRefusal(call) : 0;
    }
    if (failure.code !== GrpcCode.UNAVAILABLE || !mayRetry || call.retries > 0) return never;
    if (!this.#budget.take()) {
      this.#onEvent?.({ kind: 'retry-refused' });
      return never;
    }
    call.retries++;
    this.#onEvent?.({ kind: 'retry', wasProcessed: true });
    return 0;
  }
}

/** What a call failed with in the end: who was not answered when the time was up was too late, whatever became of the connection then. */
export function lastFailure(call: UnaryCall, failure: CallFailure, fate: CallFate): CallFailure {
  if (fate === CallFate.ANSWERED || !isTooLate(call)) return failure;
  const text = 'the deadline of the call passed before an answer came';
  return createFailure('deadline', GrpcCode.DEADLINE_EXCEEDED, `${text}; in the end: ${failure.message}`);
}

function isTooLate(call: UnaryCall): boolean {
  return call.deadline - performance.now() < leastRetryMs;
}

/** The first refusal is chance; from the second on the peer is given 1, 2, 4 … 250 ms, ±20 %, but half of what time is left at most. */
function pauseAfterRefusal({ replays, deadline }: UnaryCall): number {
  if (replays < 2) return 0;
  const pauseMs = Math.min(2 ** (replays - 2), mostPauseMs) * (0.8 + Math.random() * 0.4);
  return Math.min(pauseMs, (deadline - performance.now()) / 2);
}
