import type { CallScope } from '../call-scope.js';
import type { BodyWriter } from '../client/unary-call.js';
import type { GrpcStatus } from '../grpc-status.js';

/** One call of a hot method. */
export interface ServerCall {
  /**
   * The request message: contiguous, valid as long as somebody holds it. When the method borrows it ({@link HotMethod.borrowsMessage}), valid
   * until `handle` returns, and empty then.
   */
  readonly message: Uint8Array;
  /** Ends as `deadline` when the caller's time is up, `cancelled` when the caller left, `done` when the call was answered. */
  readonly scope: CallScope;
  /** A request header, name in lower case; the first value when it came more than once. */
  header(name: string): string | undefined;
  /** Every value of a request header, in order. */
  headerValues(name: string): readonly string[];
  /** Answers with OK; writes the body before it returns. Ignored after the call ended. */
  respond(body: BodyWriter): void;
  /** Answers with a status other than OK. Ignored after the call ended. */
  fail(status: GrpcStatus): void;
}

/** A unary gRPC method that is served without a framework. */
export interface HotMethod {
  /** `/package.Service/Method`, matched exactly. */
  readonly path: string;
  /** A longer message is refused with RESOURCE_EXHAUSTED while it arrives. */
  readonly maxMessageBytes: number;
  /**
   * The method copies what it needs of a message for longer than `handle` takes: the bytes are then valid only until it returns. They lie in
   * what was read, or, when they came in several pieces or on `node:http2`, in a buffer that is used again: so a call that is refused, which
   * is most of them under overload, leaves no garbage of its message's size.
   * @default false
   */
  readonly borrowsMessage?: boolean;
  /** Must call `respond` or `fail` once, now or later. A throw is answered with INTERNAL. */
  handle(call: ServerCall): void;
  /** Told of a call that was refused before it was whole because the server holds as much as it may. `now` on the `performance.now()` clock, here and below. */
  refusedForRoom?(now: number): void;
  /**
   * Whether a `SharedStatus` with which a call fails inside `handle` is one for the next calls of its connection, too, whatever they ask for:
   * while the process is busy all the time they are told it unread.
   * @default never
   */
  sharesRefusals?(now: number): boolean;
}
