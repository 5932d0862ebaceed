import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import type { Http2SessionManager } from '@connectrpc/connect-node';
import type { TlsOptions } from './connection.js';

/** Where streams are opened to. */
export interface StreamPeer {
  readonly host: string;
  readonly port: number;
  /** `null` is plaintext. */
  readonly tls: TlsOptions | null;
}

/** Carries the streaming methods of a remote service: connect-node, which is loaded with the first of them, on a connection of its own. */
export class StreamTransport {
  readonly #peer: StreamPeer;
  #transport: Promise<Transport> | null = null;
  #sessions: Http2SessionManager | null = null;
  #isClosed = false;

  constructor(peer: StreamPeer) {
    this.#peer = peer;
  }

  /** Rejects with UNAVAILABLE after `close`. */
  async open(): Promise<Transport> {
    this.#transport ??= this.#make();
    const transport = await this.#transport;
    if (this.#isClosed) throw new ConnectError('the upstream is closed', Code.Unavailable);
    return transport;
  }

  /** Ends its streams and its connection. */
  close(): void {
    this.#isClosed = true;
    this.#sessions?.abort();
  }

  async #make(): Promise<Transport> {
    const { createGrpcTransport, Http2SessionManager } = await import('@connectrpc/connect-node');
    const { host, port, tls } = this.#peer;
    const baseUrl = `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
    this.#sessions = new Http2SessionManager(baseUrl, {}, tls ?? {});
    return createGrpcTransport({ baseUrl, sessionManager: this.#sessions });
  }
}
