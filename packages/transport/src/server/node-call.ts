// The answer of a hot call on `node:http2`: headers, one buffer, trailers.
//
//   | flag u8 | length u32 | message |      from the pool unless it is short, and given back when the stream has closed
import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { messageBuffers } from '../buffer-pool.js';
import type { BodyWriter } from '../client/unary-call.js';
import { type GrpcStatus, SharedStatus, statusTrailers } from '../grpc-status.js';
import { grpcType, protoType } from '../is-grpc-content-type.js';
import { plainView } from '../plain-view.js';
import { HotCall, type HotCallHost } from './hot-call.js';
import { discardRest, readStreamInPlace } from './read-in-place.js';
import type { RecentRefusal } from './recent-refusal.js';
import type { HotMethod } from './server-call.js';
import { SessionGuard } from './session-guard.js';

/** Below, Node cuts frames from a slab of its own. */
const pooledFrom = 1024;
const nghttp2NoError = 0;
const nghttp2Cancel = 8;

const okHead = Object.freeze({ ':status': 200, 'content-type': grpcType });
const okProtoHead = Object.freeze({ ':status': 200, 'content-type': protoType });
const okTrailers = Object.freeze({ 'grpc-status': '0' });
const withTrailers = Object.freeze({ waitForTrailers: true, sendDate: false });
const withoutBody = Object.freeze({ endStream: true, sendDate: false });

/** Name of what is made of a {@link SharedStatus} here. */
const nodeHead = 'node';

const callOf: unique symbol = Symbol('inferflow.server-call');

interface CallStream extends ServerHttp2Stream {
  /** `null` once the stream is closed: Node's streams outlive it until old memory is collected, and would keep the call with its message. */
  [callOf]: NodeCall | null;
}

/**
 * Answers a stream with a status alone. What the client still sends is refused without harm to the connection.
 *
 * The reset waits for the end of the turn: Node 20 sends one with any code but CANCEL at once, also from within the parser's callbacks, and
 * nghttp2 then frees the stream it is about to go on with. Seen as a heap corruption under load; so nothing here resets with other codes, or
 * destroys a session, from inside an HTTP/2 event. With Node 22.23 and 26.10 such a reset overtakes the status, and the caller never sees it.
 */
export function refuseStream(stream: ServerHttp2Stream, status: GrpcStatus): void {
  if (stream.destroyed || stream.closed || stream.headersSent) return;
  stream.respond(headOf(status), withoutBody);
  discardRest(stream);
  if (!stream.readableEnded) setImmediate(stopReceiving, stream);
}

const guardOf: unique symbol = Symbol('inferflow.refused-on');

/** Counts a stream that is refused before it becomes a call. */
export function refusedOn(stream: ServerHttp2Stream, guard: SessionGuard | undefined): void {
  (stream as RefusedStream)[guardOf] = guard;
  stream.on('error', onError);
  stream.on('close', onRefusedClose);
}

interface RefusedStream extends ServerHttp2Stream {
  [guardOf]?: SessionGuard | undefined;
}

function onRefusedClose(this: ServerHttp2Stream): void {
  const stream = this as RefusedStream;
  stream[guardOf]?.streamClosed(stream.rstCode !== 0);
  stream[guardOf] = undefined;
}

function headOf(status: GrpcStatus): OutgoingHttpHeaders {
  if (!(status instanceof SharedStatus)) return { ...okHead, ...statusTrailers(status) };
  const made = status.made.get(nodeHead);
  if (made !== undefined) return made as OutgoingHttpHeaders;
  const head = Object.freeze({ ...okHead, ...status.trailers });
  status.made.set(nodeHead, head);
  return head;
}

function stopReceiving(stream: ServerHttp2Stream): void {
  if (!stream.destroyed && !stream.closed) stream.close(nghttp2NoError);
}

/** A hot call on a stream of `node:http2`. */
export class NodeCall extends HotCall {
  readonly #stream: CallStream;
  readonly #rawHeaders: readonly string[];
  readonly #guard: SessionGuard | undefined;
  #frame: Buffer | null = null;

  constructor(
    host: HotCallHost,
    method: HotMethod,
    stream: ServerHttp2Stream,
    rawHeaders: readonly string[],
    deadline: number,
    now: number,
  ) {
    super(host, method, deadline, now);
    this.#stream = stream as CallStream;
    this.#rawHeaders = rawHeaders;
    this.#guard = SessionGuard.of(stream.session as Parameters<typeof SessionGuard.of>[0]);
    this.#stream[callOf] = this;
    if (readStreamInPlace(stream, onRead)) {
      stream.on('trailers', readOn);
      stream.read(0);
    } else stream.on('data', onData);
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

  protected get recent(): RecentRefusal | null {
    return this.#guard?.recent ?? null;
  }

  protected get isGone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  protected putAnswer(body: BodyWriter): number {
    const stream = this.#stream;
    const length = body.byteLength;
    const size = length + 5;
    const frame = size >= pooledFrom ? messageBuffers.take(size) : Buffer.allocUnsafe(size);
    frame[0] = 0;
    frame.writeUInt32BE(length, 1);
    try {
      body.write(plainView(frame), 5);
    } catch (error) {
      if (size >= pooledFrom) messageBuffers.give(frame);
      throw error;
    }
    if (size >= pooledFrom) this.#frame = frame;
    const isProto = this.header('content-type') === okProtoHead['content-type'];
    stream.respond(isProto ? okProtoHead : okHead, withTrailers);
    stream.on('wantTrailers', onWantTrailers);
    stream.end(frame.length === size ? frame : frame.subarray(0, size));
    return size;
  }

  protected putStatus(status: GrpcStatus): void {
    refuseStream(this.#stream, status);
  }

  protected resetStream(): void {
    this.#stream.close(nghttp2Cancel);
    this.#guard?.streamReset(this.#stream);
  }

  protected answerPut(unsentBytes: number): boolean {
    return this.#guard?.answerQueued(unsentBytes) !== false;
  }

  protected answerGone(unsentBytes: number): void {
    this.#guard?.answerGone(unsentBytes);
  }

  override streamClosed(): void {
    const wasAnswered = this.isAnswered;
    super.streamClosed();
    const frame = this.#frame;
    this.#frame = null;
    // Only a write that finished has surely left the buffer alone.
    if (frame !== null && this.#stream.writableFinished) messageBuffers.give(frame);
    else if (frame !== null) messageBuffers.abandon();
    this.#guard?.streamClosed(!wasAnswered);
  }
}

function onRead(this: ServerHttp2Stream, length: number, bytes: Buffer): true {
  (this as CallStream)[callOf]?.dataArrived(bytes.subarray(0, length), false);
  return true;
}

/** Where no DATA ends a request, Node leaves it to who reads to find the end. */
function readOn(this: ServerHttp2Stream): void {
  this.read(0);
}

function onData(this: ServerHttp2Stream, chunk: Buffer): void {
  (this as CallStream)[callOf]?.dataArrived(chunk, false);
}

function onEnd(this: ServerHttp2Stream): void {
  (this as CallStream)[callOf]?.requestEnded();
}

function onClose(this: ServerHttp2Stream): void {
  const stream = this as CallStream;
  stream[callOf]?.streamClosed();
  stream[callOf] = null;
}

function onWantTrailers(this: ServerHttp2Stream): void {
  this.sendTrailers(okTrailers);
}

/** `close` follows; an error event without a listener would end the process. */
function onError(): void {}
