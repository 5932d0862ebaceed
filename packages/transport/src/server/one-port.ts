import http from 'node:http';
import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';
import { TransportError } from '../errors.js';
import { CallerConnection, createElsewhere, type Elsewhere } from './caller-connection.js';
import { guardListener } from './cold-requests.js';
import type { HotCallHost } from './hot-call.js';
import { acceptHot, hotMethodOf } from './hot-methods.js';
import type { OnePort, OnePortListener, OnePortOptions } from './one-port-options.js';
import { keepStreamsYoung } from './open-streams.js';
import { refuseHttp1 } from './refuse-http1.js';
import { refuseMismatch } from './refuse-mismatch.js';
import { type ResolvedOnePortOptions, resolveOnePortOptions } from './resolve-one-port-options.js';
import { ServerLoad } from './server-load.js';
import { SessionGuard } from './session-guard.js';
import { type SniffedProtocol, sniff } from './sniff.js';

const streamWindow = 1024 * 1024;
const drainPollMs = 20;

/** Node also hands over the raw headers, which its type leaves out. */
type StreamListener = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, flags: number) => void;

/**
 * One port for everything: HTTP/1.1 and HTTP/2 are told apart by the first bytes (by ALPN over TLS), hot methods are served on the core
 * stream API, everything else goes to the listener. Throws `INFERFLOW_TRANSPORT_OPTIONS_INVALID`.
 */
export function createOnePort(options: OnePortOptions): OnePort {
  return new OnePortServer(resolveOnePortOptions(options));
}

class OnePortServer implements OnePort, HotCallHost {
  readonly options: ResolvedOnePortOptions;
  readonly load: ServerLoad = new ServerLoad();
  readonly #server: net.Server;
  readonly #h1: http.Server;
  readonly #h2: http2.Http2Server;
  /** Never listens: turns streams into requests for the listener. */
  readonly #compat: http2.Http2Server;
  readonly #sockets = new Set<net.Socket>();
  /** Connections that have asked for nothing yet. */
  readonly #silent = new Set<net.Socket>();
  readonly #elsewhere: Elsewhere;
  /** What has to be told to leave. */
  readonly #guards = new Set<{ leave(): void }>();
  #isDraining = false;

  constructor(options: ResolvedOnePortOptions) {
    this.options = options;
    const listener = guardListener(options, this.load, () => this.#isDraining);
    this.#h1 = createHttp1(options, listener);
    this.#h1.on('request', ({ socket }) => this.#silent.delete(socket));
    this.#compat = http2.createServer(listener as Parameters<typeof http2.createServer>[1]);
    this.#h2 = createHttp2(options);
    this.#elsewhere = createElsewhere(options.elsewhere);
    this.#h2.on('session', (session) => this.#sessionOpened(session));
    this.#h2.on('stream', this.#streamOpened.bind(this) as StreamListener);
    this.#h2.on('sessionError', () => {});
    this.#server = this.#createServer();
    if (options.maxConnections > 0) this.#server.maxConnections = options.maxConnections;
    this.#server.on('drop', () => options.onRefused?.('connections', ''));
  }

  get inFlight(): number {
    return this.load.hotInFlight + this.load.coldInFlight;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  async listen(port: number, host?: string): Promise<{ port: number }> {
    const server = this.#server;
    await new Promise<void>((resolve, reject) => {
      const onError = (error: NodeJS.ErrnoException) => {
        const where = `${host ?? '*'}:${port}`;
        reject(new TransportError('INFERFLOW_TRANSPORT_LISTEN', `cannot listen on ${where}: ${listenProblem(error)}`, error));
      };
      server.once('error', onError);
      try {
        server.listen(port, host, 4096, () => {
          server.off('error', onError);
          server.on('error', (error) => this.options.onSession?.({ kind: 'error', message: error.message }));
          resolve();
        });
      } catch (error) {
        // Of a port that is none Node tells at once.
        server.emit('error', error);
      }
    });
    const address = server.address();
    return { port: address !== null && typeof address === 'object' ? address.port : port };
  }

  async drain(graceMs: number): Promise<void> {
    if (!this.#isDraining) {
      this.#isDraining = true;
      this.#server.close();
      for (const guard of this.#guards) guard.leave();
    }
    const until = performance.now() + graceMs;
    while (this.#sockets.size > 0 && performance.now() < until) {
      for (const socket of this.#silent) if (!hasBegun(socket)) socket.destroy();
      this.#h1.closeIdleConnections();
      await new Promise((resolve) => setTimeout(resolve, Math.min(drainPollMs, graceMs)));
    }
    this.close();
  }

  close(): void {
    this.#isDraining = true;
    this.#server.close();
    this.#h1.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Every socket is looked at first: one that speaks TLS to a plaintext port, or the reverse, is told so instead of being cut off. */
  #createServer(): net.Server {
    const { handshakeTimeoutMs, onRefused, tls: settings } = this.options;
    const secure = settings === null ? null : this.#createTls(settings);
    return net.createServer({ noDelay: true, keepAlive: true, keepAliveInitialDelay: 30_000 }, (socket) => {
      this.#track(socket);
      this.#silent.add(socket);
      sniff(socket, handshakeTimeoutMs, {
        onTimeout: () => onRefused?.('handshake-timeout', ''),
        onProtocol: (protocol) => {
          if ((protocol === 'tls') !== (secure !== null)) this.#mismatch(socket, protocol);
          else if (secure === null) this.#hand(socket, protocol === 'h2' ? 'h2' : 'h1');
          else {
            this.#silent.delete(socket);
            secure.emit('connection', socket);
          }
        },
      });
    });
  }

  #mismatch(socket: net.Socket, protocol: SniffedProtocol): void {
    this.#silent.delete(socket);
    this.options.onRefused?.('tls-mismatch', '');
    this.options.onSession?.({ kind: 'mismatch', client: protocol === 'tls' ? 'tls' : 'plaintext' });
    refuseMismatch(socket, protocol);
  }

  /** Never listens: is handed sockets whose first byte is TLS. */
  #createTls(settings: NonNullable<ResolvedOnePortOptions['tls']>): tls.Server {
    const server = tls.createServer({
      ALPNProtocols: ['h2', 'http/1.1'],
      cert: settings.cert,
      key: settings.key,
      handshakeTimeout: this.options.handshakeTimeoutMs,
      ...(settings.ca !== undefined && { ca: settings.ca }),
      ...(settings.requestCert === true && { requestCert: true, rejectUnauthorized: true }),
    } as tls.TlsOptions);
    server.on('secureConnection', (socket) => {
      socket.on('error', () => socket.destroy());
      this.#hand(socket, socket.alpnProtocol === 'h2' ? 'h2' : 'h1');
    });
    server.on('tlsClientError', (error: NodeJS.ErrnoException, socket) => {
      if (error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') this.options.onRefused?.('handshake-timeout', '');
      this.options.onSession?.({ kind: 'error', message: error.message });
      // Node does so after an error, but not when the time is up.
      socket.destroy();
    });
    return server;
  }

  #track(socket: net.Socket): void {
    this.#sockets.add(socket);
    socket.on('error', () => socket.destroy());
    socket.once('close', () => {
      this.#sockets.delete(socket);
      this.#silent.delete(socket);
    });
  }

  #hand(socket: net.Socket, protocol: 'h1' | 'h2'): void {
    this.#silent.delete(socket);
    if (protocol === 'h2') {
      if (this.options.http2 === 'lean') this.#callerConnected(socket);
      else this.#h2.emit('connection', socket);
      return;
    }
    const { onSession } = this.options;
    if (onSession !== null) {
      onSession({ kind: 'opened', protocol: 'h1' });
      socket.once('close', () => onSession({ kind: 'closed', protocol: 'h1' }));
    }
    // Over plaintext bytes of a request have come already. Node counts a connection as idle only after its first request.
    if (this.options.tls !== null) {
      this.#silent.add(socket);
      socket.once('close', () => this.#silent.delete(socket));
    }
    this.#h1.emit('connection', socket);
  }

  #callerConnected(socket: net.Socket): void {
    const caller = new CallerConnection(socket, this, this.#elsewhere);
    this.#guards.add(caller);
    socket.once('close', () => this.#guards.delete(caller));
    if (this.#isDraining) caller.leave();
  }

  #sessionOpened(session: http2.ServerHttp2Session): void {
    keepStreamsYoung(session);
    const guard = new SessionGuard(session, this.options);
    this.#guards.add(guard);
    session.once('close', () => this.#guards.delete(guard));
    if (this.#isDraining) guard.leave();
  }

  #streamOpened(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, flags: number, rawHeaders: string[]): void {
    const method = hotMethodOf(this, headers);
    if (method !== undefined) {
      acceptHot(this, method, stream, headers, rawHeaders);
      return;
    }
    const guard = SessionGuard.of(stream.session as http2.ServerHttp2Session | undefined);
    if (guard !== undefined) {
      guard.streamOpened();
      stream.once('close', () => guard.streamClosed(stream.rstCode !== 0));
    }
    stream.on('error', () => {});
    this.#compat.emit('stream', stream, headers, flags, rawHeaders);
  }
}

/** Whether there are bytes of a first request; of a connection over TLS these are those that were encrypted. */
function hasBegun(socket: net.Socket): boolean {
  return socket instanceof tls.TLSSocket && socket.bytesRead > 0;
}

/** Node's own text names the address once more, and in a process of a cluster as `null`. */
function listenProblem({ code, message }: NodeJS.ErrnoException): string {
  if (code === 'ERR_SOCKET_BAD_PORT') return 'a port is a number from 0 to 65535';
  if (code === 'EADDRINUSE') return 'the port is in use (EADDRINUSE)';
  return code === 'EACCES' ? 'this port needs privileges (EACCES)' : message;
}

function createHttp1(options: ResolvedOnePortOptions, listener: OnePortListener): http.Server {
  const { handshakeTimeoutMs, receiveTimeoutMs } = options;
  const server = http.createServer(
    {
      headersTimeout: handshakeTimeoutMs,
      requestTimeout: Math.max(receiveTimeoutMs, handshakeTimeoutMs),
      keepAliveTimeout: options.idleTimeoutMs,
      connectionsCheckingInterval: Math.min(handshakeTimeoutMs, 5000),
    },
    listener as http.RequestListener,
  );
  // Node starts the watch over slow headers when a server begins to listen; this one is handed its sockets instead.
  server.emit('listening');
  server.on('clientError', refuseHttp1);
  return server;
}

function createHttp2(options: ResolvedOnePortOptions): http2.Http2Server {
  const settings: http2.ServerOptions & { streamResetBurst: number; streamResetRate: number } = {
    settings: {
      maxConcurrentStreams: options.maxConcurrentStreams,
      initialWindowSize: streamWindow,
      enablePush: false,
      maxHeaderListSize: 65_536,
    },
    maxSessionMemory: Math.ceil(options.maxUnsentBytesPerConnection / 1_000_000) + 64,
    // A client may overshoot the stream limit before it has seen it.
    maxSessionRejectedStreams: 10_000,
    // Callers cancel at their deadlines. Known to Node from 22.11 on; before, about 1000 resets in a burst end the session.
    streamResetBurst: 20_000,
    streamResetRate: 2000,
  };
  return http2.createServer(settings);
}
