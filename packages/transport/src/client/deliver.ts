import type { CallFailure } from '../failure.js';
import type { UnaryCall } from './unary-call.js';

/**
 * The answer or failure that is being handed over: when that began, `performance.now()` clock; 0 = none is. Process state on purpose:
 * what belongs to an answer is done before the next one is handed over.
 */
export const delivery: { since: number } = { since: 0 };

/** When what is being handed over began to be, else now: for the first look at the clock of who takes an answer. */
export function deliveredAt(): number {
  return delivery.since > 0 ? delivery.since : performance.now();
}

/** Hands an answer to the owner. A throw is the owner's mistake: it becomes a process warning and cannot disturb the connection. */
export function deliverAnswer(call: UnaryCall, message: Uint8Array): void {
  delivery.since = performance.now();
  try {
    call.succeeded(message);
  } catch (error) {
    warn(call, 'succeeded', error);
  }
  delivery.since = 0;
}

/** Hands a failure to the owner; see {@link deliverAnswer}. */
export function deliverFailure(call: UnaryCall, failure: CallFailure): void {
  delivery.since = performance.now();
  try {
    call.failed(failure);
  } catch (error) {
    warn(call, 'failed', error);
  }
  delivery.since = 0;
}

function warn(call: UnaryCall, method: string, error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : 'a value that is no error';
  process.emitWarning(`${method}() of a call to ${call.head.path} threw: ${detail}`, { code: 'INFERFLOW_TRANSPORT_CALLBACK' });
}
