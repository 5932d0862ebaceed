import { Code, ConnectError, type ConnectRouter } from '@connectrpc/connect';
import { errorToJsonBytes } from '@connectrpc/connect/protocol-connect';
import { setTrailerStatus, trailerParse, trailerSerialize } from '@connectrpc/connect/protocol-grpc-web';
import { EngineError, type Violation } from '@inferflow/engine';
import { badTimeout, encodeGrpcMessage, RequestFrameScan, RequestProblem, tooLargeRequest, unnamedCompression } from '@inferflow/transport';
import type { Compression } from './bounded-compressions.js';
import { holdRequestBytes } from './held-bytes.js';
import { jsonProblems } from './json-problems.js';
import { toConnectError } from './to-connect-error.js';

type Handler = ConnectRouter['handlers'][number];
type Request = Parameters<Handler>[0];
type Response = Awaited<ReturnType<Handler>>;

/** Settings of {@link explainRefusals}. */
export interface RefusalOptions {
  /** Largest request, in bytes. */
  readonly maxMessageBytes: number;
  /** Those that the library takes: it inflates a message itself, and tells nobody what came of it. */
  readonly compressions: readonly Compression[];
  /** Told of every request that is not read to its end because the server holds too much. */
  readonly onHeldBytes: () => void;
  /** Told of every request whose bytes are not the message of its method. */
  readonly onMalformed: (path: string) => void;
}

/** How the library says that a body cannot be decompressed. */
const cannotInflate = 'decompression failed';

// The frame of a gRPC-Web body that holds the trailers, and what stands before its bytes.
const trailerFrame = 0x80;
const frameHead = 5;

const acceptedTypes = 'application/json, application/proto, application/grpc, application/grpc-web';

/**
 * Makes what the RPC library refuses by itself as clear as our own refusals: methods and content types that it does not take (it answers
 * without a word), and bytes that are not the request (every unknown or wrong member of JSON with its place; a caller's mistake is never
 * INTERNAL). Bytes that are not the message, or too many, are told as the fast path tells them.
 */
export function explainRefusals(router: ConnectRouter, options: RefusalOptions): void {
  router.handlers.forEach((handler, index) => {
    const { service, method, requestPath, supportedContentType, protocolNames, allowedMethods } = handler;
    router.handlers[index] = Object.assign((request: Request) => answer(handler, request, options), {
      service,
      method,
      requestPath,
      supportedContentType,
      protocolNames,
      allowedMethods,
    });
  });
}

async function answer(handler: Handler, request: Request, options: RefusalOptions): Promise<Response> {
  const type = request.header.get('content-type')?.toLowerCase() ?? '';
  const isJson = isJsonType(type);
  const kept: Uint8Array[] = [];
  const response = await handler({ ...request, body: observed(handler, request, type, kept, options) });
  if (response.status === 405) {
    const message = `${handler.method.name} is a remote procedure: POST it, for example as JSON with the header content-type: application/json`;
    return refusal(405, 'unimplemented', message, { allow: handler.allowedMethods.join(', ') });
  }
  if (response.status === 415) {
    const message = `the content type of a request is one of ${acceptedTypes}; with curl: -H 'content-type: application/json'`;
    return refusal(415, 'invalid_argument', message, { 'accept-post': acceptedTypes });
  }
  if (response.status === 400 && isJson) return explainJson(handler, request, response, kept, options);
  const isRefused = response.status === 400 || response.status === 500 || response.status === 429;
  if (isRefused && (isJson || type.startsWith('application/proto'))) return explainBytes(handler, response, options);
  if (response.body !== undefined && type.startsWith('application/grpc'))
    return { ...response, body: correctingStatus(response.body, response.trailer, handler, options) };
  return response;
}

function refusal(status: number, code: string, message: string, headers: Readonly<Record<string, string>>): Response {
  const body = bytesOf(`${JSON.stringify({ code, message })}\n`);
  return {
    status,
    header: new Headers({ 'content-type': 'application/json', 'content-length': String(body.length), ...headers }),
    body: once(body),
  };
}

/** The body as the library is to see it. */
function observed(handler: Handler, request: Request, type: string, kept: Uint8Array[], options: RefusalOptions): Request['body'] {
  if (!isStream(request.body)) return request.body;
  const body = holding(request.body, isJsonType(type) ? 2 : 1, request.contextValues, options);
  if (isJsonType(type)) return keeping(body, kept);
  const { methodKind } = handler.method;
  const isOne = methodKind === 'unary' || methodKind === 'server_streaming';
  return isOne && type.startsWith('application/grpc') ? checkingFrame(body, handler, options) : body;
}

/** The library reads all that it is sent. `copies` of it: its own, and {@link keeping}'s. */
async function* holding(
  body: AsyncIterable<Uint8Array>,
  copies: number,
  values: Request['contextValues'],
  { onHeldBytes }: RefusalOptions,
): AsyncIterable<Uint8Array> {
  for await (const chunk of body) {
    if (values !== undefined) holdRequestBytes(values, copies * chunk.length, onHeldBytes);
    yield chunk;
  }
}

/** The library takes some bodies that are not one message for one, and has its own words and codes for others. */
async function* checkingFrame(
  body: AsyncIterable<Uint8Array>,
  { requestPath }: Handler,
  { maxMessageBytes, onMalformed }: RefusalOptions,
): AsyncIterable<Uint8Array> {
  const scan = new RequestFrameScan(maxMessageBytes);
  const check = (problem: string | null): void => {
    if (problem === null) return;
    onMalformed(requestPath);
    throw toConnectError(malformedRequest(problem));
  };
  for await (const chunk of body) {
    check(scan.push(chunk));
    yield chunk;
  }
  check(scan.end());
}

/** The chunks of the body stay at hand until the answer is there; they are read a second time only when it is a refusal. */
async function* keeping(body: AsyncIterable<Uint8Array>, kept: Uint8Array[]): AsyncIterable<Uint8Array> {
  for await (const chunk of body) {
    kept.push(chunk);
    yield chunk;
  }
}

function isJsonType(type: string): boolean {
  return type.startsWith('application/json');
}

function isStream(body: unknown): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && body !== null && Symbol.asyncIterator in body;
}

async function explainJson(
  handler: Handler,
  request: Request,
  response: Response,
  kept: readonly Uint8Array[],
  options: RefusalOptions,
): Promise<Response> {
  const body = await readAll(response.body);
  const same = { ...response, body: once(body) };
  // What the engine refused has its details, and what the library says about headers has nothing to do with the body.
  if (response.header?.has('content-encoding') === true || !isDecodeError(body)) return same;
  options.onMalformed(handler.requestPath);
  const malformed = jsonError(handler, await inflated(Buffer.concat(kept), request.header.get('content-encoding'), options));
  return errorResponse(response, toConnectError(malformed ?? otherwise(errorIn(body)?.message ?? '')));
}

async function explainBytes(handler: Handler, response: Response, options: RefusalOptions): Promise<Response> {
  const body = await readAll(response.body);
  const said = errorIn(body);
  const error = said === null ? null : explained(said.message, handler, options);
  return error === null ? { ...response, body: once(body) } : errorResponse(response, error);
}

/** What the library said about the bytes of a message in our words; null for everything else. */
function explained(said: string, { method, requestPath }: Handler, options: RefusalOptions): ConnectError | null {
  const size = /^message (?:size (\d+) )?is larger than configured readMaxBytes/.exec(said);
  if (size !== null) {
    const bytes = size[1] === undefined ? null : Number(size[1]);
    return new ConnectError(tooLargeRequest(bytes, requestPath, options.maxMessageBytes), Code.ResourceExhausted);
  }
  if (said.startsWith('protocol error: invalid grpc timeout')) return new ConnectError(badTimeout.message, Code.InvalidArgument);
  if (said.startsWith('received compressed envelope, but')) {
    options.onMalformed(requestPath);
    return new ConnectError(unnamedCompression.message, Code.Internal);
  }
  const isDamaged = said === cannotInflate;
  if (!isDamaged && !said.startsWith('parse binary')) return null;
  options.onMalformed(requestPath);
  if (isDamaged) return toConnectError(damaged());
  const description = `the message is not a valid ${method.input.name}`;
  return toConnectError(malformedRequest(description, [{ field: '', description }]));
}

function errorResponse(response: Response, error: ConnectError): Response {
  const body = errorToJsonBytes(error, undefined);
  const header = new Headers(response.header);
  header.set('content-length', String(body.length));
  return { ...response, status: error.code === Code.ResourceExhausted ? 429 : 400, header, body: once(body) };
}

function jsonError({ method }: Handler, body: Uint8Array | null): EngineError | null {
  if (body === null) return null;
  let json: unknown;
  try {
    json = JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.length).toString());
  } catch (error) {
    // The runtime quotes the text; its place is enough.
    const reason = (error as Error).message.replace(/, (\.{3})?".*" is not valid JSON$/s, '');
    return malformedRequest(body.length === 0 ? 'the request has no body' : `the request is not JSON: ${reason}`);
  }
  const violations = jsonProblems(method.input, json);
  const [first] = violations;
  return first === undefined
    ? null
    : malformedRequest(first.field === '.' ? first.description : `${first.field}: ${first.description}`, violations);
}

/** The bytes are not what they should be. */
export function malformedRequest(message: string, violations: readonly Violation[] = []): EngineError {
  return new EngineError('INFERFLOW_ENGINE_MALFORMED_REQUEST', message, { violations });
}

/** What the library alone finds, such as a member that is there twice. */
function otherwise(message: string): EngineError {
  return message === cannotInflate ? damaged() : malformedRequest(message.replace(/^cannot decode (message|field) \S+ from JSON: /, ''));
}

/** The library takes a compressed body that ends too early for a fault of its own. */
function damaged(): EngineError {
  return malformedRequest(RequestProblem.DAMAGED);
}

function isDecodeError(body: Uint8Array): boolean {
  const said = errorIn(body);
  return said !== null && said.details === undefined && !said.message.startsWith('protocol error');
}

function errorIn(body: Uint8Array): { readonly message: string; readonly details?: unknown } | null {
  try {
    const { message = '', details } = JSON.parse(Buffer.from(body).toString()) as { message?: string; details?: unknown };
    return { message, details };
  } catch {
    return null;
  }
}

async function inflated(bytes: Uint8Array, encoding: string | null, options: RefusalOptions): Promise<Uint8Array | null> {
  if (encoding === null || encoding === 'identity') return bytes;
  const compression = options.compressions.find(({ name }) => name === encoding);
  return await (compression?.decompress(bytes, options.maxMessageBytes).catch(() => null) ?? null);
}

/** gRPC's status comes last, as trailers or (gRPC-Web) as the last frame of the body. */
async function* correctingStatus(
  body: AsyncIterable<Uint8Array>,
  trailer: Headers | undefined,
  handler: Handler,
  options: RefusalOptions,
): AsyncIterable<Uint8Array> {
  for await (const chunk of body) {
    const inBody = chunk[0] === trailerFrame ? trailerParse(chunk.subarray(frameHead)) : null;
    if (inBody === null || !correctStatus(inBody, handler, options)) {
      yield chunk;
      continue;
    }
    const corrected = trailerSerialize(inBody);
    const head = Buffer.from([trailerFrame, 0, 0, 0, 0]);
    head.writeUInt32BE(corrected.length, 1);
    yield Buffer.concat([head, corrected]);
  }
  if (trailer !== undefined) correctStatus(trailer, handler, options);
}

/** True when there was something to correct. */
function correctStatus(trailer: Headers, handler: Handler, options: RefusalOptions): boolean {
  const said = trailer.get('grpc-message');
  if (said === null) return false;
  const message = decodeURIComponent(said);
  const error = explained(message, handler, options);
  if (error !== null) setTrailerStatus(trailer, error);
  // The library escapes what gRPC leaves as it is, and some clients then show the escapes.
  const text = encodeGrpcMessage(error?.rawMessage ?? message);
  trailer.set('grpc-message', text);
  return error !== null || text !== said;
}

async function readAll(body: AsyncIterable<Uint8Array> | undefined): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  if (body !== undefined) for await (const chunk of body) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* once(chunk: Uint8Array): AsyncIterable<Uint8Array> {
  yield chunk;
}

function bytesOf(text: string): Uint8Array {
  return Buffer.from(text);
}
