import { type CallFailure, type FailureReason, GrpcCode } from '@inferflow/transport';

export type { FailureReason } from '@inferflow/transport';

/** Why a component, or some of its rows, has no result. A value, not an `Error`; its text holds no request values. */
export interface Failure {
  /** Closed set; a metric label. */
  readonly reason: FailureReason;
  /** One sentence for row errors and logs. */
  readonly message: string;
  /** The gRPC status behind it; 0 when no call was involved. */
  readonly grpcCode: number;
  readonly componentName: string;
  /** What was thrown, for logs; never sent to a caller. */
  readonly cause?: unknown;
}

/** Makes a failure. All failures have one object shape. */
export function createFailure(reason: FailureReason, message: string, componentName: string, grpcCode = 0, cause?: unknown): Failure {
  return { reason, message, grpcCode, componentName, cause };
}

/** A call's failure as the failure of the component that made it. */
export function failureOfCall(failure: CallFailure, service: string, componentName: string): Failure {
  // Some failures begin with the name of the service already.
  const message = failure.message.startsWith(service) ? failure.message : `${service}: ${failure.message}`;
  return { reason: failure.reason, message, grpcCode: failure.code, componentName, cause: undefined };
}

/** The failure of a component that ran out of time before its call could be started. */
export function outOfTime(service: string, componentName: string): Failure {
  return createFailure('deadline', `${service}: no time was left for the call`, componentName, GrpcCode.DEADLINE_EXCEEDED);
}

/** The failure of a component whose own deadline passed while a call that it shares with others goes on. */
export function deadlinePassed(service: string, componentName: string): Failure {
  const message = `${service}: the deadline of the call passed before an answer came`;
  return createFailure('deadline', message, componentName, GrpcCode.DEADLINE_EXCEEDED);
}

const reasons: ReadonlySet<unknown> = new Set<FailureReason>([
  'deadline',
  'cancelled',
  'unavailable',
  'overloaded',
  'rejected',
  'malformed',
  'shape',
  'conversion',
  'not-written',
  'exception',
]);

/** What a component gave as its failure. Its code may be plain JavaScript: anything else than a failure with a known reason becomes one. */
export function asFailure(given: unknown, componentName: string): Failure {
  const { reason, message, grpcCode } = (typeof given === 'object' && given !== null ? given : {}) as Partial<Failure>;
  if (reasons.has(reason) && typeof message === 'string' && typeof grpcCode === 'number') return given as Failure;
  const text = typeof message === 'string' ? message : typeof given === 'string' ? given : 'the component failed and did not say why';
  return createFailure('exception', text, componentName, GrpcCode.INTERNAL, given);
}
