// HTTP/2 of our own for upstream calls. A call and its answer as they lie on the wire (frame heads: http2/frames.ts):
//
//   →  HEADERS  83 86 :path :authority grpc-timeout te content-type …                   http2/request-block.ts
//   →  DATA     flag 0 | length u32 | message              END_STREAM                    UnaryCall.write puts the message right here
//   ←  HEADERS  :status content-type …                                                   http2/hpack-decoder.ts, answer-head.ts
//   ←  DATA     flag   | length u32 | message …                                          http2/answer-message.ts
//   ←  HEADERS  grpc-status grpc-message …                 END_STREAM
//
// Out: frames are put into a slab, which leaves in one write when the turn ends (http2/out-slab.ts). In: reads go into one buffer of the
// connection; a message is a view of it, or copied once. A call costs one Stream and one view: no promise, closure or timer.
import type net from 'node:net';
import { messageBuffers } from '../buffer-pool.js';
import { type CallFailure, createFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import { ClientSession, mostBacklogBytes, type SessionHost } from '../http2/client-session.js';
import { putGoaway } from '../http2/control-frames.js';
import { Http2Code } from '../http2/frames.js';
import { type OutOwner, OutSlab } from '../http2/out-slab.js';
import { Stream, StreamPhase } from '../http2/stream.js';
import { turnEnd } from '../http2/turn-end.js';
import { inflateAnswer } from '../inflate-message.js';
import { incompleteFailure, resetFailure } from './answer.js';
import { CallFate, type Connection, type ConnectionOwner, type ConnectionTarget } from './connection.js';
import { readBegins, readEnds } from './deliver.js';
import { alpnProblem, dial } from './dial.js';
import { headTooLong } from './head-too-long.js';
import { foreignGreeting, lostBeforeGreeting } from './lost-before-greeting.js';
import { PatientTimer } from './patient-timer.js';
import { type SilenceOwner, SilenceWatch } from './silence-watch.js';
import type { UnaryCall } from './unary-call.js';

/** Most that one read takes. */
const readBytes = 256 * 1024;

/** A connection on `net` and `tls`, with HTTP/2 written for unary gRPC calls. */
export function openLeanConnection(target: ConnectionTarget, owner: ConnectionOwner): Connection {
  return new LeanConnection(target, owner);
}

class LeanConnection implements Connection, SessionHost, OutOwner, SilenceOwner {
  readonly #target: ConnectionTarget;
  readonly #owner: ConnectionOwner;
  readonly #socket: net.Socket;
  readonly #out: OutSlab;
  readonly #session: ClientSession;
  readonly #silence: SilenceWatch;
  /** Calls that found the socket full: they fail when the turn ends. */
  #refused: Stream[] = [];
  /** Ends connecting, and later a goodbye, that take too long. */
  #timer: PatientTimer | null;
  #lost: CallFailure | null = null;
  #isDraining = false;
  #hasFreed = false;
  #hasSaidGoodbye = false;
  /** The first stream of which the socket has got nothing. */
  #firstUnsent = 1;

  constructor(target: ConnectionTarget, owner: ConnectionOwner) {
    this.#target = target;
    this.#owner = owner;
    const buffer = Buffer.allocUnsafeSlow(readBytes);
    const callback = (length: number): boolean => {
      readBegins();
      this.#read(buffer, length);
      readEnds();
      return true;
    };
    this.#socket = dial(target, { onread: { buffer, callback } });
    this.#out = new OutSlab(this.#socket, this);
    this.#session = new ClientSession(this, this.#out, messageBuffers, target.tls !== null);
    this.#silence = new SilenceWatch(this, target.keepaliveMs, target.keepaliveTimeoutMs);
    this.#socket.once(target.tls === null ? 'connect' : 'secureConnect', () => {
      const problem = alpnProblem(this.#socket);
      if (problem !== null) this.#breakOff(problem);
      else if (!this.#socket.destroyed) this.#session.greet();
    });
    // An error of TLS after the handshake leaves the socket open.
    this.#socket.on('error', (error) => this.#breakOff(error.message));
    this.#socket.once('end', () => this.#breakOff(this.#closedText()));
    this.#socket.once('close', () => this.#closed());
    this.#timer = new PatientTimer(target.connectTimeoutMs, () => this.#breakOff(`no connection within ${target.connectTimeoutMs} ms`));
  }

  get isReady(): boolean {
    return this.#session.isGreeted && !this.#isDraining && this.#lost === null && !this.#socket.destroyed;
  }

  get openStreams(): number {
    return this.#session.streams.size;
  }

  get maxStreams(): number {
    return this.#session.settings.maxStreams;
  }

  get heard(): number {
    return this.#session.heard;
  }

  start(call: UnaryCall): boolean | CallFailure {
    if (!this.isReady) return false;
    if (this.#out.backlog > mostBacklogBytes) {
      this.#refuse(call);
      return true;
    }
    const stream = this.#session.start(call);
    if (stream === null) return headTooLong(this.#session.settings.maxHeaderListBytes);
    call.connection = this;
    call.attempt = stream;
    this.#silence.callStarted();
    if (this.#session.isUsedUp) this.drain();
    return true;
  }

  cancel(call: UnaryCall, isDeadline: boolean): void {
    const stream = call.attempt;
    if (!(stream instanceof Stream) || stream.call !== call) return;
    stream.call = null;
    if (stream.phase === StreamPhase.CLOSED) return;
    this.#session.reset(stream, Http2Code.CANCEL);
    // The place is given away when the turn ends: whoever cancels is not disturbed by calls that start.
    this.#hasFreed = true;
    if (!isDeadline || stream.heardAtStart !== this.#session.heard || this.#lost !== null) return;
    this.#silence.probe();
    this.#owner.callUnheard(this);
  }

  drain(): void {
    this.#startDraining();
    this.#leaveWhenIdle();
  }

  destroy(failure: CallFailure): void {
    this.#lost ??= failure;
    if (this.#session.isGreeted && !this.#hasSaidGoodbye && !this.#socket.destroyed) putGoaway(this.#out, Http2Code.NO_ERROR);
    this.#hangUp();
  }

  ping(): void {
    if (!this.#socket.destroyed) this.#session.ping();
  }

  peerVanished(message: string): void {
    this.#breakOff(message);
  }

  greeted(): void {
    this.#stopTimer();
    if (this.#isDraining) this.#leaveWhenIdle();
    else if (this.#lost === null) this.#owner.connectionReady(this);
  }

  limitsChanged(): void {
    this.#hasFreed = true;
  }

  goawayArrived(): void {
    this.#startDraining();
    const { lastStream, streams } = this.#session;
    // Youngest first: each is put before the others that wait.
    for (const stream of streams.list().reverse())
      if (stream.id > lastStream) this.streamReset(stream, Http2Code.REFUSED_STREAM, stream.phase === StreamPhase.BODY);
  }

  pingAnswered(): void {
    this.#silence.pingAnswered();
  }

  answerEnded(stream: Stream): void {
    this.#hasFreed = true;
    const { verdict } = stream;
    if (verdict === null || verdict.grpcStatus < 0) this.#fail(stream, resetFailure(Http2Code.NO_ERROR), CallFate.LOST, true);
    else if (verdict.statusFailure !== null) this.#fail(stream, verdict.statusFailure, CallFate.ANSWERED, verdict.mayRetry);
    else if (!stream.isComplete) this.#fail(stream, incompleteFailure(stream), CallFate.ANSWERED, false);
    else if (!stream.isCompressed) this.#succeed(stream, stream.view());
    else if (stream.isGzip) this.#inflate(stream);
    else this.#fail(stream, notAgreedFailure, CallFate.ANSWERED, false);
  }

  answerRefused(stream: Stream, failure: CallFailure): void {
    this.#hasFreed = true;
    this.#fail(stream, failure, CallFate.ANSWERED, true);
  }

  streamReset(stream: Stream, code: number, hasBegun: boolean): void {
    this.#session.forget(stream);
    if (stream.verdict !== null && stream.verdict.grpcStatus >= 0) {
      this.answerEnded(stream);
      return;
    }
    this.#hasFreed = true;
    const refusal = this.#isDraining ? CallFate.UNPROCESSED : CallFate.REFUSED;
    // Who has begun to answer has processed the call, whatever it says of it then.
    const isRefused = code === Http2Code.REFUSED_STREAM && !hasBegun;
    this.#fail(stream, resetFailure(code), isRefused ? refusal : CallFate.LOST, true);
  }

  sessionBroken(problem: string): void {
    this.#breakOff(`the peer broke HTTP/2: ${problem}`);
  }

  beforeWrite(): void {
    this.#failRefused();
    this.#tellFreed();
    if (this.#isDraining) this.#leaveWhenIdle();
    this.#firstUnsent = this.#session.nextId;
  }

  drained(): void {
    this.#session.windows.pump();
  }

  stuck(): void {}

  #read(bytes: Buffer, length: number): void {
    if (this.#lost !== null) return;
    try {
      const foreign = this.#session.isGreeted ? null : foreignGreeting(bytes, length);
      if (foreign !== null) {
        this.#breakOff(foreign);
        return;
      }
      this.#session.feed(bytes, 0, length);
      this.#tellFreed();
      if (this.#isDraining) this.#leaveWhenIdle();
    } catch (error) {
      // Nothing in there throws, short of a lack of memory: then this connection ends, and not the process.
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.emitWarning(detail, { code: 'INFERFLOW_TRANSPORT_READ' });
      this.#breakOff('its bytes could not be worked through');
    }
  }

  #tellFreed(): void {
    if (!this.#hasFreed) return;
    this.#hasFreed = false;
    this.#owner.connectionFreed(this);
  }

  #succeed(stream: Stream, message: Uint8Array): void {
    const call = stream.call;
    stream.call = null;
    if (call !== null) this.#owner.callSucceeded(this, call, message);
    stream.release(messageBuffers);
  }

  #fail(stream: Stream, failure: CallFailure, fate: CallFate, mayRetry: boolean): void {
    const call = stream.call;
    stream.call = null;
    stream.release(messageBuffers);
    if (call !== null) this.#owner.callFailed(this, call, failure, fate, mayRetry);
  }

  #inflate(stream: Stream): void {
    stream.settle(messageBuffers);
    const isWanted = () => stream.call !== null;
    inflateAnswer(stream.view(), stream.call?.maxAnswerBytes ?? 0, isWanted, (result) => {
      if (result === null) stream.release(messageBuffers);
      else if (result instanceof Uint8Array) this.#succeed(stream, result);
      else this.#fail(stream, result, CallFate.ANSWERED, false);
    });
  }

  #refuse(call: UnaryCall): void {
    const stream = new Stream(0, call, 0, 0, 0);
    stream.phase = StreamPhase.CLOSED;
    call.connection = this;
    call.attempt = stream;
    this.#refused.push(stream);
    turnEnd.mark(this.#out);
  }

  #failRefused(): void {
    if (this.#refused.length === 0) return;
    const failure = createFailure('overloaded', GrpcCode.RESOURCE_EXHAUSTED, `${this.#peer} does not read what it is sent`);
    for (const stream of this.#refused.splice(0)) this.#fail(stream, failure, CallFate.LOST, false);
  }

  get #peer(): string {
    return `connection to ${this.#target.ip}:${this.#target.port}`;
  }

  #closedText(): string {
    return this.#session.isGreeted ? 'closed by the peer' : 'closed before HTTP/2 was agreed';
  }

  #startDraining(): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    if (this.#session.isGreeted && this.#lost === null) this.#owner.connectionDraining(this);
  }

  /** Says goodbye when the last call has ended. A peer that does not take it is left without one. */
  #leaveWhenIdle(): void {
    if (this.#hasSaidGoodbye || this.#lost !== null || this.openStreams > 0) return;
    this.#hasSaidGoodbye = true;
    if (!this.#session.isGreeted) {
      this.#breakOff('closed before HTTP/2 was agreed');
      return;
    }
    putGoaway(this.#out, Http2Code.NO_ERROR);
    this.#out.send();
    this.#socket.destroySoon();
    this.#timer = new PatientTimer(this.#target.keepaliveTimeoutMs, () => this.#breakOff('no answer to a goodbye'));
  }

  #breakOff(problem: string): void {
    this.#lose(problem);
    this.#hangUp();
  }

  #lose(problem: string): void {
    if (this.#lost !== null) return;
    const text = this.#session.isGreeted ? problem : lostBeforeGreeting(problem, this.#socket);
    this.#lost = createFailure('unavailable', GrpcCode.UNAVAILABLE, `${this.#peer}: ${text}`);
  }

  /** What was put is offered to the kernel once more; the ends of calls are reported when the socket has closed. */
  #hangUp(): void {
    this.#session.stop();
    if (!this.#socket.destroyed && !this.#socket.connecting) {
      this.#firstUnsent = this.#session.nextId;
      this.#out.send();
    }
    this.#socket.destroy();
  }

  #closed(): void {
    this.#lose(this.#closedText());
    this.#session.stop();
    this.#stopTimer();
    this.#silence.stop();
    this.#out.close();
    const failure = this.#lost;
    if (failure === null) return;
    const { lastStream, streams } = this.#session;
    const lost = streams.list().reverse();
    // All before the first is told of: whoever hears of it may cancel the others, and there is nobody left to send a reset to.
    for (const stream of lost) this.#session.forget(stream);
    this.#failRefused();
    for (const stream of lost) {
      const isUnprocessed = stream.id >= this.#firstUnsent || (lastStream >= 0 && stream.id > lastStream);
      this.#fail(stream, failure, isUnprocessed ? CallFate.UNPROCESSED : CallFate.LOST, true);
    }
    this.#owner.connectionClosed(this, failure, this.#session.isGreeted);
  }

  #stopTimer(): void {
    this.#timer?.stop();
    this.#timer = null;
  }
}

const notAgreedFailure = createFailure('malformed', GrpcCode.INTERNAL, 'the answer is compressed in a way that was not agreed');
