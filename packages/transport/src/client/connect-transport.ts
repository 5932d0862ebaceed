import type { DescMessage, DescMethodStreaming, DescMethodUnary, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type StreamResponse, type Transport, type UnaryResponse } from '@connectrpc/connect';
import type { CallFailure } from '../failure.js';
import { type CallHead, createCallHead, metadataProblem } from '../grpc-head.js';
import { isObject, OptionProblems } from '../option-problems.js';
import { parseStatusDetails } from './status-details.js';
import { UnaryCall, type Upstream } from './unary-call.js';

type HeaderInit = ConstructorParameters<typeof Headers>[0];

/** Settings of {@link createConnectTransport}. */
export interface ConnectTransportOptions {
  /** The `:authority` the service sees, `host` or `host:port`. */
  authority: string;
  /** Headers of every call, names in lower case. */
  metadata?: readonly (readonly [string, string])[];
  /** For unary calls that bring no `timeoutMs`. 0 means none. @default 0 */
  defaultTimeoutMs?: number;
  /** Longer answers fail with RESOURCE_EXHAUSTED. @default 33554432 (32 MiB) */
  maxAnswerBytes?: number;
  /**
   * Carries the streaming methods instead of what the upstream has for them: connect-node, on a connection of its own to the same host, port
   * and authority. An upstream in this process has nothing, and refuses them with UNIMPLEMENTED.
   */
  streams?: Transport;
}

/**
 * A Connect `Transport` over an upstream: any client generated for Connect, at the cost of a plain call. Streaming methods
 * are carried by connect-node, see `options.streams`. Headers, trailers and error details arrive as they do over connect-node. Answers are
 * decoded from a copy, so `bytes` fields stay valid. Throws `INFERFLOW_TRANSPORT_OPTIONS_INVALID`.
 */
export function createConnectTransport(upstream: Upstream, options: ConnectTransportOptions): Transport {
  checkOptions(upstream, options);
  const heads = new WeakMap<DescMethodUnary, CallHead>();
  const { authority, metadata = [], defaultTimeoutMs, maxAnswerBytes, streams } = options;
  const headOf = (method: DescMethodUnary, header: HeaderInit): CallHead => {
    const own = header === undefined ? [] : [...new Headers(header)];
    const known = own.length === 0 ? heads.get(method) : undefined;
    if (known !== undefined) return known;
    const head = createCallHead({ path: `/${method.parent.typeName}/${method.name}`, authority, metadata: [...metadata, ...own] });
    if (own.length === 0) heads.set(method, head);
    return head;
  };
  return {
    async unary<I extends DescMessage, O extends DescMessage>(
      method: DescMethodUnary<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeaderInit,
      input: MessageInitShape<I>,
    ): Promise<UnaryResponse<I, O>> {
      if (signal?.aborted === true) throw ConnectError.from(signal.reason, Code.Canceled);
      const body = toBytes(method.input, input);
      const timeout = checkedTimeout(timeoutMs) ?? defaultTimeoutMs;
      const deadline = timeout === undefined || timeout <= 0 ? Number.POSITIVE_INFINITY : performance.now() + timeout;
      const head = headOf(method, header);
      const { message, call } = await new Promise<Answer>((resolve, reject) => {
        const call = new PromiseCall(head, deadline, maxAnswerBytes, body, resolve, reject);
        if (signal !== undefined) call.follow(upstream, signal);
        upstream.start(call);
      });
      return {
        stream: false,
        service: method.parent,
        method,
        header: toHeaders(call.answerHeaders),
        trailer: toHeaders(call.answerTrailers),
        message: fromBytes(method.output, message),
      };
    },
    async stream<I extends DescMessage, O extends DescMessage>(
      method: DescMethodStreaming<I, O>,
      signal: AbortSignal | undefined,
      timeoutMs: number | undefined,
      header: HeaderInit,
      input: AsyncIterable<MessageInitShape<I>>,
      contextValues?: Parameters<Transport['stream']>[5],
    ): Promise<StreamResponse<I, O>> {
      const timeout = streamTimeout(timeoutMs);
      const carrier = streams ?? (await upstream.streams?.(authority));
      if (carrier === undefined)
        throw new ConnectError('this service is in the same process and carries unary calls only', Code.Unimplemented);
      const headers = new Headers(header);
      for (const [name, value] of metadata) headers.append(name, value);
      return await carrier.stream(method, signal, timeout, headers, input, contextValues);
    },
  };
}

/** Throws with every problem at once. What metadata may hold is checked with each head. */
function checkOptions(upstream: Upstream, options: ConnectTransportOptions): void {
  const problems = new OptionProblems('Connect transport');
  const isUpstream = isObject(upstream) && typeof upstream.start === 'function' && typeof upstream.cancel === 'function';
  problems.expect(isUpstream, 'upstream', upstream, 'what createUpstream or createLocalUpstream returns');
  problems.expectOptions(options, 'authority');
  const { authority, metadata, defaultTimeoutMs, maxAnswerBytes, streams } = options;
  const isAuthority = typeof authority === 'string' && /^[\x21-\x7e]+$/.test(authority);
  problems.expect(isAuthority, 'authority', authority, 'host or host:port, as the service sees it');
  const isList = metadata === undefined || Array.isArray(metadata);
  problems.expect(isList, 'metadata', metadata, 'a list of [name, value], both texts');
  for (const [index, field] of isList ? (metadata ?? []).entries() : []) {
    problems.expect(isField(field), `metadata[${index}]`, field, '[name, value], both texts');
    const problem = isField(field) ? metadataProblem(...field) : null;
    if (problem !== null) problems.add(problem);
  }
  if (defaultTimeoutMs !== undefined) problems.atLeast('defaultTimeoutMs', defaultTimeoutMs, 0);
  if (maxAnswerBytes !== undefined) problems.atLeast('maxAnswerBytes', maxAnswerBytes, 0);
  const isTransport = streams === undefined || (isObject(streams) && typeof streams.stream === 'function');
  problems.expect(isTransport, 'streams', streams, 'a Connect transport');
  problems.throwIfAny();
}

function isField(field: unknown): field is readonly [string, string] {
  return Array.isArray(field) && field.length === 2 && typeof field[0] === 'string' && typeof field[1] === 'string';
}

/** What is no number at all would mean that there is no deadline. */
function checkedTimeout(timeoutMs: number | undefined): number | undefined {
  if ((timeoutMs ?? null) !== null && (typeof timeoutMs !== 'number' || Number.isNaN(timeoutMs)))
    throw new ConnectError(`timeoutMs is ${timeoutMs}, expected a number of milliseconds`, Code.InvalidArgument);
  return timeoutMs;
}

/** As connect-node can write it: it takes milliseconds as they are, of which gRPC has eight digits (27 hours). 0 is none. */
function streamTimeout(timeoutMs: number | undefined): number | undefined {
  const timeout = checkedTimeout(timeoutMs);
  if (timeout === undefined || timeout <= 0) return timeout;
  return timeout === Number.POSITIVE_INFINITY ? 0 : Math.min(Math.max(Math.floor(timeout), 1), 99_999_999);
}

function toBytes<I extends DescMessage>(desc: I, input: MessageInitShape<I>): Uint8Array {
  try {
    return toBinary(desc, create(desc, input));
  } catch (error) {
    throw codecError('serialize', error);
  }
}

function fromBytes<O extends DescMessage>(desc: O, message: Uint8Array): MessageShape<O> {
  try {
    return fromBinary(desc, message);
  } catch (error) {
    throw codecError('parse', error);
  }
}

/** In the words of connect-node. */
function codecError(verb: 'serialize' | 'parse', error: unknown): ConnectError {
  const text = error instanceof Error ? error.message : String(error);
  return new ConnectError(`${verb} binary: ${text}`, Code.Internal, undefined, undefined, error);
}

interface Answer {
  readonly message: Uint8Array;
  readonly call: UnaryCall;
}

function toHeaders(fields: readonly string[] | null): Headers {
  const headers = new Headers();
  if (fields !== null)
    for (let i = 0; i < fields.length; i += 2) {
      try {
        headers.append(fields[i]!, fields[i + 1]!);
      } catch {
        // Not a header that this class can hold; a peer may send anything.
      }
    }
  return headers;
}

class PromiseCall extends UnaryCall {
  readonly #body: Uint8Array;
  readonly #resolve: (answer: Answer) => void;
  readonly #reject: (error: unknown) => void;
  #unfollow: (() => void) | null = null;

  constructor(
    head: CallHead,
    deadline: number,
    maxAnswerBytes: number | undefined,
    body: Uint8Array,
    resolve: (answer: Answer) => void,
    reject: (error: unknown) => void,
  ) {
    super(head, deadline, maxAnswerBytes);
    this.wantsMetadata = true;
    this.#body = body;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  get byteLength(): number {
    return this.#body.length;
  }

  /** Ends the call with the signal: a cancelled call is silent, so the promise is settled here. */
  follow(upstream: Upstream, signal: AbortSignal): void {
    const onAbort = () => {
      upstream.cancel(this);
      this.#reject(ConnectError.from(signal.reason, Code.Canceled));
    };
    signal.addEventListener('abort', onAbort, { once: true });
    this.#unfollow = () => signal.removeEventListener('abort', onAbort);
  }

  write(target: Uint8Array, at: number): void {
    target.set(this.#body, at);
  }

  succeeded(message: Uint8Array): void {
    this.#unfollow?.();
    this.#resolve({ message: message.slice(), call: this });
  }

  failed(failure: CallFailure): void {
    this.#unfollow?.();
    const metadata = toHeaders([...(this.answerHeaders ?? []), ...(this.answerTrailers ?? [])]);
    // Connect numbers its codes as gRPC does.
    const error = new ConnectError(failure.message, failure.code as Code, metadata);
    error.details = parseStatusDetails(metadata.get('grpc-status-details-bin')).details;
    this.#reject(error);
  }
}
