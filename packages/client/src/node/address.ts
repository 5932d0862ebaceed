import { isIP, connect as netConnect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import type { Interceptor, Transport } from '@connectrpc/connect';
import { createGrpcTransport, Http2SessionManager } from '@connectrpc/connect-node';
import type { TlsOptions } from './tls-options.js';

/** What every address of a host shares. */
export interface AddressOptions {
  readonly host: string;
  readonly port: number;
  /** null is plaintext. */
  readonly tls: TlsOptions | null;
  readonly maxAnswerBytes: number;
  readonly pingIntervalMs: number;
  readonly interceptors: readonly Interceptor[];
}

/** One IP address of the server with its connection, made when first needed. */
export class Address {
  readonly transport: Transport;
  readonly #sessions: Http2SessionManager;
  /** Until when it is tried only if there is no other, on the performance clock. */
  asideUntil = 0;
  readonly #isTls: boolean;
  #socket: Socket | null = null;
  #calls = 0;
  #isRetired = false;

  constructor(ip: string, options: AddressOptions) {
    const scheme = options.tls === null ? 'http' : 'https';
    const host = isIP(options.host) === 6 ? `[${options.host}]` : options.host;
    const baseUrl = `${scheme}://${host}:${options.port}`;
    this.#isTls = options.tls !== null;
    const createConnection = () => {
      this.#socket = openSocket(ip, options);
      return this.#socket;
    };
    this.#sessions = new Http2SessionManager(baseUrl, { pingIntervalMs: options.pingIntervalMs }, { createConnection });
    this.transport = createGrpcTransport({
      baseUrl,
      sessionManager: this.#sessions,
      // More than a message can have is refused there.
      readMaxBytes: Math.min(options.maxAnswerBytes, 0xffff_ffff),
      interceptors: [...options.interceptors],
    });
  }

  /** True when there is an open connection now. */
  get isConnected(): boolean {
    const state = this.#sessions.state();
    return state === 'open' || state === 'idle';
  }

  /** Why the last connection could not be opened or was lost, or ''. */
  get failure(): string {
    const error = this.#sessions.error();
    return error instanceof Error ? connectFailure(error.message, this.#isTls) : '';
  }

  /** Why a call ended as cancelled that nobody cancelled: its connection is gone. '' when that is not so. */
  get lossText(): string {
    const socket = this.#socket;
    if (socket === null || !(socket.destroyed || socket.readableEnded)) return '';
    if (socket.bytesRead > 0) return 'the connection was lost before the answer came';
    return connectFailure('the connection was closed before HTTP/2 was agreed', this.#isTls);
  }

  /** Opens a connection if there is none. False when that fails. */
  async connect(): Promise<boolean> {
    return (await this.#sessions.connect()) !== 'error';
  }

  /** Counts a call, so that a retired address closes after its last one. */
  async track<Answer>(call: () => Promise<Answer>): Promise<Answer> {
    this.#calls++;
    try {
      return await call();
    } finally {
      this.#calls--;
      this.#closeWhenDone();
    }
  }

  /** No more calls will come: closes when those in flight have ended. */
  retire(): void {
    this.#isRetired = true;
    this.#closeWhenDone();
  }

  /** Closes at once. */
  close(): void {
    this.#sessions.abort();
  }

  #closeWhenDone(): void {
    if (this.#isRetired && this.#calls === 0) {
      this.close();
    }
  }
}

/** What a socket said, in one line, with a hint where it looks as if one side speaks TLS and the other does not. */
function connectFailure(message: string, isTls: boolean): string {
  const text = message.trim().replaceAll(/\s+/g, ' ');
  if (isTls && /wrong version number|packet length too long/.test(text))
    return 'the server does not speak TLS; use plaintext (http://) for it';
  if (!/ECONNRESET|EPIPE|disconnected before secure TLS|closed before/.test(text)) return text;
  return isTls
    ? `${text}; if the server does not speak TLS, use plaintext (http://) for it`
    : `${text}; if the server speaks TLS, use TLS (https://) for it`;
}

function openSocket(ip: string, { host, port, tls }: AddressOptions): Socket {
  if (tls === null) {
    return netConnect({ host: ip, port, noDelay: true });
  }
  const name = tls.servername ?? (isIP(host) === 0 ? host : undefined);
  const socket = tlsConnect({ ...tls, ...(name === undefined ? {} : { servername: name }), host: ip, port, ALPNProtocols: ['h2'] });
  return socket.setNoDelay(true);
}
