import type { CallFailure } from '../failure.js';
import type { UnaryCall } from './unary-call.js';

/**
 * One HTTP/2 connection to one address. `upstream.ts` knows connections only through this interface, so another implementation can
 * stand beside the one on `node:http2`.
 */
export interface Connection {
  /** True from the peer's SETTINGS until it drains or closes: calls may be started. */
  readonly isReady: boolean;
  /** Calls in progress. */
  readonly openStreams: number;
  /** Calls the peer allows at once. */
  readonly maxStreams: number;
  /**
   * Starts a call; allowed while `isReady` and `openStreams < maxStreams`. The end is reported to the owner, never inside `start`.
   * False when the connection turned out to be closing, a failure when the peer does not take such a call: nothing was sent. Throws only
   * what `call.write` throws, before anything is sent.
   */
  start(call: UnaryCall): boolean | CallFailure;
  /** Resets the call's stream with CANCEL and forgets the call. */
  cancel(call: UnaryCall, isDeadline: boolean): void;
  /** Takes no new calls, lets open ones end, then closes. */
  drain(): void;
  /** Closes at once; open calls end with the failure given. */
  destroy(failure: CallFailure): void;
}

/** What became of a call on a connection. */
export const CallFate = {
  /** The peer answered with a status other than OK, or with something that is no answer. */
  ANSWERED: 0,
  /** The call was sent and then lost: it may have been processed. */
  LOST: 1,
  /** The call was not processed, as the end of its connection proves: above the last stream of a GOAWAY, or never sent. */
  UNPROCESSED: 2,
  /** The peer refused the stream unprocessed, and keeps the connection. */
  REFUSED: 3,
} as const;
export type CallFate = (typeof CallFate)[keyof typeof CallFate];

/** Who owns a connection: told of everything that happens on it. No method may throw. */
export interface ConnectionOwner {
  /** Calls can be started. Called at most once. */
  connectionReady(connection: Connection): void;
  /** A stream ended or the peer changed its limits: more calls may fit. */
  connectionFreed(connection: Connection): void;
  /** The peer said goodbye; open calls go on, new ones need another connection. */
  connectionDraining(connection: Connection): void;
  /** The connection is gone; every call on it was reported before. Called exactly once. `wasReady` tells a lost connection from one that never came up. */
  connectionClosed(connection: Connection, failure: CallFailure, wasReady: boolean): void;
  callSucceeded(connection: Connection, call: UnaryCall, message: Uint8Array): void;
  /** `mayRetry` is false when the peer asked not to be retried. */
  callFailed(connection: Connection, call: UnaryCall, failure: CallFailure, fate: CallFate, mayRetry: boolean): void;
  /** A deadline passed and the peer had been silent since the call was sent. */
  callUnheard(connection: Connection): void;
}

/** Where and how to connect. */
export interface ConnectionTarget {
  readonly ip: string;
  readonly port: number;
  /** `null` is plaintext. */
  readonly tls: TlsOptions | null;
  /** The name certificates are checked against unless `tls.servername` says otherwise. */
  readonly host: string;
  readonly connectTimeoutMs: number;
  readonly keepaliveMs: number;
  readonly keepaliveTimeoutMs: number;
}

/** Opens a connection; the outcome is reported to the owner, never inside the function. */
export type ConnectionFactory = (target: ConnectionTarget, owner: ConnectionOwner) => Connection;

/** TLS towards a peer. Certificates are verified unless that is switched off. */
export interface TlsOptions {
  /** Certificates to trust instead of the system's, PEM. */
  ca?: string | Buffer;
  /** Client certificate, PEM. */
  cert?: string | Buffer;
  /** Key of the client certificate, PEM. */
  key?: string | Buffer;
  /** Name to check the certificate against. @default the upstream's host, without a dot at its end */
  servername?: string;
  /** @default true */
  rejectUnauthorized?: boolean;
}
