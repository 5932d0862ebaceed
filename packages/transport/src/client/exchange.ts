// A call on a stream of `node:http2`:
//
//   →  headers, one buffer   | flag u8 | length u32 | message |
//   ←  headers, DATA chunks  | flag u8 | length u32 | message |   message-reader.ts
//      trailers              grpc-status [grpc-message]
import type { ClientHttp2Stream, IncomingHttpHeaders, IncomingHttpStatusHeader } from 'node:http2';
import { messageBuffers } from '../buffer-pool.js';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { parseGrpcStatus } from '../grpc-status.js';
import { inflateAnswer } from '../inflate-message.js';
import { MessageReader, ReadState } from '../message-reader.js';
import { plainView } from '../plain-view.js';
import { bodyFailure, headFailure, incompleteFailure, resetFailure, statusFailure } from './answer.js';
import { CallFate } from './connection.js';
import type { UnaryCall } from './unary-call.js';

const nghttp2Cancel = 8;
const nghttp2Refused = 7;
const firstAnswerBytes = 4 * 1024 * 1024;
const pooledFrom = 16 * 1024;

const exchangeOf: unique symbol = Symbol('inferflow.exchange');

interface ExchangeStream extends ClientHttp2Stream {
  [exchangeOf]: Exchange;
}

/** What an exchange needs to know of its connection. */
export interface ExchangeHost {
  /** Counts everything heard from the peer. */
  heard: number;
  /** How the connection was lost; `null` while it stands. */
  readonly lost: CallFailure | null;
  /** Last stream the peer processed, −1 before a GOAWAY. */
  readonly lastStream: number;
  exchangeSucceeded(call: UnaryCall, message: Uint8Array): void;
  exchangeFailed(call: UnaryCall, failure: CallFailure, fate: CallFate, mayRetry: boolean): void;
  exchangeClosed(): void;
}

/**
 * One call on one stream of `node:http2`. Listeners are shared functions; the exchange sits on the stream under a symbol. DATA may be
 * seen before the response headers that came with it, so a broken body is judged only once the headers are known.
 */
export class Exchange {
  /** `null` once the call ended or was cancelled. */
  call: UnaryCall | null;
  /** What had been heard from the peer when the call was sent. */
  readonly heardAtStart: number;
  readonly #host: ExchangeHost;
  readonly #stream: ExchangeStream;
  readonly #reader: MessageReader;
  #frame: Buffer | null;
  #readState: ReadState = ReadState.OK;
  #hasHead = false;
  #isGzip = false;
  #isInflating = false;
  #status = -1;
  #failure: CallFailure | null = null;
  #mayRetry = true;

  constructor(host: ExchangeHost, call: UnaryCall, stream: ClientHttp2Stream, frame: Buffer) {
    this.#host = host;
    this.call = call;
    this.heardAtStart = host.heard;
    this.#frame = frame.length >= pooledFrom ? frame : null;
    this.#reader = new MessageReader(call.maxAnswerBytes, firstAnswerBytes, messageBuffers);
    this.#stream = stream as ExchangeStream;
    this.#stream[exchangeOf] = this;
    stream.on('response', onHead);
    stream.on('data', onData);
    stream.on('trailers', onTrailers);
    stream.on('end', onEnd);
    stream.on('error', onError);
    stream.on('close', onClose);
  }

  /** Frames the message of a call. Throws what `write` throws. Long frames come from the pool. */
  static frame(call: UnaryCall): Buffer {
    const length = call.byteLength;
    const size = length + 5;
    const buffer = size >= pooledFrom ? messageBuffers.take(size) : Buffer.allocUnsafe(size);
    buffer[0] = 0;
    buffer.writeUInt32BE(length, 1);
    try {
      call.write(plainView(buffer), 5);
    } catch (error) {
      if (size >= pooledFrom) messageBuffers.give(buffer);
      throw error;
    }
    return buffer;
  }

  /** Gives a frame back that was never handed to a stream. */
  static dropFrame(frame: Buffer): void {
    if (frame.length >= pooledFrom) messageBuffers.give(frame);
  }

  /** Resets the stream; nothing is reported. */
  cancel(): void {
    this.call = null;
    this.#stream.close(nghttp2Cancel);
  }

  headArrived(headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
    this.#host.heard++;
    this.#hasHead = true;
    const encoding = headers['grpc-encoding'];
    this.#isGzip = encoding === 'gzip';
    if (headers['grpc-status'] !== undefined) {
      this.trailersArrived(headers);
      return;
    }
    if (this.call?.wantsMetadata === true) this.call.answerHeaders = listHeaders(headers);
    const failure = headFailure(headers);
    if (failure !== null) this.#abort(failure);
    else if (this.#readState !== ReadState.OK) this.#breakBody();
  }

  dataArrived(chunk: Buffer): void {
    this.#host.heard++;
    const call = this.call;
    if (call === null || this.#readState !== ReadState.OK) return;
    this.#readState = this.#reader.push(chunk, true);
    if (this.#readState !== ReadState.OK && this.#hasHead) this.#breakBody();
  }

  trailersArrived(headers: IncomingHttpHeaders): void {
    this.#host.heard++;
    this.#status = parseGrpcStatus(headers['grpc-status']);
    this.#failure = statusFailure(headers);
    if (this.call?.wantsMetadata === true) this.call.answerTrailers = listHeaders(headers);
    const pushback = headers['grpc-retry-pushback-ms'];
    this.#mayRetry = pushback === undefined || pushback === '0';
  }

  /** The peer ended its side. Without a status the verdict waits for the stream's close, which tells why. */
  ended(): void {
    if (this.#status >= 0) this.#conclude();
  }

  closed(): void {
    const frame = this.#frame;
    this.#frame = null;
    // Only a write that finished has surely left the buffer alone.
    if (frame !== null && this.#stream.writableFinished && this.#host.lost === null) messageBuffers.give(frame);
    else if (frame !== null) messageBuffers.abandon();
    if (this.call !== null && !this.#isInflating) {
      if (this.#status >= 0) this.#conclude();
      else this.#lost();
    }
    if (!this.#isInflating) this.#reader.release();
    this.#host.exchangeClosed();
  }

  #conclude(): void {
    if (this.call === null || this.#isInflating) return;
    if (this.#failure !== null) this.#fail(this.#failure, CallFate.ANSWERED, this.#mayRetry);
    else if (!this.#reader.isComplete || this.#readState !== ReadState.OK)
      this.#fail(incompleteFailure(this.#reader), CallFate.ANSWERED, false);
    else if (this.#reader.isCompressed) this.#inflate();
    else this.#succeed(this.#reader.message);
    // An answer that came before the whole request was taken: the rest is of no use to anybody.
    if (!this.#stream.writableFinished && !this.#stream.closed) this.#stream.close(nghttp2Cancel);
  }

  #succeed(message: Uint8Array): void {
    const call = this.call;
    if (call === null) return;
    this.call = null;
    this.#host.exchangeSucceeded(call, message);
  }

  #fail(failure: CallFailure, fate: CallFate, mayRetry: boolean): void {
    const call = this.call;
    if (call === null) return;
    this.call = null;
    this.#host.exchangeFailed(call, failure, fate, mayRetry);
  }

  #abort(failure: CallFailure): void {
    this.#fail(failure, CallFate.ANSWERED, true);
    this.#stream.close(nghttp2Cancel);
  }

  #breakBody(): void {
    const call = this.call;
    if (call !== null) this.#abort(bodyFailure(this.#readState, this.#reader, call.maxAnswerBytes));
  }

  #lost(): void {
    const host = this.#host;
    const rstCode = this.#stream.rstCode ?? 0;
    const id = this.#stream.id;
    const wasRefused = rstCode === nghttp2Refused || id === undefined || (host.lastStream >= 0 && id > host.lastStream);
    const refusal = host.lost === null && host.lastStream < 0 ? CallFate.REFUSED : CallFate.UNPROCESSED;
    const failure = host.lost ?? resetFailure(wasRefused ? nghttp2Refused : rstCode);
    // Who has begun to answer has processed the call, whatever it says of it then.
    this.#fail(failure, wasRefused && !this.#hasHead ? refusal : CallFate.LOST, true);
  }

  #inflate(): void {
    if (!this.#isGzip) {
      this.#fail(
        createFailure('malformed', GrpcCode.INTERNAL, 'the answer is compressed in a way that was not agreed'),
        CallFate.ANSWERED,
        false,
      );
      return;
    }
    this.#isInflating = true;
    const isWanted = () => this.call !== null;
    inflateAnswer(this.#reader.message, this.call?.maxAnswerBytes ?? 0, isWanted, (result) => {
      this.#isInflating = false;
      if (result instanceof Uint8Array) this.#succeed(result);
      else if (result !== null) this.#fail(result, CallFate.ANSWERED, false);
      if (this.#stream.destroyed) this.#reader.release();
    });
  }
}

/** As calls keep them: name, value, name, value … without the status line. */
function listHeaders(headers: IncomingHttpHeaders): string[] {
  return Object.entries(headers).flatMap(([name, value]) =>
    name.startsWith(':') || value === undefined ? [] : [value].flat().flatMap((each) => [name, each]),
  );
}

function onHead(this: ClientHttp2Stream, headers: IncomingHttpHeaders & IncomingHttpStatusHeader): void {
  (this as ExchangeStream)[exchangeOf].headArrived(headers);
}

function onData(this: ClientHttp2Stream, chunk: Buffer): void {
  (this as ExchangeStream)[exchangeOf].dataArrived(chunk);
}

function onTrailers(this: ClientHttp2Stream, headers: IncomingHttpHeaders): void {
  (this as ExchangeStream)[exchangeOf].trailersArrived(headers);
}

function onEnd(this: ClientHttp2Stream): void {
  (this as ExchangeStream)[exchangeOf].ended();
}

function onClose(this: ClientHttp2Stream): void {
  (this as ExchangeStream)[exchangeOf].closed();
}

/** What went wrong is judged at `close`; an error event without a listener would end the process. */
function onError(): void {}
