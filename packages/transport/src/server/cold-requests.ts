import { constants, type Http2ServerRequest, type Http2ServerResponse, type ServerHttp2Stream } from 'node:http2';
import { grpcType } from '../is-grpc-content-type.js';
import type { OnePortListener } from './one-port-options.js';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';
import type { ServerLoad } from './server-load.js';
import { SessionGuard } from './session-guard.js';

/** How often an answered stream whose caller goes on sending is looked at, and how often before it is cut off. */
const answeredLookMs = 50;
const answeredLooks = 10;

const unbounded = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Wraps the listener of everything that is no hot method: bounds it, counts it, and keeps stream errors from ending the process. */
export function guardListener(options: ResolvedOnePortOptions, load: ServerLoad, isDraining: () => boolean): OnePortListener {
  const largest = Math.max(0, ...[...options.hot.values()].map(({ maxMessageBytes }) => maxMessageBytes));
  return (request, response) => {
    // An aborted request emits an error that nobody may be listening for; whoever reads it learns of it through its own listeners.
    request.on('error', () => {});
    response.on('error', () => {});
    load.coldInFlight++;
    response.once('close', () => {
      load.coldInFlight--;
    });
    if ('shouldKeepAlive' in response) {
      if (isDraining()) response.shouldKeepAlive = false;
      // Answered before it has arrived: closing then would reset the connection under a caller who is still sending, answer and all.
      else if (Number(request.headers['content-length']) > largest) response.shouldKeepAlive = true;
    }
    if ('stream' in request) boundRequest(request, response as Http2ServerResponse, options);
    if (load.coldInFlight <= options.maxColdInFlight || unbounded.has(request.method ?? '')) options.listener(request, response);
    else {
      options.onRefused?.('in-flight', 'other');
      refuse(request.headers['content-type'] ?? '', response as unknown as PlainResponse);
      request.resume();
    }
  };
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
    const guard = SessionGuard.of(stream.session as Parameters<typeof SessionGuard.of>[0]);
    stream.close(constants.NGHTTP2_CANCEL);
    guard?.streamReset(stream);
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
    response.writeHead(200, { 'content-type': contentType, 'grpc-status': '8', 'grpc-message': message });
    response.end();
  } else {
    response.writeHead(429, { 'content-type': 'application/json' });
    response.end(JSON.stringify({ code: 'resource_exhausted', message }));
  }
}
