import type { IncomingHttpHeaders } from 'node:http';
import { GrpcCode } from '../grpc-code.js';
import type { GrpcStatus } from '../grpc-status.js';
import { badTimeout } from '../request-frame.js';
import type { HotCallHost } from './hot-call.js';
import type { RefusalReason } from './one-port-options.js';
import { retryLater } from './retry-later.js';
import type { HotMethod } from './server-call.js';

/** When a caller that was refused for want of room may come again. */
const busyRetryMs = 100;

/** Why a call is not taken. */
export interface Refusal {
  readonly reason: RefusalReason;
  readonly status: GrpcStatus;
}

/** What is known of a call before its message is read. */
export interface CallerRequest {
  /** `Infinity` without a deadline, `NaN` when it is malformed. */
  readonly timeoutMs: number;
  /** 0 or less when it is not known. */
  readonly contentLength: number;
  headers(): IncomingHttpHeaders;
}

/** Why a hot call is refused before a byte of its message is looked at; `null` when it is taken. */
export function refusalOf(host: HotCallHost, method: HotMethod, request: CallerRequest, now: number): Refusal | null {
  const { options, load } = host;
  const { timeoutMs, contentLength } = request;
  const denied = options.unauthorized === null ? null : options.unauthorized(request.headers());
  if (denied !== null) return { reason: 'unauthorized', status: denied };
  if (Number.isNaN(timeoutMs)) return { reason: 'malformed', status: badTimeout };
  if (contentLength > method.maxMessageBytes + 5)
    return {
      reason: 'message-size',
      status: {
        code: GrpcCode.RESOURCE_EXHAUSTED,
        message: `the request has ${contentLength} bytes, the limit of ${method.path} is ${method.maxMessageBytes}`,
      },
    };
  if (load.hotInFlight >= options.maxInFlight)
    return {
      reason: 'in-flight',
      status: retryLater(GrpcCode.RESOURCE_EXHAUSTED, `the server works on ${options.maxInFlight} calls, the most it takes`, busyRetryMs),
    };
  if (load.heldBytes >= options.maxHeldBytes)
    return {
      reason: 'held-bytes',
      status: retryLater(GrpcCode.RESOURCE_EXHAUSTED, 'the server holds as many request and answer bytes as it may', busyRetryMs),
    };
  if (timeoutMs <= load.lagMs(now))
    return {
      reason: 'deadline',
      status: {
        code: GrpcCode.DEADLINE_EXCEEDED,
        message: 'the deadline of the call is shorter than the time until it could be looked at',
      },
    };
  return null;
}
