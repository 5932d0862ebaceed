import type { ServerHttp2Stream } from 'node:http2';
import { messageBuffers } from '../buffer-pool.js';
import { CallScope, type ScopeEnd, type ScopeLink } from '../call-scope.js';
import type { BodyWriter } from '../client/unary-call.js';
import { type DeadlineEntry, deadlines } from '../deadline-queue.js';
import { GrpcCode } from '../grpc-code.js';
import { type GrpcStatus, statusTrailers } from '../grpc-status.js';
import { MessageReader, ReadState } from '../message-reader.js';
import { plainView } from '../plain-view.js';
import type { RefusalReason } from './one-port-options.js';
import type { ResolvedOnePortOptions } from './resolve-one-port-options.js';
import type { HotMethod, ServerCall } from './server-call.js';
import type { ServerLoad } from './server-load.js';
import { SessionGuard } from './session-guard.js';

const firstMessageBytes = 64 * 1024;
const pooledFrom = 16 * 1024;
const nghttp2NoError = 0;
const nghttp2Cancel = 8;

const okHead = Object.freeze({ ':status': 200, 'content-type': 'application/grpc' });
const okProtoHead = Object.freeze({ ':status': 200, 'content-type': 'application/grpc+proto' });
const okTrailers = Object.freeze({ 'grpc-status': '0' });
const withTrailers = Object.freeze({ waitForTrailers: true, sendDate: false });
const withoutBody = Object.freeze({ endStream: true, sendDate: false });

const nothing = new Uint8Array(0);

const callOf: unique symbol = Symbol('inferflow.server-call');

interface CallStream extends ServerHttp2Stream {
  [callOf]: NodeCall;
}

/** What all calls of a server share. */
export interface NodeCallHost {
  readonly options: ResolvedOnePortOptions;
  readonly load: ServerLoad;
}

/**
 * Answers a stream with a status alone. What the client still sends is refused without harm to the connection.
 *
 * The reset waits for the end of the turn: Node 20 sends one with any code but CANCEL at once, also from within the parser's callbacks, and
 * nghttp2 then frees the stream it is about to go on with. Seen as a heap corruption under load; so nothing here resets with other codes, or
 * destroys a session, from inside an HTTP/2 event.
 */
export function refuseStream(stream: ServerHttp2Stream, status: GrpcStatus): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond({ ...okHead, ...statusTrailers(status) }, withoutBody);
  stream.resume();
  if (!stream.readableEnded) setImmediate(stopReceiving, stream);
}

function stopReceiving(stream: ServerHttp2Stream): void {
  if (!stream.destroyed && !stream.closed) stream.close(nghttp2NoError);
}

/**
 * A hot call on a stream of `node:http2`: reads its message, runs its method, writes its answer. It counts as in flight until it is
 * answered, and its bytes as held until the caller has taken the answer. The queue entry is first the time to receive, then the time to send.
 */
export class NodeCall implements ServerCall, DeadlineEntry, ScopeLink {
  readonly scope: CallScope;
  message: Uint8Array = nothing;
  deadlineAt = 0;
  deadlineSlot = -1;
  deadlinePrevious: DeadlineEntry | null = null;
  deadlineNext: DeadlineEntry | null = null;
  scopePrevious: ScopeLink | null = null;
  scopeNext: ScopeLink | null = null;
  readonly #host: NodeCallHost;
  readonly #method: HotMethod;
  readonly #stream: CallStream;
  readonly #rawHeaders: readonly string[];
  readonly #reader: MessageReader;
  readonly #guard: SessionGuard | undefined;
  #heldBytes = 0;
  #unsentBytes = 0;
  #frame: Buffer | null = null;
  #isAnswered = false;

  constructor(
    host: NodeCallHost,
    method: HotMethod,
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
    deadline: number,
    now: number,
  ) {
    this.#host = host;
    this.#method = method;
    this.#stream = stream as CallStream;
    this.#rawHeaders = rawHeaders;
    this.#reader = new MessageReader(method.maxMessageBytes, firstMessageBytes, null);
    this.#guard = SessionGuard.of(stream.session as Parameters<typeof SessionGuard.of>[0]);
    this.scope = new CallScope(deadline);
    this.scope.attach(this);
    this.scope.armDeadline();
    deadlines.add(this, now + host.options.receiveTimeoutMs);
    host.load.hotInFlight++;
    this.#stream[callOf] = this;
    stream.on('data', onData);
    stream.on('end', onEnd);
    stream.on('error', onError);
    stream.on('close', onClose);
  }

  header(name: string): string | undefined {
    const raw = this.#rawHeaders;
    for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) return raw[i + 1];
    return undefined;
  }

  headerValues(name: string): readonly string[] {
    const raw = this.#rawHeaders;
    const values: string[] = [];
    for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) values.push(raw[i + 1] ?? '');
    return values;
  }

  respond(body: BodyWriter): void {
    const stream = this.#stream;
    if (this.#isAnswered || stream.destroyed || stream.closed) return;
    const length = body.byteLength;
    const size = length + 5;
    const frame = size >= pooledFrom ? messageBuffers.take(size) : Buffer.allocUnsafe(size);
    frame[0] = 0;
    frame.writeUInt32BE(length, 1);
    try {
      body.write(plainView(frame), 5);
    } catch (error) {
      if (size >= pooledFrom) messageBuffers.give(frame);
      this.#broke(error);
      return;
    }
    if (size >= pooledFrom) this.#frame = frame;
    const isProto = this.header('content-type') === okProtoHead['content-type'];
    stream.respond(isProto ? okProtoHead : okHead, withTrailers);
    stream.on('wantTrailers', onWantTrailers);
    stream.end(frame.length === size ? frame : frame.subarray(0, size));
    this.#answered(size);
  }

  fail(status: GrpcStatus): void {
    if (this.#isAnswered) return;
    refuseStream(this.#stream, status);
    this.#answered(0);
  }

  /** For the scope: the caller's time is up. Attached first, so told last: whoever has an answer to give has given it. */
  scopeEnded(reason: ScopeEnd): void {
    if (reason === 'deadline')
      this.fail({ code: GrpcCode.DEADLINE_EXCEEDED, message: 'the deadline of the call passed before it could be answered' });
  }

  /** For the queue: the request did not arrive, or the answer was not taken, in time. */
  deadlinePassed(): void {
    const { receiveTimeoutMs, sendTimeoutMs } = this.#host.options;
    if (this.#isAnswered) {
      this.#refused('slow-reader');
      this.#stream.close(nghttp2Cancel);
      return;
    }
    this.#refused('receive-timeout');
    this.fail({ code: GrpcCode.CANCELLED, message: `the request was not complete after ${receiveTimeoutMs} ms` });
    deadlines.add(this, performance.now() + sendTimeoutMs);
  }

  dataArrived(chunk: Buffer): void {
    if (this.#isAnswered) return;
    const { load, options } = this.#host;
    const state = this.#reader.push(chunk);
    if (state !== ReadState.OK) {
      this.#rejectBody(state);
      return;
    }
    this.#heldBytes += chunk.length;
    load.heldBytes += chunk.length;
    if (load.heldBytes <= options.maxHeldBytes) return;
    this.#refused('held-bytes');
    this.fail({ code: GrpcCode.RESOURCE_EXHAUSTED, message: 'the server holds as many request and answer bytes as it may' });
  }

  ended(): void {
    if (this.#isAnswered) return;
    deadlines.remove(this);
    const reader = this.#reader;
    if (!reader.isComplete) {
      const detail = reader.isEmpty ? 'holds no message' : `ends after ${reader.received} of ${reader.announced} message bytes`;
      this.#malformed(`the request ${detail}`);
      return;
    }
    if (reader.isCompressed) {
      this.#malformed('the request message is marked as compressed, but grpc-encoding names no compression');
      return;
    }
    this.message = reader.message;
    try {
      this.#method.handle(this);
    } catch (error) {
      this.#broke(error);
    }
  }

  closed(): void {
    const wasAnswered = this.#isAnswered;
    deadlines.remove(this);
    this.#release();
    if (!wasAnswered) {
      this.#isAnswered = true;
      this.#host.load.hotInFlight--;
      this.scope.end('cancelled');
    }
    this.#host.load.heldBytes -= this.#unsentBytes;
    this.#guard?.answerGone(this.#unsentBytes);
    this.#unsentBytes = 0;
    const frame = this.#frame;
    this.#frame = null;
    // Only a write that finished has surely left the buffer alone.
    if (frame !== null && this.#stream.writableFinished) messageBuffers.give(frame);
    else if (frame !== null) messageBuffers.abandon();
    this.#guard?.streamClosed(!wasAnswered);
  }

  #rejectBody(state: ReadState): void {
    const { path, maxMessageBytes } = this.#method;
    if (state === ReadState.TOO_LARGE) {
      this.#refused('message-size');
      const message = `the request message has ${this.#reader.announced} bytes, the limit of ${path} is ${maxMessageBytes}`;
      this.fail({ code: GrpcCode.RESOURCE_EXHAUSTED, message });
    } else if (state === ReadState.SURPLUS) this.#malformed('the request holds more than one message');
    else this.#malformed('the request does not start with a gRPC frame');
  }

  #malformed(message: string): void {
    this.#refused('malformed');
    this.fail({ code: GrpcCode.INTERNAL, message });
  }

  #refused(reason: RefusalReason): void {
    this.#host.options.onRefused?.(reason, this.#method.path);
  }

  #broke(error: unknown): void {
    const { onError } = this.#host.options;
    const { path } = this.#method;
    if (onError !== null) onError(error, path);
    else process.emitWarning(`${path} threw: ${error instanceof Error ? (error.stack ?? error.message) : 'a value that is no error'}`);
    this.fail({ code: GrpcCode.INTERNAL, message: 'the method failed unexpectedly' });
  }

  #answered(unsentBytes: number): void {
    this.#isAnswered = true;
    const { load, options } = this.#host;
    load.hotInFlight--;
    this.#release();
    this.#unsentBytes = unsentBytes;
    load.heldBytes += unsentBytes;
    this.scope.end('done');
    deadlines.add(this, performance.now() + options.sendTimeoutMs);
    if (this.#guard?.answerQueued(unsentBytes) === false) this.#refused('slow-reader');
  }

  #release(): void {
    this.#host.load.heldBytes -= this.#heldBytes;
    this.#heldBytes = 0;
  }
}

function onData(this: ServerHttp2Stream, chunk: Buffer): void {
  (this as CallStream)[callOf].dataArrived(chunk);
}

function onEnd(this: ServerHttp2Stream): void {
  (this as CallStream)[callOf].ended();
}

function onClose(this: ServerHttp2Stream): void {
  (this as CallStream)[callOf].closed();
}

function onWantTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers(okTrailers);
}

/** `close` follows; an error event without a listener would end the process. */
function onError(): void {}
