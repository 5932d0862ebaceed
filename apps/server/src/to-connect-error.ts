import { create, toBinary } from '@bufbuild/protobuf';
import { anyPack } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError } from '@connectrpc/connect';
import type { EngineError } from '@inferflow/engine';
import { type BadRequest, BadRequestSchema, type ErrorInfo, ErrorInfoSchema, RetryInfoSchema, RpcStatusSchema } from '@inferflow/proto';
import { type GrpcStatus, SharedStatus } from '@inferflow/transport';

/** The domain of our `google.rpc.ErrorInfo`; `reason` is the error's code. */
const errorDomain = 'inferflow';
/** Where the engine has no better idea. */
const usualRetryMs = 50;

/** Which status an error of ours becomes. The only place that decides it. */
function grpcCodeOf(error: EngineError): Code {
  switch (error.kind) {
    case 'invalid_argument':
      return Code.InvalidArgument;
    case 'failed_precondition':
      return Code.FailedPrecondition;
    case 'resource_exhausted':
      return Code.ResourceExhausted;
    case 'deadline_exceeded':
      return Code.DeadlineExceeded;
    case 'unavailable':
      return Code.Unavailable;
    case 'cancelled':
      return Code.Canceled;
    case 'internal':
      return Code.Internal;
    default:
      return assertNever(error.kind);
  }
}

const shared = new WeakMap<EngineError, GrpcStatus>();

/** The fast path's form: code, message and the bytes of a `google.rpc.Status`. An overloaded engine refuses with few errors over and over. */
export function toGrpcStatus(error: EngineError): GrpcStatus {
  if (error.code !== 'INFERFLOW_ENGINE_OVERLOADED') return statusOf(error);
  let status = shared.get(error);
  if (status === undefined) {
    status = new SharedStatus(statusOf(error));
    shared.set(error, status);
  }
  return status;
}

function statusOf(error: EngineError): GrpcStatus {
  const code = grpcCodeOf(error);
  const message = publicMessage(error);
  const details = [anyPack(ErrorInfoSchema, errorInfo(error))];
  if (error.violations.length > 0) details.push(anyPack(BadRequestSchema, badRequest(error)));
  if (!isWorthRetrying(error))
    return { code, message, details: toBinary(RpcStatusSchema, create(RpcStatusSchema, { code, message, details })) };
  details.push(anyPack(RetryInfoSchema, retryInfo(error.retryAfterMs)));
  return {
    code,
    message,
    details: toBinary(RpcStatusSchema, create(RpcStatusSchema, { code, message, details })),
    ...(error.retryAfterMs > 0 && { retryAfterMs: error.retryAfterMs }),
  };
}

/** The form of the generic path: gRPC-Web, Connect, JSON. */
export function toConnectError(error: EngineError): ConnectError {
  const code = grpcCodeOf(error);
  const details: ConstructorParameters<typeof ConnectError>[3] = [{ desc: ErrorInfoSchema, value: errorInfo(error) }];
  if (error.violations.length > 0) details.push({ desc: BadRequestSchema, value: badRequest(error) });
  if (isWorthRetrying(error)) details.push({ desc: RetryInfoSchema, value: retryInfo(error.retryAfterMs) });
  return new ConnectError(publicMessage(error), code, error.retryAfterMs > 0 ? retryAfter(error.retryAfterMs) : undefined, details);
}

/** The generic path's form of a refusal of the listener. */
export function retryLaterError({ code, message, retryAfterMs = 0 }: GrpcStatus): ConnectError {
  const details = [{ desc: RetryInfoSchema, value: retryInfo(retryAfterMs) }];
  return new ConnectError(message, code as Code, retryAfter(retryAfterMs), details);
}

/** The same request may succeed a little later; one that is too large never will. */
function isWorthRetrying({ code, kind }: EngineError): boolean {
  return kind === 'unavailable' || (kind === 'resource_exhausted' && code !== 'INFERFLOW_ENGINE_LIMIT_EXCEEDED');
}

/** Causes are logged, never sent. */
function publicMessage(error: EngineError): string {
  return error.kind === 'internal' ? 'Internal server error' : error.message;
}

function errorInfo(error: EngineError): ErrorInfo {
  return create(ErrorInfoSchema, { reason: error.code, domain: errorDomain });
}

function badRequest(error: EngineError): BadRequest {
  return create(BadRequestSchema, { fieldViolations: error.violations.map(({ field, description }) => ({ field, description })) });
}

/** The header, in whole seconds. */
function retryAfter(ms: number): { readonly 'retry-after': string } {
  return { 'retry-after': String(Math.ceil(ms / 1000)) };
}

function retryInfo(retryAfterMs: number) {
  const ms = Math.ceil(retryAfterMs > 0 ? retryAfterMs : usualRetryMs);
  return create(RetryInfoSchema, { retryDelay: { seconds: BigInt(Math.floor(ms / 1000)), nanos: (ms % 1000) * 1_000_000 } });
}

function assertNever(value: never): never {
  throw new Error(`unhandled kind ${String(value)}`);
}
