import { GrpcCode } from './grpc-code.js';

/** Why a call, a component or a row has no result. A closed set: it is a metric label. */
export type FailureReason =
  | 'deadline'
  | 'cancelled'
  | 'unavailable'
  | 'overloaded'
  | 'rejected'
  | 'malformed'
  | 'shape'
  | 'conversion'
  | 'not-written'
  | 'exception';

/** How a call failed. A value, not an `Error`: what a peer sends must not buy stack traces. */
export interface CallFailure {
  readonly reason: FailureReason;
  /** The gRPC status code, 1–16. */
  readonly code: number;
  /** For logs and row errors; holds no request values. */
  readonly message: string;
}

/** Makes a failure. All failures have one object shape. */
export function createFailure(reason: FailureReason, code: number, message: string): CallFailure {
  return { reason, code, message };
}

/** The reason for a status that the peer itself answered with. */
export function failureReasonOf(code: number): FailureReason {
  switch (code) {
    case GrpcCode.UNAVAILABLE:
      return 'unavailable';
    case GrpcCode.DEADLINE_EXCEEDED:
      return 'deadline';
    case GrpcCode.CANCELLED:
      return 'cancelled';
    case GrpcCode.RESOURCE_EXHAUSTED:
      return 'overloaded';
    default:
      return 'rejected';
  }
}
