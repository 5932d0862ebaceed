import type http from 'node:http';
import http2 from 'node:http2';
import { afterEach, beforeEach, describe } from 'vitest';
import { createUpstream } from '../client/upstream.js';
import { deadlines } from '../deadline-queue.js';
import { createOnePort } from '../server/one-port.js';
import type { OnePort, OnePortOptions } from '../server/one-port-options.js';
import type { ServerCall } from '../server/server-call.js';
import { until } from './probe-call.js';

/** The one hot method. */
export const hotPath = '/test.Echo/Echo';

/** An answer that is these bytes. */
export class Bytes {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  get byteLength(): number {
    return this.bytes.length;
  }
  write(target: Uint8Array, at: number): void {
    target.set(this.bytes, at);
  }
}

/** What came back, and the status of gRPC wherever it stood. */
export interface RawAnswer {
  readonly headers: http2.IncomingHttpHeaders;
  readonly trailers: http2.IncomingHttpHeaders;
  readonly body: Buffer;
  readonly status: string | undefined;
  readonly message: string | undefined;
}

/** Servers on one port and their clients for the tests of a file; after each test nothing may be left. */
export class PortWorld {
  /** Of the server that was made last. */
  readonly calls: ServerCall[] = [];
  readonly refusals: string[] = [];
  readonly sessions: string[] = [];
  readonly servers: OnePort[] = [];
  readonly #upstreams: { close(graceMs: number): Promise<void> }[] = [];
  #kind: 'node' | 'lean' = 'node';

  constructor() {
    afterEach(async () => {
      for (const upstream of this.#upstreams.splice(0)) await upstream.close(0);
      for (const server of this.servers.splice(0)) {
        server.close();
        await until(() => server.connections === 0 && server.inFlight === 0, 'closing');
      }
      await until(() => deadlines.size === 0, 'empty deadline queue');
    });
  }

  /** The same of both kinds of HTTP/2. */
  overBoth = (title: string, body: (isLean: boolean) => void): void => {
    describe.each(['node', 'lean'] as const)(`createOnePort: ${title}, %s HTTP/2`, (chosen) => {
      beforeEach(() => {
        this.#kind = chosen;
      });
      body(chosen === 'lean');
    });
  };

  /** First word: what to do. Everything else is echoed. */
  handle = (call: ServerCall): void => {
    this.calls.push(call);
    const [word, argument] = Buffer.from(call.message).toString('latin1').split(' ');
    if (word === 'never') return;
    if (word === 'throw') throw new Error('handler broke');
    if (word === 'fail') call.fail({ code: Number(argument), message: 'Größe 100 %\n', details: Buffer.from([8, 3]) });
    else if (word === 'slow') setTimeout(() => call.respond(new Bytes(call.message)), Number(argument));
    else if (word === 'large') call.respond(new Bytes(Buffer.alloc(Number(argument), 7)));
    else if (word === 'header')
      call.respond(new Bytes(Buffer.from(JSON.stringify([call.header('x-a') ?? null, call.headerValues('x-a')]))));
    else call.respond(new Bytes(call.message));
  };

  serve = async (options: Partial<OnePortOptions> = {}): Promise<number> => {
    this.calls.length = 0;
    this.refusals.length = 0;
    this.sessions.length = 0;
    const server = createOnePort({
      hot: [{ path: hotPath, maxMessageBytes: 1_000_000, handle: this.handle }],
      listener: (request, response) => {
        const plain = response as http.ServerResponse;
        const parts: Buffer[] = [];
        request.on('data', (chunk: Buffer) => parts.push(chunk));
        request.on('end', () => {
          plain.writeHead(200, { 'content-type': 'text/plain' });
          plain.end(`${request.httpVersion} ${request.method} ${request.url} ${Buffer.concat(parts).length}`);
        });
      },
      maxInFlight: 100,
      http2: this.#kind,
      elsewhere: 'not here',
      onRefused: (reason) => this.refusals.push(reason),
      onSession: (event) => this.sessions.push(event.kind),
      onError: () => {},
      ...options,
    });
    this.servers.push(server);
    return (await server.listen(0, '127.0.0.1')).port;
  };

  last = (): OnePort => {
    const server = this.servers.at(-1);
    if (server === undefined) throw new Error('no server');
    return server;
  };

  client = (port: number, options = {}): ReturnType<typeof createUpstream> => {
    const upstream = createUpstream({ name: 'client', host: '127.0.0.1', port, ...options });
    this.#upstreams.push(upstream);
    return upstream;
  };
}

/** One request on a connection of its own, body exactly as given. */
export async function raw(port: number, body: Uint8Array[], headers: http2.OutgoingHttpHeaders = {}, keepOpen = false): Promise<RawAnswer> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  const stream = session.request(
    { ':method': 'POST', ':path': hotPath, 'content-type': 'application/grpc', te: 'trailers', ...headers },
    { endStream: false },
  );
  const parts: Buffer[] = [];
  let head: http2.IncomingHttpHeaders = {};
  let trailers: http2.IncomingHttpHeaders = {};
  stream.on('response', (value) => {
    head = value;
  });
  stream.on('trailers', (value) => {
    trailers = value;
  });
  stream.on('data', (chunk: Buffer) => parts.push(chunk));
  stream.on('error', () => {});
  for (const part of body) stream.write(part);
  if (!keepOpen) stream.end();
  await new Promise<void>((resolve) => stream.once('close', resolve));
  setImmediate(() => session.destroy());
  const pick = (name: string) => (trailers[name] ?? head[name]) as string | undefined;
  return { headers: head, trailers, body: Buffer.concat(parts), status: pick('grpc-status'), message: pick('grpc-message') };
}
