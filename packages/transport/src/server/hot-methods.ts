import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { GrpcCode } from '../grpc-code.js';
import { parseGrpcTimeout } from '../grpc-head.js';
import type { GrpcStatus } from '../grpc-status.js';
import { NodeCall, type NodeCallHost, refuseStream } from './node-call.js';
import type { RefusalReason } from './one-port-options.js';
import { retryLater } from './retry-later.js';
import type { HotMethod } from './server-call.js';
import { SessionGuard } from './session-guard.js';

/** When a caller that was refused for want of room may come again. */
const busyRetryMs = 100;

interface Refusal {
  readonly reason: RefusalReason;
  readonly status: GrpcStatus;
}

/** The hot method a stream is for; `undefined` for everything that must go to the listener untouched. */
export function hotMethodOf(host: NodeCallHost, headers: IncomingHttpHeaders): HotMethod | undefined {
  const contentType = headers['content-type'];
  if (contentType !== 'application/grpc' && contentType !== 'application/grpc+proto') return undefined;
  if (headers[':method'] !== 'POST') return undefined;
  const encoding = headers['grpc-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return undefined;
  return host.options.hot.get(headers[':path'] ?? '');
}

/** Starts a hot call, or refuses it before a byte of its message is looked at. */
export function acceptHot(
  host: NodeCallHost,
  method: HotMethod,
  stream: ServerHttp2Stream,
  headers: IncomingHttpHeaders,
  rawHeaders: readonly string[],
): void {
  const now = performance.now();
  host.load.arrived(now);
  const guard = SessionGuard.of(stream.session as Parameters<typeof SessionGuard.of>[0]);
  guard?.streamOpened();
  const timeoutMs = parseGrpcTimeout(headers['grpc-timeout'] as string | undefined);
  const refusal = refusalOf(host, method, headers, timeoutMs, now);
  if (refusal === null) {
    new NodeCall(host, method, stream, rawHeaders, now + timeoutMs, now);
    return;
  }
  stream.on('error', () => {});
  stream.once('close', () => guard?.streamClosed(stream.rstCode !== 0));
  host.options.onRefused?.(refusal.reason, method.path);
  refuseStream(stream, refusal.status);
}

function refusalOf(host: NodeCallHost, method: HotMethod, headers: IncomingHttpHeaders, timeoutMs: number, now: number): Refusal | null {
  const { options, load } = host;
  const denied = options.unauthorized?.(headers) ?? null;
  if (denied !== null) return { reason: 'unauthorized', status: denied };
  if (Number.isNaN(timeoutMs))
    return {
      reason: 'malformed',
      status: { code: GrpcCode.INVALID_ARGUMENT, message: 'grpc-timeout is not of the form digits and one of H M S m u n' },
    };
  const length = Number(headers['content-length'] ?? 0);
  if (length > method.maxMessageBytes + 5)
    return {
      reason: 'message-size',
      status: {
        code: GrpcCode.RESOURCE_EXHAUSTED,
        message: `the request has ${length} bytes, the limit of ${method.path} is ${method.maxMessageBytes}`,
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
