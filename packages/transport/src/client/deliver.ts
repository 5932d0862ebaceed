import type { CallFailure } from '../failure.js';
import type { UnaryCall } from './unary-call.js';

/** Hands an answer to the owner. A throw is the owner's mistake: it becomes a process warning and cannot disturb the connection. */
export function deliverAnswer(call: UnaryCall, message: Uint8Array): void {
  try {
    call.succeeded(message);
  } catch (error) {
    warn(call, 'succeeded', error);
  }
}

/** Hands a failure to the owner; see {@link deliverAnswer}. */
export function deliverFailure(call: UnaryCall, failure: CallFailure): void {
  try {
    call.failed(failure);
  } catch (error) {
    warn(call, 'failed', error);
  }
}

function warn(call: UnaryCall, method: string, error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : 'a value that is no error';
  process.emitWarning(`${method}() of a call to ${call.head.path} threw: ${detail}`, { code: 'INFERFLOW_TRANSPORT_CALLBACK' });
}
