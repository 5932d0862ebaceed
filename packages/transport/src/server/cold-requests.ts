import type { IncomingMessage } from 'node:http';
import { constants, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream } from 'node:http2';
import type { Duplex } from 'node:stream';
import { formatGrpcTimeout, parseGrpcTimeout } from '../grpc-head.js';
import { grpcType } from '../is-grpc-content-type.js';
import { busyRetryMs } from './admission.js';
import { HeldRequest } from './held-request.js';
import type { OnePortListener } from './one-port-options.js';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';
import type { ServerLoad } from './server-load.js';
import { SessionGuard } from './session-guard.js';

/** How often an answered stream whose caller goes on sending is looked at, and how often before it is cut off. */
const answeredLookMs = 50;
const answeredLooks = 10;

/** As long as upstreams take their times to be at most. */
const longestTimeoutMs = 20 * 24 * 3600 * 1000;
/** Digits that Connect allows; more of them are refused as ever. */
const longestConnectTimeout = 10;

type Response = Parameters<OnePortListener>[1];

const unbounded = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Wraps the listener of everything that is no hot method: bounds it, counts it, and keeps stream errors from ending the process. */
export function guardListener(options: ResolvedOnePortOptions, load: ServerLoad, isDraining: () => boolean): OnePortListener {
  const largest = Math.max(0, ...[...options.hot.values()].map(({ maxMessageBytes }) => maxMessageBytes));
  return (request, response) => {
    // An aborted request emits an error that nobody may be listening for; whoever reads it learns of it through its own listeners.
    request.on('error', () => {});
    response.on('error', () => {});
    boundTimeouts(request.headers);
    const isApart = options.apart !== null && request.url?.startsWith(options.apart) === true;
    const held = new HeldRequest(request, options, load, isApart);
    load.coldInFlight++;
    if (isApart) load.apartInFlight++;
    response.once('close', () => {
      load.coldInFlight--;
      if (isApart) load.apartInFlight--;
      held.over();
    });
    boundAnswer(request, response, options);
    if ('shouldKeepAlive' in response) {
      if (isDraining()) response.shouldKeepAlive = false;
      // Answered before it has arrived: closing then would reset the connection under a caller who is still sending, answer and all.
      else if (Number(request.headers['content-length']) > largest) response.shouldKeepAlive = true;
    }
    if ('stream' in request) boundRequest(request, response as Http2ServerResponse, options);
    else closeWithConnection(request, response);
    const inFlight = isApart ? load.apartInFlight : load.coldInFlight - load.apartInFlight;
    if (inFlight <= options.maxColdInFlight || unbounded.has(request.method ?? '')) options.listener(request, response);
    else {
      options.onRefused?.('in-flight', 'other');
      refuse(request.headers['content-type'] ?? '', response as unknown as PlainResponse);
      request.resume();
    }
  };
}

/**
 * A caller's time of more than 20 days counts as 20 days: that of the listener may run on a timer, and one of Node's that is asked for more than
 * 2³¹ ms is over at once.
 */
function boundTimeouts(headers: Record<string, string | string[] | undefined>): void {
  const { 'grpc-timeout': grpc, 'connect-timeout-ms': connect } = headers;
  if (typeof grpc === 'string' && parseGrpcTimeout(grpc) > longestTimeoutMs) headers['grpc-timeout'] = formatGrpcTimeout(longestTimeoutMs);
  if (typeof connect === 'string' && Number(connect) > longestTimeoutMs && connect.length <= longestConnectTimeout)
    headers['connect-timeout-ms'] = String(longestTimeoutMs);
}

/** Answers that are not over, by connection of HTTP/1.1. */
const openOn = new WeakMap<Duplex, Set<Response>>();

/** Whether an answer of HTTP/1.1 has begun, but is not over: nothing else may be written then. */
export function isAnswering(socket: Duplex): boolean {
  return [...(openOn.get(socket) ?? [])].some(({ headersSent }) => headersSent);
}

/**
 * Of several requests that a caller of HTTP/1.1 sends without waiting for answers, Node gives the connection to the first, and Node 20 and 22 tell the
 * others nothing when it closes: here their responses close with it, unless Node has closed them by the end of that turn.
 */
function closeWithConnection({ socket }: IncomingMessage, response: Response): void {
  const known = openOn.get(socket);
  const open = known ?? new Set<Response>();
  if (known === undefined) {
    openOn.set(socket, open);
    const closeAll = () => {
      for (const each of open) each.emit('close');
    };
    socket.once('close', () => setImmediate(closeAll));
  }
  open.add(response);
  response.once('close', () => open.delete(response));
}

/**
 * What HTTP/1.1 has in Node's own server: a request of HTTP/2 that does not arrive in time is given up, and so is the rest of one that was
 * answered before it was read. Otherwise a caller could hold places for ever. A stream whose answer has begun may stay open.
 */
function boundRequest(request: Http2ServerRequest, response: Http2ServerResponse, options: ResolvedOnePortOptions): void {
  const { stream } = request;
  const timer = setTimeout(() => {
    if (!isArriving(stream) || response.headersSent) return;
    options.onRefused?.('receive-timeout', 'other');
    resetStream(stream);
  }, options.receiveTimeoutMs);
  timer.unref();
  const stop = () => clearTimeout(timer);
  request.once('end', stop);
  response.once('close', stop);
  stream.once('finish', () => {
    if (!isArriving(stream)) return;
    // Some callers read nothing before they have sent everything: the rest is taken for a while, and dropped.
    request.resume();
    // Trailers are still to come, and the end of what just arrived is not in the state yet: only an answer that has left whole ends the stream.
    let looks = 0;
    const look = setInterval(() => {
      if (isAnswered(stream)) looks++;
      if (looks >= answeredLooks) stream.close(constants.NGHTTP2_NO_ERROR);
      else if (!isArriving(stream)) clearInterval(look);
    }, answeredLookMs);
    look.unref();
    stream.once('close', () => clearInterval(look));
  });
}

/**
 * Ends a request whose caller does not take the answer. One that is still worked on leaves nothing unsent, and neither does an open stream that has
 * nothing to say. Of a socket Node tells when the kernel takes nothing of it any more; of a stream it does not, for it counts what goes out
 * on its neighbours: so an answer has the time that a hot one has.
 */
function boundAnswer(
  request: IncomingMessage | Http2ServerRequest,
  response: Response,
  { sendTimeoutMs, onRefused }: ResolvedOnePortOptions,
): void {
  if (!('stream' in request)) {
    response.setTimeout(sendTimeoutMs, () => {
      if (response.writableLength === 0) return;
      onRefused?.('slow-reader', 'other');
      request.socket.destroy();
    });
    return;
  }
  let wasUnsent = false;
  const look = setInterval(() => {
    const isUnsent = response.writableLength > 0;
    if (wasUnsent && isUnsent) {
      onRefused?.('slow-reader', 'other');
      resetStream(request.stream);
    }
    wasUnsent = isUnsent;
  }, sendTimeoutMs);
  look.unref();
  response.once('close', () => clearInterval(look));
}

function resetStream(stream: ServerHttp2Stream): void {
  const guard = SessionGuard.of(stream.session as Parameters<typeof SessionGuard.of>[0]);
  stream.close(constants.NGHTTP2_CANCEL);
  guard?.streamReset(stream);
}

/** Whether the answer has left, trailers included, while the caller has not ended its side. */
function isAnswered(stream: ServerHttp2Stream): boolean {
  return !stream.destroyed && stream.state?.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL;
}

/** Whether the caller has not ended its side. */
function isArriving(stream: ServerHttp2Stream): boolean {
  const state = stream.destroyed ? undefined : stream.state?.state;
  return state === constants.NGHTTP2_STREAM_STATE_OPEN || state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_LOCAL;
}

/** The part that both kinds of response share; their overloads do not unify. */
interface PlainResponse {
  writeHead(status: number, headers: Record<string, string>): unknown;
  end(body?: string): unknown;
}

function refuse(contentType: string, response: PlainResponse): void {
  const message = 'the server works on as many requests as it takes';
  if (contentType.startsWith(grpcType)) {
    response.writeHead(200, {
      'content-type': contentType,
      'grpc-status': '8',
      'grpc-message': message,
      'grpc-retry-pushback-ms': String(busyRetryMs),
    });
    response.end();
  } else {
    response.writeHead(429, { 'content-type': 'application/json', 'retry-after': String(Math.ceil(busyRetryMs / 1000)) });
    response.end(JSON.stringify({ code: 'resource_exhausted', message }));
  }
}
