import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { connectNodeAdapter } from '@connectrpc/connect-node';
import type { SchemaBook } from '@inferflow/logging';
import { Inferflow, Predict } from '@inferflow/proto';
import type { Readiness } from './health.js';
import { answerSchema, isSchemaPath } from './log-schema-route.js';

/** What plain HTTP serves. */
export interface HttpRoutesOptions {
  /** What `GET /` says this is. */
  /** `schema`: where a caller finds the types. */
  readonly about: { readonly name: string; readonly version: string; readonly schema: string };
  readonly readiness: Readiness;
  /** What `/metrics` answers. */
  readonly metrics: { readonly contentType: string; parts(): AsyncIterable<string> };
  /** What `/config` answers, as JSON. */
  readonly config: () => string;
  /** Log schemas, for readers of inference logs. */
  readonly schemas: SchemaBook;
  /** Origins whose pages may call; a single `*` means any. */
  readonly corsOrigins: readonly string[];
  /** Whether this caller may see admin paths (`/metrics`, `/config`). */
  readonly mayAdminister: (header: (name: string) => string | undefined) => boolean;
}

/** Headers of gRPC-Web and Connect that a page may send; and those that it may read. */
const allowedHeaders =
  'Content-Type, Connect-Protocol-Version, Connect-Timeout-Ms, Grpc-Timeout, X-Grpc-Web, X-User-Agent, User-Id, App-Version-Code, Inferflow-Caller-Id, Inferflow-Auth-Token';
const exposedHeaders = 'Grpc-Status, Grpc-Message, Grpc-Status-Details-Bin';

/** A request over HTTP/1.1 or HTTP/2. */
export type NodeServerRequest = Parameters<ReturnType<typeof connectNodeAdapter>>[0];
/** Its response. */
export type NodeServerResponse = Parameters<ReturnType<typeof connectNodeAdapter>>[1];

/** Wraps the RPC listener: CORS in front of it, health, metrics and 404 beside it. */
export function createHttpListener(
  options: HttpRoutesOptions,
  rpc: (
    fallback: (request: NodeServerRequest, response: NodeServerResponse) => void,
  ) => (request: NodeServerRequest, response: NodeServerResponse) => void,
): (request: NodeServerRequest, response: NodeServerResponse) => void {
  const handler = rpc((request, response) => servePlain(options, request, response));
  return (request, response) => {
    response.on('error', () => {});
    const origin = headerOf(request, 'origin');
    const isOpen = options.corsOrigins[0] === '*';
    const allowed = origin !== undefined && (isOpen || options.corsOrigins.includes(origin));
    // A cache must not give one origin's answer to another.
    if (!isOpen && options.corsOrigins.length > 0) response.setHeader('Vary', 'Origin');
    if (allowed) {
      response.setHeader('Access-Control-Allow-Origin', isOpen ? '*' : origin);
      response.setHeader('Access-Control-Expose-Headers', exposedHeaders);
    }
    if (request.method === 'OPTIONS' && headerOf(request, 'access-control-request-method') !== undefined) {
      if (allowed) {
        response.setHeader('Access-Control-Allow-Methods', 'POST, GET, OPTIONS');
        // Any other header too: plugins, keys and logs of a model read what callers send.
        const asked = headerOf(request, 'access-control-request-headers') ?? '';
        response.setHeader('Access-Control-Allow-Headers', asked === '' ? allowedHeaders : `${allowedHeaders}, ${asked}`);
        response.appendHeader('Vary', 'Access-Control-Request-Headers');
        response.setHeader('Access-Control-Max-Age', '7200');
      }
      response.writeHead(204);
      response.end();
      return;
    }
    // The RPC library makes an address of these and throws where it cannot: HTTP/1.0 may come without one.
    request.headers.host ??= 'localhost';
    if (!isHost(headerOf(request, ':authority') ?? request.headers.host))
      return answer(response, 400, 'text/plain; charset=utf-8', 'the Host header is not a host\n');
    handler(request, response);
  };
}

function isHost(text: string): boolean {
  return URL.canParse(`http://${text}`);
}

/** What is where, for whoever finds a port and wonders. */
function index({ name, version, schema }: HttpRoutesOptions['about']): string {
  const content = {
    name,
    version,
    rpc: {
      schema,
      post: [Predict, Inferflow].flatMap((service) => service.methods.map((method) => pathOf(service, method))),
    },
    health: ['/health/live', '/health/ready', '/health/self'],
    metrics: '/metrics',
    config: '/config',
    docs: 'docs/guides/call.md of the source',
  };
  return `${JSON.stringify(content, null, 2)}\n`;
}

function pathOf(service: { readonly typeName: string }, method: { readonly name: string }): string {
  return `/${service.typeName}/${method.name}`;
}

function servePlain(options: HttpRoutesOptions, request: NodeServerRequest, response: NodeServerResponse): void {
  const path = (request.url ?? '').split('?', 1)[0];
  switch (path) {
    case '/':
      return answer(response, 200, 'application/json', index(options.about));
    case '/health/self':
      return answer(response, 200, 'text/plain; charset=utf-8', 'true');
    case '/health/live':
      return answer(response, 200, 'application/json', JSON.stringify({ live: true }));
    case '/health/ready': {
      const { ready, reason, config } = options.readiness;
      const detail = { ready, ...(!ready && { reason }), ...(config !== undefined && { config }) };
      return answer(response, ready ? 200 : 503, 'application/json', JSON.stringify(detail));
    }
    case '/config':
      if (!options.mayAdminister((name) => headerOf(request, name)))
        return answer(response, 401, 'text/plain; charset=utf-8', 'caller id and token required\n');
      return answer(response, 200, 'application/json', options.config());
    case '/metrics':
      if (!options.mayAdminister((name) => headerOf(request, name)))
        return answer(response, 401, 'text/plain; charset=utf-8', 'caller id and token required\n');
      return void answerMetrics(options.metrics, response);
    default:
      if (headerOf(request, 'content-type')?.startsWith('application/grpc') === true) return answerUnimplemented(request, response);
      if (path !== undefined && isSchemaPath(path)) {
        const { status, body } = answerSchema(options.schemas, path, request.url ?? '');
        return answer(response, status, 'application/json', body);
      }
      return answer(response, 404, 'text/plain; charset=utf-8', 'not found; GET / says what is here\n');
  }
}

function answer(response: NodeServerResponse, status: number, contentType: string, body: string): void {
  response.writeHead(status, { 'content-type': contentType, 'content-length': String(Buffer.byteLength(body)) });
  response.end(body);
}

async function answerMetrics(metrics: HttpRoutesOptions['metrics'], response: NodeServerResponse): Promise<void> {
  const parts = metrics.parts()[Symbol.asyncIterator]();
  let first: IteratorResult<string>;
  try {
    first = await parts.next();
  } catch {
    return answer(response, 503, 'text/plain; charset=utf-8', 'the metrics could not be put together in time\n');
  }
  response.writeHead(200, { 'content-type': metrics.contentType });
  // A scraper that goes away ends it, and a failure cuts the answer off: half of the metrics must not pass for all.
  await pipeline(Readable.from(withFirst(first, parts)), response).catch(() =>
    ('stream' in response ? response.stream : response.socket)?.destroy(),
  );
}

async function* withFirst(first: IteratorResult<string>, rest: AsyncIterator<string>): AsyncGenerator<string> {
  try {
    for (let next = first; next.done !== true; next = await rest.next()) yield next.value;
  } finally {
    await rest.return?.();
  }
}

/** What gRPC clients understand as UNIMPLEMENTED whatever they make of HTTP status codes: an answer of trailers only. */
function answerUnimplemented(request: NodeServerRequest, response: NodeServerResponse): void {
  const headers = { 'content-type': headerOf(request, 'content-type')!, 'grpc-status': '12', 'grpc-message': 'unknown service or method' };
  if ('stream' in response) {
    // The headers end the stream: only then are they trailers.
    if (!response.stream.destroyed) response.stream.respond({ ':status': 200, ...headers }, { endStream: true });
    return;
  }
  response.writeHead(200, headers);
  response.end();
}

function headerOf(request: NodeServerRequest, name: string): string | undefined {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
}
