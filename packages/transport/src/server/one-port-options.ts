import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { Http2ServerRequest, Http2ServerResponse } from 'node:http2';
import type { GrpcStatus } from '../grpc-status.js';
import type { HotMethod } from './server-call.js';

/** TLS of the listener, PEM. With `ca` and `requestCert` callers must show a certificate. */
export interface ServerTls {
  cert: string | Buffer;
  key: string | Buffer;
  ca?: string | Buffer;
  /** @default false */
  requestCert?: boolean;
}

/** Serves everything that is no hot method: HTTP/1.1 and HTTP/2 requests in Node's compatibility form, as `connectNodeAdapter` takes them. */
export type OnePortListener = (
  request: IncomingMessage | Http2ServerRequest,
  response: (ServerResponse & { req: IncomingMessage }) | Http2ServerResponse,
) => void;

/** Why a call or a connection was refused. A closed set: it is a metric label. */
export type RefusalReason =
  | 'in-flight'
  | 'held-bytes'
  | 'message-size'
  | 'deadline'
  /** A call of the same connection has just been told that its turn would come too late. */
  | 'too-late'
  | 'malformed'
  | 'unauthorized'
  | 'connections'
  | 'handshake-timeout'
  | 'tls-mismatch'
  | 'receive-timeout'
  | 'slow-reader'
  /** Lean HTTP/2: a header list or block above the limits. */
  | 'headers'
  /** Lean HTTP/2: resets or control frames that bring their sender nothing, too many of them. */
  | 'flood';

/** What happens to connections. */
export type SessionEvent =
  | { readonly kind: 'opened'; readonly protocol: 'h1' | 'h2' }
  | { readonly kind: 'closed'; readonly protocol: 'h1' | 'h2' }
  | { readonly kind: 'aged' }
  /** A client spoke TLS to a plaintext port, or plaintext to a TLS port; it was told and closed. */
  | { readonly kind: 'mismatch'; readonly client: 'tls' | 'plaintext' }
  /** The session ended in error after many resets by its client: on Node before 22.11 at about 1000 in a burst, which cannot be configured. */
  | { readonly kind: 'reset-limit'; readonly resets: number }
  | { readonly kind: 'error'; readonly message: string };

/** A listener for every protocol on one port. Times of more than 22 days, `Infinity` too, count as 22 days. */
export interface OnePortOptions {
  /** Methods served on the core stream API. */
  hot: readonly HotMethod[];
  /** Everything else; with lean HTTP/2, everything of HTTP/1.1. */
  listener: OnePortListener;
  /**
   * `node` is the HTTP/2 of the runtime. `lean` is HTTP/2 written for the hot methods, at a fraction of the CPU: it serves nothing else,
   * other gRPC methods are UNIMPLEMENTED, other requests of HTTP/2 are answered with 415. HTTP/1.1 is Node's either way. @default 'node'
   */
  http2?: 'node' | 'lean';
  /** What lean HTTP/2 says to requests that it does not serve. */
  elsewhere?: string;
  /** Absent is plaintext: HTTP/1.1 and HTTP/2 by prior knowledge. */
  tls?: ServerTls;
  /** Hot calls that were accepted and not answered; more are refused with RESOURCE_EXHAUSTED before they are read. */
  maxInFlight: number;
  /** Other requests in progress, GET and HEAD not counted; more are refused with 429, gRPC ones with RESOURCE_EXHAUSTED. @default maxInFlight */
  maxColdInFlight?: number;
  /** Where the paths begin that have as many places of their own: health is asked for most when there is no other place left. None may hold more than 64 KiB. */
  apart?: string;
  /** Bytes of requests in progress and of answers not yet taken by their callers, at most half of them not of hot calls ({@link holdBytes}); above it new calls are refused. @default 536870912 (512 MiB) */
  maxHeldBytes?: number;
  /** Bytes of answers that one connection has not taken; above it the connection is closed. @default 67108864 (64 MiB) */
  maxUnsentBytesPerConnection?: number;
  /** Open sockets; more are closed at once. 0 means no limit. @default 0 */
  maxConnections?: number;
  /** Streams at once on one connection. @default 1024 */
  maxConcurrentStreams?: number;
  /** A connection is asked to leave after this time, ±10 %. 0 means never. @default 0 */
  maxConnectionAgeMs?: number;
  /** A connection without traffic for this time is closed. 0 means never. @default 600000 */
  idleTimeoutMs?: number;
  /**
   * Time for the first bytes, TLS and the headers of an HTTP/1.1 request. Over lean HTTP/2 also for the caller's greeting, and for the rest
   * of a header block that comes in pieces; the latter is refused as `receive-timeout`. @default 10000
   */
  handshakeTimeoutMs?: number;
  /** Time from the head of a request to its last byte. @default 30000 */
  receiveTimeoutMs?: number;
  /**
   * Time for a caller to take an answer; then its stream is reset. A connection that leaves bytes in its socket, and takes none of them for
   * this time, is closed. @default 30000
   */
  sendTimeoutMs?: number;
  /** Told of every refusal. Must not throw. */
  onRefused?: (reason: RefusalReason, path: string) => void;
  /** Told of connections. Must not throw. */
  onSession?: (event: SessionEvent) => void;
  /** Told when a hot method or `unauthorized` threw; the caller got INTERNAL. Must not throw. @default a process warning */
  onError?: (error: unknown, path: string) => void;
  /** The status of a hot call whose body is not one message. @default INVALID_ARGUMENT with the text */
  malformed?: (message: string) => GrpcStatus;
  /** Checks the headers of a hot call before it is read; a status refuses it, and so does a throw. */
  unauthorized?: (headers: IncomingHttpHeaders) => GrpcStatus | null;
}

/** A listener made by {@link createOnePort}. */
export interface OnePort {
  /** Starts to accept. Port 0 picks a free one. Rejects with `INFERFLOW_TRANSPORT_LISTEN`. */
  listen(port: number, host?: string): Promise<{ port: number }>;
  /** Hot calls accepted and not answered, and other requests in progress. */
  readonly inFlight: number;
  /** Open sockets. */
  readonly connections: number;
  /** Stops accepting, sends GOAWAY, lets requests in flight end for `graceMs`, then closes what is left. */
  drain(graceMs: number): Promise<void>;
  /** Closes everything at once. */
  close(): void;
}
