import type { DescMessage, DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { Code, ConnectError, type Transport, type UnaryResponse } from '@connectrpc/connect';
import type { CallFailure } from '../failure.js';
import { type CallHead, createCallHead } from '../grpc-head.js';
import { UnaryCall, type Upstream } from './unary-call.js';

type HeaderInit = ConstructorParameters<typeof Headers>[0];

/** Settings of {@link createConnectTransport}. */
export interface ConnectTransportOptions {
  /** The `:authority` the service sees, `host` or `host:port`. */
  authority: string;
  /** Headers of every call, names in lower case. */
  metadata?: readonly (readonly [string, string])[];
  /** For calls that bring no `timeoutMs`. @default none */
  defaultTimeoutMs?: number;
  /** Longer answers fail with RESOURCE_EXHAUSTED. @default 33554432 (32 MiB) */
  maxAnswerBytes?: number;
}

/**
 * A Connect `Transport` over an upstream: any client generated for Connect, at the cost of a plain call. Unary only; streams are refused
 * with UNIMPLEMENTED. Response headers and trailers are not kept: they arrive empty. Answers are decoded from a copy, so `bytes` fields stay valid.
 */
export function createConnectTransport(upstream: Upstream, options: ConnectTransportOptions): Transport {
  const heads = new WeakMap<DescMethodUnary, CallHead>();
  const { authority, metadata = [], defaultTimeoutMs, maxAnswerBytes } = options;
  const headOf = (method: DescMethodUnary, header: HeaderInit): CallHead => {
    const own = header === undefined ? [] : [...new Headers(header)].filter(([name]) => name !== 'user-agent');
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
      const body = toBinary(method.input, create(method.input, input));
      const timeout = timeoutMs ?? defaultTimeoutMs;
      const deadline = timeout === undefined || timeout <= 0 ? Number.POSITIVE_INFINITY : performance.now() + timeout;
      const head = headOf(method, header);
      const message = await new Promise<Uint8Array>((resolve, reject) => {
        const call = new PromiseCall(head, deadline, maxAnswerBytes, body, resolve, reject);
        if (signal !== undefined) call.follow(upstream, signal);
        upstream.start(call);
      });
      return {
        stream: false,
        service: method.parent,
        method,
        header: new Headers(),
        trailer: new Headers(),
        message: fromBinary(method.output, message),
      };
    },
    async stream() {
      throw new ConnectError(
        'this transport carries unary calls only; use the one of @connectrpc/connect-node for streams',
        Code.Unimplemented,
      );
    },
  };
}

class PromiseCall extends UnaryCall {
  readonly #body: Uint8Array;
  readonly #resolve: (message: Uint8Array) => void;
  readonly #reject: (error: unknown) => void;
  #unfollow: (() => void) | null = null;

  constructor(
    head: CallHead,
    deadline: number,
    maxAnswerBytes: number | undefined,
    body: Uint8Array,
    resolve: (message: Uint8Array) => void,
    reject: (error: unknown) => void,
  ) {
    super(head, deadline, maxAnswerBytes);
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
    this.#resolve(message.slice());
  }

  failed(failure: CallFailure): void {
    this.#unfollow?.();
    // Connect numbers its codes as gRPC does.
    this.#reject(new ConnectError(failure.message, failure.code as Code));
  }
}
