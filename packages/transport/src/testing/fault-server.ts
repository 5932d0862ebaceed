import http2 from 'node:http2';
import net from 'node:net';
import tls from 'node:tls';

/** What the fault server does with a request whose body it has read. */
export type Behaviour = (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders, message: Buffer, server: FaultServer) => void;

const head = { ':status': 200, 'content-type': 'application/grpc' };

export function frame(message: Uint8Array, flag = 0): Buffer {
  const framed = Buffer.alloc(message.length + 5);
  framed[0] = flag;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, 5);
  return framed;
}

/** Headers, the bytes given, trailers. */
export function answer(
  stream: http2.ServerHttp2Stream,
  body: Uint8Array,
  trailers: http2.OutgoingHttpHeaders = { 'grpc-status': '0' },
  headers = {},
): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ...head, ...headers }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  stream.end(body);
}

/** A trailers-only answer. */
export function refuse(stream: http2.ServerHttp2Stream, status: number, message = ''): void {
  if (stream.destroyed || stream.closed) return;
  stream.respond({ ...head, 'grpc-status': String(status), ...(message !== '' && { 'grpc-message': message }) }, { endStream: true });
}

/** Resets a stream, outside of HTTP/2 events: inside, Node 20 lets nghttp2 use what it has freed. */
export function reset(stream: http2.ServerHttp2Stream, code: number): void {
  setImmediate(() => {
    if (!stream.destroyed) stream.close(code);
  });
}

export const echo: Behaviour = (stream, _headers, message) => answer(stream, frame(message));

/** A gRPC server on `node:http2` that does what a test tells it. */
export class FaultServer {
  behaviour: Behaviour = echo;
  /** Requests whose headers came, and requests whose body was complete. */
  seen = 0;
  complete = 0;
  /** Streams that the client reset, by HTTP/2 code. */
  readonly resets: number[] = [];
  readonly sessions = new Set<http2.ServerHttp2Session>();
  connections = 0;
  readonly #settings: http2.Settings;
  readonly #tlsOptions: tls.TlsOptions | null;
  #server: net.Server | null = null;
  #sockets = new Set<net.Socket>();
  #port = 0;
  readonly #paddingStrategy: number;

  constructor(
    settings: http2.Settings = {},
    tlsOptions: tls.TlsOptions | null = null,
    port = 0,
    paddingStrategy: number = http2.constants.PADDING_STRATEGY_NONE,
  ) {
    this.#port = port;
    this.#paddingStrategy = paddingStrategy;
    this.#settings = settings;
    this.#tlsOptions = tlsOptions;
  }

  get port(): number {
    return this.#port;
  }

  async start(host = '127.0.0.1'): Promise<this> {
    const h2 = http2.createServer({ settings: this.#settings, paddingStrategy: this.#paddingStrategy });
    h2.on('session', (session) => {
      this.sessions.add(session);
      session.on('error', () => {});
      session.once('close', () => this.sessions.delete(session));
    });
    h2.on('stream', (stream, headers) => this.#request(stream, headers));
    h2.on('sessionError', () => {});
    const accept = (socket: net.Socket) => {
      this.connections++;
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.once('close', () => this.#sockets.delete(socket));
      h2.emit('connection', socket);
    };
    const options = this.#tlsOptions;
    const server = options === null ? net.createServer(accept) : tls.createServer({ ALPNProtocols: ['h2'], ...options }, accept);
    server.on('tlsClientError', () => {});
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#port, host, resolve);
    });
    const address = server.address();
    if (address !== null && typeof address === 'object') this.#port = address.port;
    return this;
  }

  /** Resets every connection and stops listening, as `kill -9` would. */
  async kill(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return;
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    this.cut();
    for (const session of this.sessions) session.destroy();
    await closed;
  }

  /** Cuts every connection, keeps listening. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  #request(stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders): void {
    this.seen++;
    const parts: Buffer[] = [];
    stream.on('error', () => {});
    stream.on('data', (chunk: Buffer) => parts.push(chunk));
    stream.once('close', () => {
      if (stream.rstCode !== 0) this.resets.push(stream.rstCode);
    });
    stream.once('end', () => {
      if (stream.aborted) return;
      this.complete++;
      this.behaviour(stream, headers, Buffer.concat(parts).subarray(5), this);
    });
  }
}

/** A TCP server that does what a test tells it with each socket. */
export async function rawServer(onSocket: (socket: net.Socket) => void): Promise<{ port: number; close: () => Promise<void> }> {
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.once('close', () => sockets.delete(socket));
    onSocket(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  return {
    port: address !== null && typeof address === 'object' ? address.port : 0,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}
