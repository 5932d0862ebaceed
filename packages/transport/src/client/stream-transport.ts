import { isIP, type LookupFunction } from 'node:net';
import { Code, ConnectError, type Transport } from '@connectrpc/connect';
import type { Http2SessionManager } from '@connectrpc/connect-node';
import type { TlsOptions } from './connection.js';
import { dial } from './dial.js';
import { lookUp } from './resolver.js';
import type { LookupAll } from './upstream-options.js';

/** Where streams are opened to. */
export interface StreamPeer {
  readonly host: string;
  readonly port: number;
  /** `null` is plaintext. */
  readonly tls: TlsOptions | null;
  /** `null` is the system's. */
  readonly lookup: LookupAll | null;
}

type Sessions = Pick<Http2SessionManager, 'authority' | 'request' | 'notifyResponseByteRead'>;
type ConnectNode = typeof import('@connectrpc/connect-node');

/** Carries the streaming methods of a remote service: connect-node, which is loaded with the first of them, on a connection of its own. */
export class StreamTransport {
  readonly #peer: StreamPeer;
  readonly #baseUrl: string;
  #connectNode: Promise<ConnectNode> | null = null;
  #sessions: Http2SessionManager | null = null;
  readonly #transports = new Map<string, Transport>();
  #isClosed = false;

  constructor(peer: StreamPeer) {
    const { host, port, tls } = peer;
    this.#peer = peer;
    this.#baseUrl = `${tls === null ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${port}`;
  }

  /** The service sees `authority`. Rejects with UNAVAILABLE after `close`. */
  async open(authority: string): Promise<Transport> {
    this.#connectNode ??= import('@connectrpc/connect-node');
    const connectNode = await this.#connectNode;
    if (this.#isClosed) throw new ConnectError('the upstream is closed', Code.Unavailable);
    this.#sessions ??= this.#connect(connectNode);
    const known = this.#transports.get(authority);
    if (known !== undefined) return known;
    const transport = connectNode.createGrpcTransport({ baseUrl: this.#baseUrl, sessionManager: seenAs(authority, this.#sessions) });
    this.#transports.set(authority, transport);
    return transport;
  }

  /** Ends its streams and its connection. */
  close(): void {
    this.#isClosed = true;
    this.#sessions?.abort();
  }

  #connect({ Http2SessionManager }: ConnectNode): Http2SessionManager {
    const { host, port, tls, lookup } = this.#peer;
    const socketSettings = lookup === null ? {} : { lookup: lookupOf(lookup) };
    return new Http2SessionManager(this.#baseUrl, {}, { createConnection: () => dial({ ip: host, port, tls, host }, socketSettings) });
  }
}

/** By itself connect-node names where it is connected to. */
function seenAs(authority: string, sessions: Http2SessionManager): Sessions {
  return {
    authority: sessions.authority,
    request: (method, path, headers, options) => sessions.request(method, path, { ...headers, ':authority': authority }, options),
    notifyResponseByteRead: (stream) => sessions.notifyResponseByteRead(stream),
  };
}

/** A look-up as sockets want it. */
function lookupOf(lookup: LookupAll): LookupFunction {
  return (host, { all }, callback) =>
    lookUp(lookup, host, (addresses) => {
      if (typeof addresses === 'string') return callback(new Error(addresses), []);
      const found = addresses.map((address) => ({ address, family: isIP(address) }));
      const [first] = found;
      if (all === true || first === undefined) callback(null, found);
      else callback(null, first.address, first.family);
    });
}
