import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { parseGrpcTimeout } from '../grpc-head.js';
import { grpcType, protoType } from '../is-grpc-content-type.js';
import { refusalOf } from './admission.js';
import type { HotCallHost } from './hot-call.js';
import { NodeCall, refusedOn, refuseStream } from './node-call.js';
import type { HotMethod } from './server-call.js';
import { SessionGuard } from './session-guard.js';

/** The hot method a stream is for; `undefined` for everything that must go to the listener untouched. */
export function hotMethodOf(host: HotCallHost, headers: IncomingHttpHeaders): HotMethod | undefined {
  const contentType = headers['content-type'];
  if (contentType !== grpcType && contentType !== protoType) return undefined;
  if (headers[':method'] !== 'POST') return undefined;
  const encoding = headers['grpc-encoding'];
  if (encoding !== undefined && encoding !== 'identity') return undefined;
  return host.options.hot.get(headers[':path'] ?? '');
}

/** Starts a hot call, or refuses it before a byte of its message is looked at. */
export function acceptHot(
  host: HotCallHost,
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
  const contentLength = Number(headers['content-length'] ?? 0);
  const refusal = refusalOf(host, method, { timeoutMs, contentLength, headers: () => headers, recent: guard?.recent ?? null }, now);
  if (refusal === null) {
    new NodeCall(host, method, stream, rawHeaders, now + timeoutMs, now);
    return;
  }
  refusedOn(stream, guard);
  host.options.onRefused?.(refusal.reason, method.path);
  refuseStream(stream, refusal.status);
}
