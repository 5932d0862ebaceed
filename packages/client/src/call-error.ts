import { Code, ConnectError } from '@connectrpc/connect';
import { BadRequestSchema, ErrorInfoSchema, RetryInfoSchema } from '@inferflow/proto';
import type { CallSubject } from './call.js';
import { ClientError, ClientErrorCode, type Problem } from './errors.js';

/** Makes this package's error from whatever a transport threw. `isAborted`: the caller's own signal fired. */
export function toCallError(thrown: unknown, { method, trackingId }: CallSubject, isAborted: boolean): ClientError {
  if (thrown instanceof ClientError) {
    return thrown;
  }
  const error = ConnectError.from(thrown);
  const details = {
    grpcCode: error.code as number,
    reason: error.findDetails(ErrorInfoSchema)[0]?.reason ?? '',
    retryDelayMs: retryDelayMs(error),
    problems: violations(error),
    trackingId,
    cause: error,
  };
  if (isAborted) {
    return new ClientError(ClientErrorCode.aborted, `${method} was aborted by the caller`, details);
  }
  if (error.code === Code.DeadlineExceeded) {
    // The server's word, or the connection's, says more than a clock that ran out here.
    const word = /^(the operation timed out)?$/.test(error.rawMessage) ? '' : `: ${error.rawMessage}`;
    return new ClientError(ClientErrorCode.deadlineExceeded, `${method} did not answer in time${word}`, details);
  }
  const text = error.rawMessage === '' ? 'no message' : error.rawMessage;
  return new ClientError(ClientErrorCode.callFailed, `${method} failed with ${Code[error.code] ?? error.code}: ${text}`, details);
}

/** What a call rejects with when its own time ran out before the server said anything. */
export function lateError({ method, trackingId }: CallSubject): ClientError {
  return new ClientError(ClientErrorCode.deadlineExceeded, `${method} did not answer in time`, {
    grpcCode: Code.DeadlineExceeded,
    trackingId,
  });
}

function retryDelayMs(error: ConnectError): number | null {
  const delay = error.findDetails(RetryInfoSchema)[0]?.retryDelay;
  return delay === undefined ? null : Number(delay.seconds) * 1000 + delay.nanos / 1e6;
}

function violations(error: ConnectError): Problem[] {
  return error
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations.map((violation) => ({ path: violation.field, message: violation.description })));
}
