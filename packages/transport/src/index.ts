export { CallScope, type ScopeEnd, type ScopeLink } from './call-scope.js';
export { type ConnectTransportOptions, createConnectTransport } from './client/connect-transport.js';
export type { ConnectionFactory, TlsOptions } from './client/connection.js';
export { type DeliveryGuest, deliveredAt, delivery, joinDelivery, warnOfThrow } from './client/deliver.js';
export { createLocalUpstream, type LocalHandler, type LocalUpstream, type LocalUpstreamOptions } from './client/local-upstream.js';
export { type BodyWriter, defaultMaxAnswerBytes, UnaryCall, type Upstream } from './client/unary-call.js';
export { createUpstream, type GrpcUpstream } from './client/upstream.js';
export type { LookupAll, UpstreamEvent, UpstreamOptions } from './client/upstream-options.js';
export { type DeadlineClock, type DeadlineTimer, longestTimerMs } from './deadline-clock.js';
export { type DeadlineEntry, DeadlineQueue, deadlines } from './deadline-queue.js';
export { GrpcError, TransportError, type TransportErrorCode } from './errors.js';
export { type CallFailure, createFailure, type FailureReason, failureReasonOf } from './failure.js';
export { GrpcCode, grpcCodeName, grpcCodeOfHttpStatus } from './grpc-code.js';
export { type CallHead, type CallHeadOptions, createCallHead, formatGrpcTimeout, parseGrpcTimeout } from './grpc-head.js';
export { decodeGrpcMessage, encodeGrpcMessage, type GrpcStatus, parseGrpcStatus, SharedStatus } from './grpc-status.js';
export { type Flushable, TurnEnd, turnEnd } from './http2/turn-end.js';
export { givesPerLook, IdleList } from './idle-list.js';
export { badTimeout, RequestFrameScan, RequestProblem, tooLargeRequest, unnamedCompression } from './request-frame.js';
export { heldBytesRefusal } from './server/admission.js';
export { holdBytes } from './server/held-request.js';
export { LoopLoad } from './server/loop-load.js';
export { createOnePort } from './server/one-port.js';
export type {
  OnePort,
  OnePortListener,
  OnePortOptions,
  RefusalReason,
  ServerTls,
  SessionEvent,
} from './server/one-port-options.js';
export type { HotMethod, ServerCall } from './server/server-call.js';
export { type Turn, Turns } from './turns.js';
