// The server's side of one HTTP/2 connection with a caller that nobody trusts: bytes from the socket become frames, frames become requests.
//
//   read ─► preface ─► FrameReader ─┬─ DATA ──────────► flow control ─► StreamRequest.dataArrived ─┐
//                                   ├─ HEADERS, CONT. ► BlockCollector ─► HpackDecoder ────────────┼─► ServerSessionHost, StreamRequest
//                                   ├─ RST_STREAM ─────────────────────────────────────────────────┘
//                                   └─ SETTINGS, PING, WINDOW_UPDATE, PRIORITY ─► CallerControls ─► SendWindows.pump
//
// What a caller may make us do is bounded: streams at once, header lists, frames of a header block, frame sizes, and the rest in
// CallerLimits. What one frame may cost is bounded by its size, or paid for from there.
import type { BufferPool } from '../buffer-pool.js';
import type { BodyWriter } from '../client/unary-call.js';
import { type AnswerSink, AnswerWriter } from './answer-writer.js';
import { BlockCollector, BlockState, largestBlock } from './block-collector.js';
import { CallerControls, type ControlledSession } from './caller-controls.js';
import { CallerLimits, type LimitsOwner } from './caller-limits.js';
import { ClosedStreams } from './closed-streams.js';
import { putGoaway, putPing, putReset, putSettings, putWindowUpdate } from './control-frames.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { frameFault } from './frame-rules.js';
import {
  clientPreface,
  defaultMaxFrame,
  defaultWindow,
  FrameFlag,
  FrameType,
  Http2Code,
  largestUint31,
  readUint31,
  SettingId,
} from './frames.js';
import { HpackDecoder } from './hpack-decoder.js';
import type { OutSlab } from './out-slab.js';
import { digestRequestHead, type RequestHead } from './request-head.js';
import { ServerStream } from './server-stream.js';
import { StreamTable } from './stream-table.js';
import { ReceiveWindow, type SendWindows } from './windows.js';

const streamWindow = 1024 * 1024;
const connectionWindow = 16 * 1024 * 1024;
const hpackLimits = { maxTableBytes: 4096, maxListBytes: 65_536 };
const lastUsableStream = 0x7000_0000;
const leavePing = 0x6c65_6176;

/** Why a session ends a connection, or a stream is not taken. */
export type SessionRefusal = 'flood' | 'headers' | 'slow-reader' | 'malformed';

/** Whom a {@link ServerSession} tells. */
export interface ServerSessionHost {
  /** The first SETTINGS of the caller came. */
  greeted(): void;
  /** A request began; the host gives the stream a request, or answers. */
  requestArrived(stream: ServerStream, head: RequestHead): void;
  /** Something was turned away, for a metric. */
  refused(reason: SessionRefusal): void;
  /** The frames of a header block are awaited, or not any more. */
  blockOpened(isOpen: boolean): void;
  /** The caller knows that we leave: no stream of it is on the way any more. */
  leaveAnswered(): void;
  /** The last open stream has ended. */
  streamsEnded(): void;
  /** GOAWAY was put, the socket must be closed. */
  sessionBroken(problem: string): void;
}

/** See the top of the file. */
export class ServerSession implements FrameSink, AnswerSink, LimitsOwner, ControlledSession {
  isGreeted = false;
  readonly streams: StreamTable<ServerStream> = new StreamTable();
  readonly #answers: AnswerWriter;
  readonly #limits: CallerLimits;
  readonly #controls: CallerControls;
  readonly #host: ServerSessionHost;
  readonly #out: OutSlab;
  readonly #maxStreams: number;
  readonly #reader: FrameReader = new FrameReader(this, defaultMaxFrame);
  readonly #hpack: HpackDecoder<RequestHead> = new HpackDecoder(hpackLimits, digestRequestHead);
  readonly #blocks: BlockCollector = new BlockCollector();
  readonly #received: ReceiveWindow = new ReceiveWindow(connectionWindow);
  readonly #ended = new ClosedStreams();
  #prefaceAt = 0;
  /** The last stream the caller opened. */
  #lastStream = 0;
  /** The last stream we process, once that was said. */
  #goawayStream: number = largestUint31;
  #hasSaidLast = false;
  #dataStream: ServerStream | null = null;
  #isDataEmpty = true;
  #dependsOnItself = false;

  /** @param maxStreams how many streams a caller may have open at once */
  constructor(host: ServerSessionHost, out: OutSlab, pool: BufferPool, maxStreams: number) {
    this.#host = host;
    this.#out = out;
    this.#maxStreams = maxStreams;
    this.#answers = new AnswerWriter(this, out, pool);
    this.#limits = new CallerLimits(this, out);
    this.#controls = new CallerControls(this, this.#limits, out, this.#answers);
  }

  /** What callers let us send, and the answers that wait for it. */
  get windows(): SendWindows<ServerStream> {
    return this.#answers.windows;
  }

  /** Puts SETTINGS and the window of the connection. */
  greet(): void {
    putSettings(this.#out, [
      [SettingId.MAX_CONCURRENT_STREAMS, this.#maxStreams],
      [SettingId.INITIAL_WINDOW_SIZE, streamWindow],
      [SettingId.MAX_HEADER_LIST_SIZE, hpackLimits.maxListBytes],
    ]);
    putWindowUpdate(this.#out, 0, connectionWindow - defaultWindow);
  }

  /** Takes what a read brought. The bytes may be overwritten when this has returned. */
  feed(bytes: Buffer, from: number, to: number): void {
    let at = from;
    if (this.#reader.isStopped) return;
    for (; this.#prefaceAt < clientPreface.length && at < to; at++, this.#prefaceAt++)
      if (bytes[at] !== clientPreface[this.#prefaceAt]) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'no preface of HTTP/2');
    this.#reader.feed(bytes, at, to);
  }

  /** Ignores everything that comes from now on. */
  stop(): void {
    this.#reader.stop();
  }

  /** Says that no more streams are wanted, and asks for a sign that it was heard: what is on the way until then is still served. */
  announceLeave(): void {
    putGoaway(this.#out, Http2Code.NO_ERROR, largestUint31);
    putPing(this.#out, leavePing);
  }

  /** Says which stream was the last; later ones are ignored, and their callers know that. */
  leave(): void {
    if (this.#hasSaidLast) return;
    this.#hasSaidLast = true;
    this.#goawayStream = this.#lastStream;
    putGoaway(this.#out, Http2Code.NO_ERROR, this.#lastStream);
  }

  /**
   * Answers with a message and OK. Returns how many bytes of memory wait for windows; with 0 the stream has ended, and its request is not told.
   * Throws what `message.write` throws, and then nothing was put.
   */
  answer(stream: ServerStream, head: Uint8Array, message: BodyWriter, trailers: Uint8Array): number {
    return this.#answers.putMessage(stream, head, message, trailers);
  }

  /** Answers with headers alone; the stream has ended, and its request is not told. */
  answerHead(stream: ServerStream, head: Uint8Array): void {
    this.#answers.putHead(stream, head);
  }

  /** Answers with plain bytes. Returns how many bytes of memory wait for windows; with 0 the stream has ended, and its request is not told. */
  answerBytes(stream: ServerStream, head: Uint8Array, bytes: Uint8Array): number {
    return this.#answers.putBytes(stream, head, bytes);
  }

  /** Ends an open stream with RST_STREAM; its request is told. */
  reset(stream: ServerStream, code: Http2Code): void {
    if (stream.isClosed) return;
    putReset(this.#out, stream.id, code);
    this.#forget(stream, true);
    this.#tellClosed(stream);
  }

  /** The connection is gone: ends every stream. */
  abandon(): void {
    this.stop();
    for (const stream of this.streams.list()) {
      this.#forget(stream, false);
      this.#tellClosed(stream);
    }
  }

  dataBegan(streamId: number, length: number): void {
    this.#dataStream = null;
    this.#isDataEmpty = true;
    if (!this.#mayCome(FrameType.DATA, streamId)) return;
    if (this.isIdle(streamId)) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'DATA of no stream');
    const back = this.#received.take(length);
    if (back > 0) putWindowUpdate(this.#out, 0, back);
    const stream = this.streams.get(streamId);
    if (stream === null) return this.#strayArrived(streamId);
    if (stream.hasEnded) return this.refuse(stream, Http2Code.STREAM_CLOSED);
    this.#dataStream = stream;
    stream.receiveWindow -= length;
    // As with the connection: half of it is left, so no caller can exceed it.
    if (stream.receiveWindow > streamWindow / 2) return;
    putWindowUpdate(this.#out, streamId, streamWindow - stream.receiveWindow);
    stream.receiveWindow = streamWindow;
  }

  dataArrived(bytes: Buffer, from: number, to: number, isLast: boolean): void {
    const stream = this.#dataStream;
    this.#isDataEmpty = false;
    if (stream === null || stream.isClosed) return;
    stream.receivedBytes += to - from;
    if (stream.announcedBytes >= 0 && stream.receivedBytes > stream.announcedBytes) this.refuse(stream, Http2Code.PROTOCOL_ERROR);
    else stream.request?.dataArrived(bytes.subarray(from, to), isLast);
  }

  dataEnded(isLast: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (isLast) {
      if (stream !== null && !stream.isClosed) this.#requestEnded(stream);
    } else if (this.#isDataEmpty) this.#limits.spend(1);
  }

  frameArrived(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    if (!this.#mayCome(type, streamId)) return;
    const fault = frameFault(type, flags, streamId, to - from);
    if (fault !== null) return this.framingBroken(fault.code, fault.problem);
    switch (type) {
      case FrameType.HEADERS:
        if (streamId === 0 || (streamId & 1) === 0) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'HEADERS of no stream');
        this.#dependsOnItself = (flags & FrameFlag.PRIORITY) !== 0 && dependency(flags, bytes, from, to) === streamId;
        return this.#blockWent(this.#blocks.begin(flags, streamId, bytes, from, to), streamId);
      case FrameType.CONTINUATION:
        if (this.#blocks.streamId === 0) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'CONTINUATION of no header block');
        return this.#blockWent(this.#blocks.add(flags, bytes, from, to), streamId);
      case FrameType.RST_STREAM:
        return this.#resetArrived(streamId);
      case FrameType.SETTINGS:
        return this.#controls.settingsArrived(flags, bytes, from, to);
      case FrameType.PING:
        return this.#controls.pingArrived(flags, bytes, from);
      case FrameType.GOAWAY:
        break;
      case FrameType.WINDOW_UPDATE:
        return this.#controls.windowOpened(streamId, bytes, from);
      case FrameType.PUSH_PROMISE:
        return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'PUSH_PROMISE of a client');
      case FrameType.PRIORITY:
        return this.#controls.priorityArrived(streamId, bytes, from);
    }
    this.#limits.spend(1);
  }

  framingBroken(code: Http2Code, problem: string): void {
    this.stop();
    putGoaway(this.#out, code, Math.min(this.#lastStream, this.#goawayStream), problem.replace(/[^\x20-\x7e]/g, '?'));
    this.#host.sessionBroken(problem);
  }

  greetingArrived(): void {
    this.isGreeted = true;
    this.#host.greeted();
  }

  pingAnswered(): void {
    this.#host.leaveAnswered();
  }

  limitPassed(reason: 'flood' | 'slow-reader', problem: string): void {
    if (this.#reader.isStopped) return;
    this.#host.refused(reason);
    this.framingBroken(Http2Code.ENHANCE_YOUR_CALM, problem);
  }

  /** Also true of stream 0 and of streams that only a server may open. */
  isIdle(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId > this.#lastStream;
  }

  /** The caller broke the rules of one stream. That we reset it costs the caller what a reset of its own does. */
  refuse(stream: ServerStream, code: Http2Code): void {
    this.#host.refused('malformed');
    this.reset(stream, code);
    this.#limits.spendReset();
  }

  /** SETTINGS come first, and nothing comes between the frames of a header block. */
  #mayCome(type: number, streamId: number): boolean {
    if (!this.isGreeted && type !== FrameType.SETTINGS) this.framingBroken(Http2Code.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    else if (this.#blocks.streamId !== 0 && (type !== FrameType.CONTINUATION || streamId !== this.#blocks.streamId))
      this.framingBroken(Http2Code.PROTOCOL_ERROR, 'another frame within a header block');
    else return true;
    return false;
  }

  #blockWent(state: BlockState, streamId: number): void {
    const blocks = this.#blocks;
    if (state === BlockState.OPEN) return this.#host.blockOpened(true);
    if (state === BlockState.BAD_PADDING) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'HEADERS with more padding than payload');
    if (state === BlockState.TOO_LARGE) {
      this.#host.refused('headers');
      return this.framingBroken(Http2Code.ENHANCE_YOUR_CALM, `a header block above ${largestBlock} bytes or in too many frames`);
    }
    this.#host.blockOpened(false);
    const head = this.#hpack.decode(blocks.bytes, blocks.from, blocks.to);
    if (head === null) return this.framingBroken(Http2Code.COMPRESSION_ERROR, `a header block with ${this.#hpack.problem}`);
    const stream = this.streams.get(streamId);
    if (stream !== null) this.#trailersArrived(stream, head, blocks.isLast);
    else if (streamId > this.#lastStream) this.#headArrived(streamId, head, blocks.isLast);
    else if (this.#ended.wasCutOff(streamId)) this.#limits.spend(1);
    else if (this.#ended.hasEnded(streamId)) this.framingBroken(Http2Code.STREAM_CLOSED, 'HEADERS of a stream that has ended');
    else this.framingBroken(Http2Code.PROTOCOL_ERROR, 'a stream below the last one');
  }

  #headArrived(streamId: number, head: RequestHead, isLast: boolean): void {
    this.#lastStream = streamId;
    if (streamId > this.#goawayStream) {
      this.#ended.add(streamId, true);
      this.#limits.spend(1);
      return;
    }
    if (!this.#limits.mayAnswer()) return;
    if (this.streams.size >= this.#maxStreams) return this.#turnAway(streamId, isLast, Http2Code.REFUSED_STREAM);
    if (head.isTooLong) {
      this.#host.refused('headers');
      return this.#turnAway(streamId, isLast, Http2Code.ENHANCE_YOUR_CALM);
    }
    const isShort = isLast && head.contentLength > 0;
    if (head.problem !== '' || isShort || this.#dependsOnItself) {
      this.#host.refused('malformed');
      return this.#turnAway(streamId, isLast, Http2Code.PROTOCOL_ERROR);
    }
    const stream = new ServerStream(streamId, isLast, head.contentLength, this.windows.initial, streamWindow);
    this.streams.add(stream);
    this.#host.requestArrived(stream, head);
    if (isLast && !stream.isClosed) stream.request?.requestEnded();
    if (streamId > lastUsableStream) this.leave();
  }

  #trailersArrived(stream: ServerStream, head: RequestHead, isLast: boolean): void {
    if (stream.hasEnded) return this.refuse(stream, Http2Code.STREAM_CLOSED);
    if (head.isTooLong) this.#host.refused('headers');
    if (head.isTooLong || head.trailersProblem !== '' || !isLast) return this.refuse(stream, Http2Code.PROTOCOL_ERROR);
    this.#requestEnded(stream);
  }

  #requestEnded(stream: ServerStream): void {
    stream.hasEnded = true;
    if (stream.announcedBytes >= 0 && stream.receivedBytes !== stream.announcedBytes) this.refuse(stream, Http2Code.PROTOCOL_ERROR);
    else stream.request?.requestEnded();
  }

  /** A stream that never becomes one. */
  #turnAway(streamId: number, isLast: boolean, code: Http2Code): void {
    putReset(this.#out, streamId, code);
    this.#ended.add(streamId, !isLast);
    this.#limits.spendReset();
  }

  /** DATA of a stream that has ended. */
  #strayArrived(streamId: number): void {
    if (this.#ended.wasCutOff(streamId)) return;
    putReset(this.#out, streamId, Http2Code.STREAM_CLOSED);
    this.#limits.spend(1);
  }

  #resetArrived(streamId: number): void {
    if (this.isIdle(streamId)) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'RST_STREAM of no stream');
    const stream = this.streams.get(streamId);
    if (stream !== null) {
      stream.hasEnded = true;
      this.#forget(stream, false);
      this.#tellClosed(stream);
    }
    this.#limits.spendReset();
  }

  /** For {@link AnswerWriter}. A caller that goes on sending is told that it need not. */
  answerEnded(stream: ServerStream, isLater: boolean): void {
    this.#limits.earn();
    if (!stream.hasEnded) putReset(this.#out, stream.id, Http2Code.NO_ERROR);
    this.#forget(stream, true);
    if (isLater) this.#tellClosed(stream);
  }

  #forget(stream: ServerStream, isOurs: boolean): void {
    if (!this.streams.remove(stream)) return;
    stream.isClosed = true;
    this.windows.drop(stream);
    this.#ended.add(stream.id, isOurs && !stream.hasEnded);
    if (this.streams.size === 0) this.#host.streamsEnded();
  }

  #tellClosed(stream: ServerStream): void {
    const { request } = stream;
    stream.request = null;
    request?.streamClosed();
  }
}

/** The stream that a HEADERS frame with priority depends on. */
function dependency(flags: number, bytes: Buffer, from: number, to: number): number {
  const at = (flags & FrameFlag.PADDED) !== 0 ? from + 1 : from;
  return to - at < 5 ? 0 : readUint31(bytes, at);
}
