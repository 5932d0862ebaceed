import type { IncomingHttpHeaders } from 'node:http';
import { GrpcCode } from '../grpc-code.js';
import { type GrpcStatus, SharedStatus } from '../grpc-status.js';
import { badTimeout } from '../request-frame.js';
import type { HotCallHost } from './hot-call.js';
import type { RefusalReason } from './one-port-options.js';
import type { RecentRefusal } from './recent-refusal.js';
import { reportBroken } from './report-broken.js';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';
import { retryLater } from './retry-later.js';
import type { HotMethod } from './server-call.js';

/** When a caller that was refused for want of room may come again. */
export const busyRetryMs = 100;
/** A call with no more time than this can count on no server: there is no sense in telling it to come again. */
const hopelessMs = 2;

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
  /** Of its connection. */
  readonly recent: RecentRefusal | null;
}

/** Why a hot call is refused before a byte of its message is looked at; `null` when it is taken. */
export function refusalOf(host: HotCallHost, method: HotMethod, request: CallerRequest, now: number): Refusal | null {
  const { options, load } = host;
  const { timeoutMs, contentLength } = request;
  const denied = options.unauthorized === null ? null : denialOf(options, method, request);
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
  const full = noRoom(host);
  if (full !== null) {
    method.refusedForRoom?.(now);
    return full;
  }
  if (timeoutMs <= 0) return deadlineRefusal;
  if (timeoutMs <= load.lagMs(now)) return timeoutMs <= hopelessMs ? deadlineRefusal : lagRefusal;
  const repeated = request.recent?.of(timeoutMs, now) ?? null;
  return repeated !== null && load.isSaturated(now) && method.sharesRefusals?.(now) === true ? repeated : null;
}

/** Who cannot be checked is not let in. */
function denialOf(options: ResolvedOnePortOptions, method: HotMethod, request: CallerRequest): GrpcStatus | null {
  try {
    return options.unauthorized?.(request.headers()) ?? null;
  } catch (error) {
    reportBroken(options, error, method.path);
    return { code: GrpcCode.INTERNAL, message: 'the caller could not be checked' };
  }
}

function noRoom({ options, load }: HotCallHost): Refusal | null {
  if (load.hotInFlight >= options.maxInFlight) return inFlightRefusal(options.maxInFlight);
  return load.heldBytes >= options.maxHeldBytes ? heldBytesRefusal : null;
}

// These are sent when there is least time for them, so they are made once.

/** The server holds too much already. */
export const heldBytesRefusal: Refusal = {
  reason: 'held-bytes',
  status: retryLater(GrpcCode.RESOURCE_EXHAUSTED, 'the server holds as many request and answer bytes as it may', busyRetryMs),
};

const deadlineRefusal: Refusal = {
  reason: 'deadline',
  status: new SharedStatus({ code: GrpcCode.DEADLINE_EXCEEDED, message: 'the deadline of the call had passed before its turn came' }),
};

const lagRefusal: Refusal = {
  reason: 'deadline',
  status: retryLater(
    GrpcCode.RESOURCE_EXHAUSTED,
    'the deadline of the call is shorter than the time that calls wait for at present',
    busyRetryMs,
  ),
};

const inFlightRefusals = new Map<number, Refusal>();

function inFlightRefusal(most: number): Refusal {
  let refusal = inFlightRefusals.get(most);
  if (refusal === undefined) {
    const status = retryLater(GrpcCode.RESOURCE_EXHAUSTED, `the server works on ${most} calls, the most it takes`, busyRetryMs);
    refusal = { reason: 'in-flight', status };
    inFlightRefusals.set(most, refusal);
  }
  return refusal;
}
