// The client's side of one HTTP/2 connection: bytes from the socket become frames, frames become the ends of streams.
//
//   read ─► FrameReader ─┬─ DATA ──────────► flow control ─► Stream (AnswerMessage) ─┐
//                        ├─ HEADERS, CONT. ► BlockCollector ─► HpackDecoder ─► phase ─┼─► SessionHost
//                        ├─ RST_STREAM, GOAWAY ───────────────────────────────────────┘
//                        └─ SETTINGS, PING, WINDOW_UPDATE ─► settings, answers, SendWindows.pump
//
// The host is told of a stream after it has left the table, so from inside it may start and cancel whatever it likes.
import type { BufferPool } from '../buffer-pool.js';
import { bodyFailure } from '../client/answer.js';
import { type AnswerHead, digestAnswerHead, malformedFailure } from '../client/answer-head.js';
import type { UnaryCall } from '../client/unary-call.js';
import type { CallFailure } from '../failure.js';
import { ReadState } from '../message-reader.js';
import { BlockCollector, BlockState, largestBlock } from './block-collector.js';
import { putGoaway, putGreeting, putPing, putPingAck, putReset, putSettingsAck, putWindowUpdate } from './control-frames.js';
import { FrameReader, type FrameSink } from './frame-reader.js';
import { frameFault } from './frame-rules.js';
import { FrameFlag, FrameType, Http2Code, readUint31, readUint32 } from './frames.js';
import { HpackDecoder } from './hpack-decoder.js';
import { grpcHeadBytes } from './message-writer.js';
import type { OutSlab } from './out-slab.js';
import { PeerSettings } from './peer-settings.js';
import { requestBlockOf } from './request-block.js';
import { fitsSlab, putQueuedRequest, putWholeRequest } from './request-writer.js';
import { Stream, StreamPhase } from './stream.js';
import { StreamTable } from './stream-table.js';
import { mostFrameBytes, ReceiveWindow, SendWindows } from './windows.js';

const own = { streamWindow: 16 * 1024 * 1024, connectionWindow: 16 * 1024 * 1024, maxFrame: 128 * 1024, maxHeaderListBytes: largestBlock };
const hpackLimits = { maxTableBytes: 4096, maxListBytes: own.maxHeaderListBytes };
/** When the socket holds more than this, new calls are refused, and a peer that makes us answer more is cut off. */
export const mostBacklogBytes: number = 8 * 1024 * 1024;
/** Stream ids run out at 2³¹; a connection is replaced before. */
const lastUsableStream = 0x7000_0000;

/** Whom a {@link ClientSession} tells. */
export interface SessionHost {
  /** The peer's first SETTINGS came: calls may be started. */
  greeted(): void;
  /** More calls may fit. */
  limitsChanged(): void;
  /** The peer takes no streams above {@link ClientSession.lastStream}. */
  goawayArrived(): void;
  pingAnswered(): void;
  /** The answer is complete as HTTP/2 goes; what it says is in the stream. */
  answerEnded(stream: Stream): void;
  /** The answer cannot be used; the stream was reset. */
  answerRefused(stream: Stream, failure: CallFailure): void;
  /** The peer reset the stream. `hasBegun` when the headers of an answer had come. */
  streamReset(stream: Stream, code: number, hasBegun: boolean): void;
  /** The peer broke the protocol: GOAWAY was put, the socket must be closed. */
  sessionBroken(problem: string): void;
}

/** See the top of the file. */
export class ClientSession implements FrameSink {
  /** Counts frames of answers: a peer that sends some is alive. */
  heard = 0;
  /** Last stream the peer processes, −1 before a GOAWAY. */
  lastStream = -1;
  isGreeted = false;
  readonly streams: StreamTable<Stream> = new StreamTable();
  readonly settings: PeerSettings = new PeerSettings();
  readonly windows: SendWindows<Stream>;
  readonly #host: SessionHost;
  readonly #out: OutSlab;
  readonly #pool: BufferPool;
  readonly #isTls: boolean;
  readonly #reader: FrameReader = new FrameReader(this, own.maxFrame);
  readonly #hpack: HpackDecoder<AnswerHead> = new HpackDecoder(hpackLimits, digestAnswerHead);
  readonly #blocks: BlockCollector = new BlockCollector();
  readonly #received: ReceiveWindow = new ReceiveWindow(own.connectionWindow);
  /** Streams whose message lies in the read buffer. */
  readonly #inRead: Stream[] = [];
  /** What content-length promises, by open stream. Beside the streams, because answers hardly ever have one. */
  readonly #lengths = new Map<number, number>();
  #dataStream: Stream | null = null;
  #nextId = 1;
  /** Table size the peer believes that we use at most. */
  #toldTableBytes = 4096;
  #tellsTable = false;
  #pings = 0;

  constructor(host: SessionHost, out: OutSlab, pool: BufferPool, isTls: boolean) {
    this.#host = host;
    this.#out = out;
    this.#pool = pool;
    this.#isTls = isTls;
    this.windows = new SendWindows(out, pool);
  }

  /** The id of the next stream. */
  get nextId(): number {
    return this.#nextId;
  }

  /** True when the ids of streams run out. */
  get isUsedUp(): boolean {
    return this.#nextId > lastUsableStream;
  }

  greet(): void {
    putGreeting(this.#out, own);
  }

  /** Puts a request; null when its headers are longer than the peer takes. Throws what `call.write` throws, and then nothing was put. */
  start(call: UnaryCall): Stream | null {
    const block = requestBlockOf(call.head, this.#isTls);
    if (block.listBytes > this.settings.maxHeaderListBytes) return null;
    const bodyBytes = call.byteLength + grpcHeadBytes;
    const { windows } = this;
    const stream = new Stream(this.#nextId, call, this.heard, windows.initial, own.streamWindow);
    const remainingMs = call.deadline === Number.POSITIVE_INFINITY ? call.deadline : call.deadline - performance.now();
    if (fitsSlab(block, bodyBytes) && windows.areOpenFor(bodyBytes)) {
      putWholeRequest(this.#out, stream, call, block, remainingMs, windows.maxFrame, this.#tellsTable);
      windows.connection -= bodyBytes;
      stream.sendWindow -= bodyBytes;
    } else {
      putQueuedRequest(this.#out, stream, call, block, remainingMs, this.#pool, this.#tellsTable);
      windows.add(stream);
      windows.pump();
    }
    this.#tellsTable = false;
    this.#nextId += 2;
    this.streams.add(stream);
    return stream;
  }

  /** Ends an open stream with RST_STREAM. */
  reset(stream: Stream, code: Http2Code): void {
    if (!this.forget(stream)) return;
    putReset(this.#out, stream.id, code);
    stream.release(this.#pool);
  }

  /** Takes a stream out without a word to the peer; its message is kept. False when it was out. */
  forget(stream: Stream): boolean {
    if (!this.streams.remove(stream)) return false;
    stream.phase = StreamPhase.CLOSED;
    if (this.#lengths.size > 0) this.#lengths.delete(stream.id);
    this.windows.drop(stream);
    return true;
  }

  /** Takes what a read brought; the bytes may be overwritten afterwards. */
  feed(bytes: Buffer, from: number, to: number): void {
    this.#reader.feed(bytes, from, to);
    const inRead = this.#inRead;
    for (let i = 0; i < inRead.length; i++) if (inRead[i]!.phase !== StreamPhase.CLOSED) inRead[i]!.settle(this.#pool);
    if (inRead.length > 0) inRead.length = 0;
  }

  /** Ignores everything that comes from now on. */
  stop(): void {
    this.#reader.stop();
  }

  ping(): void {
    putPing(this.#out, ++this.#pings);
  }

  dataBegan(streamId: number, length: number): void {
    this.heard++;
    if (!this.#mayCome(FrameType.DATA, streamId)) return;
    if (streamId === 0 || this.#isIdle(streamId)) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'DATA of no stream');
    const back = this.#received.take(length);
    if (back > 0) putWindowUpdate(this.#out, 0, back);
    // A stream that is not here any more was reset, and its DATA was on the way.
    const stream = this.streams.get(streamId);
    this.#dataStream = stream;
    if (stream === null) return;
    stream.receiveWindow -= length;
    if (stream.phase === StreamPhase.HEAD) this.#refuse(stream, Http2Code.PROTOCOL_ERROR, malformedFailure('DATA before the headers'));
    else if (stream.receiveWindow < own.streamWindow / 2) {
      // As with the connection: half of it is left, so no peer can exceed it.
      putWindowUpdate(this.#out, streamId, own.streamWindow - stream.receiveWindow);
      stream.receiveWindow = own.streamWindow;
    }
  }

  dataArrived(bytes: Buffer, from: number, to: number): void {
    const stream = this.#dataStream;
    if (stream === null || stream.phase === StreamPhase.CLOSED || stream.call === null) return;
    const state = stream.push(bytes, from, to, stream.call.maxAnswerBytes, this.#pool);
    if (state !== ReadState.OK) this.#refuse(stream, Http2Code.CANCEL, bodyFailure(state, stream, stream.call.maxAnswerBytes));
    else if (stream.isInRead) this.#inRead.push(stream);
  }

  dataEnded(isLast: boolean): void {
    const stream = this.#dataStream;
    this.#dataStream = null;
    if (isLast && stream !== null && stream.phase !== StreamPhase.CLOSED) this.#end(stream);
  }

  frameArrived(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void {
    if (!this.#mayCome(type, streamId)) return;
    const fault = frameFault(type, flags, streamId, to - from);
    if (fault !== null) return this.framingBroken(fault.code, fault.problem);
    switch (type) {
      case FrameType.HEADERS:
        if (streamId === 0 || this.#isIdle(streamId)) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'HEADERS of no stream');
        return this.#blockWent(this.#blocks.begin(flags, streamId, bytes, from, to), streamId);
      case FrameType.CONTINUATION:
        if (this.#blocks.streamId === 0) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'CONTINUATION of no header block');
        return this.#blockWent(this.#blocks.add(flags, bytes, from, to), streamId);
      case FrameType.RST_STREAM:
        return this.#resetArrived(streamId, bytes, from);
      case FrameType.SETTINGS:
        return this.#settingsArrived(flags, bytes, from, to);
      case FrameType.PING:
        return this.#pingArrived(flags, bytes, from);
      case FrameType.GOAWAY:
        return this.#goawayArrived(bytes, from);
      case FrameType.WINDOW_UPDATE:
        return this.#windowOpened(streamId, bytes, from);
      case FrameType.PUSH_PROMISE:
        return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'PUSH_PROMISE, though push is switched off');
    }
  }

  framingBroken(code: Http2Code, problem: string): void {
    this.stop();
    putGoaway(this.#out, code);
    this.#host.sessionBroken(problem);
  }

  /** SETTINGS come first, and nothing comes between the frames of a header block. */
  #mayCome(type: number, streamId: number): boolean {
    if (!this.isGreeted && type !== FrameType.SETTINGS) this.framingBroken(Http2Code.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    else if (this.#blocks.streamId !== 0 && (type !== FrameType.CONTINUATION || streamId !== this.#blocks.streamId))
      this.framingBroken(Http2Code.PROTOCOL_ERROR, 'another frame within a header block');
    else return true;
    return false;
  }

  #isIdle(streamId: number): boolean {
    return (streamId & 1) === 0 || streamId >= this.#nextId;
  }

  #blockWent(state: BlockState, streamId: number): void {
    const blocks = this.#blocks;
    if (state === BlockState.OPEN) return;
    if (state === BlockState.BAD_PADDING) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'HEADERS with more padding than payload');
    if (state === BlockState.TOO_LARGE)
      return this.framingBroken(Http2Code.ENHANCE_YOUR_CALM, `a header block above ${largestBlock} bytes`);
    this.heard++;
    const head = this.#hpack.decode(blocks.bytes, blocks.from, blocks.to);
    if (head === null) return this.framingBroken(Http2Code.COMPRESSION_ERROR, `a header block with ${this.#hpack.problem}`);
    const stream = this.streams.get(streamId);
    if (stream !== null) this.#headArrived(stream, head, blocks.isLast);
  }

  #headArrived(stream: Stream, head: AnswerHead, isLast: boolean): void {
    if (head.malformed !== null) return this.#refuse(stream, Http2Code.PROTOCOL_ERROR, head.malformed);
    if (stream.phase === StreamPhase.BODY) {
      if (head.httpStatus !== 0) return this.#refuse(stream, Http2Code.PROTOCOL_ERROR, malformedFailure('trailers with a :status'));
      if (!isLast) return this.#refuse(stream, Http2Code.PROTOCOL_ERROR, malformedFailure('trailers that do not end the stream'));
      stream.verdict = head;
      if (stream.call?.wantsMetadata === true) stream.call.answerTrailers = head.fields;
      return this.#end(stream);
    }
    if (head.httpStatus === 0) return this.#refuse(stream, Http2Code.PROTOCOL_ERROR, malformedFailure('headers without a :status'));
    if (head.httpStatus < 200) {
      if (isLast) this.#refuse(stream, Http2Code.PROTOCOL_ERROR, malformedFailure('informational headers that end the stream'));
      return;
    }
    stream.phase = StreamPhase.BODY;
    stream.isGzip = head.isGzip;
    if (head.contentLength >= 0) this.#lengths.set(stream.id, head.contentLength);
    if (stream.call?.wantsMetadata === true) {
      if (head.hasGrpcStatus) stream.call.answerTrailers = head.fields;
      else stream.call.answerHeaders = head.fields;
    }
    if (head.hasGrpcStatus) stream.verdict = head;
    else if (head.headFailure !== null) return this.#refuse(stream, Http2Code.CANCEL, head.headFailure, isLast);
    if (isLast) this.#end(stream);
  }

  /** The peer ended the stream. A request it did not want to read to the end is of no use any more. */
  #end(stream: Stream): void {
    if (this.#lengths.size > 0 && !this.#hasPromisedLength(stream))
      return this.#refuse(stream, Http2Code.PROTOCOL_ERROR, malformedFailure('a content-length other than that of its DATA'), true);
    const isSent = stream.body === null;
    this.forget(stream);
    if (!isSent) putReset(this.#out, stream.id, Http2Code.CANCEL);
    this.#host.answerEnded(stream);
  }

  #hasPromisedLength(stream: Stream): boolean {
    const length = stream.isEmpty ? 0 : grpcHeadBytes + stream.received;
    return (this.#lengths.get(stream.id) ?? length) === length;
  }

  #refuse(stream: Stream, code: Http2Code, failure: CallFailure, isOver = false): void {
    if (isOver && stream.body === null) {
      this.forget(stream);
      stream.release(this.#pool);
    } else this.reset(stream, code);
    this.#host.answerRefused(stream, failure);
  }

  #resetArrived(streamId: number, bytes: Buffer, from: number): void {
    if (streamId === 0 || this.#isIdle(streamId)) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'RST_STREAM of no stream');
    const stream = this.streams.get(streamId);
    if (stream === null) return;
    this.heard++;
    const hasBegun = stream.phase === StreamPhase.BODY;
    this.forget(stream);
    this.#host.streamReset(stream, readUint32(bytes, from), hasBegun);
  }

  #settingsArrived(flags: number, bytes: Buffer, from: number, to: number): void {
    const isAck = (flags & FrameFlag.ACK) !== 0;
    if (isAck && !this.isGreeted) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    if (isAck) return;
    const { settings, windows } = this;
    const before = settings.initialWindow;
    const code = settings.apply(bytes, from, to);
    if (code !== Http2Code.NO_ERROR) return this.framingBroken(code, settings.problem);
    if (!this.#mayAnswer()) return;
    putSettingsAck(this.#out);
    windows.maxFrame = Math.min(settings.maxFrame, mostFrameBytes);
    if (settings.headerTableBytes < this.#toldTableBytes) {
      this.#toldTableBytes = 0;
      this.#tellsTable = true;
    }
    const change = settings.initialWindow - before;
    windows.initial = settings.initialWindow;
    if (change !== 0)
      for (const stream of this.streams.list())
        if (!windows.openStream(stream, change)) return this.framingBroken(Http2Code.FLOW_CONTROL_ERROR, 'a window above 2³¹ − 1');
    windows.pump();
    if (this.isGreeted) this.#host.limitsChanged();
    else {
      this.isGreeted = true;
      this.#host.greeted();
    }
  }

  #pingArrived(flags: number, bytes: Buffer, from: number): void {
    if ((flags & FrameFlag.ACK) === 0) {
      if (this.#mayAnswer()) putPingAck(this.#out, bytes, from);
    } else if (readUint32(bytes, from + 4) === this.#pings) this.#host.pingAnswered();
  }

  /** A peer that asks without reading our answers must not fill our memory. */
  #mayAnswer(): boolean {
    if (this.#out.backlog <= mostBacklogBytes) return true;
    this.framingBroken(Http2Code.ENHANCE_YOUR_CALM, 'it asks more than it reads');
    return false;
  }

  #goawayArrived(bytes: Buffer, from: number): void {
    const last = readUint31(bytes, from);
    // A peer may lower the limit, never raise it.
    this.lastStream = this.lastStream < 0 ? last : Math.min(this.lastStream, last);
    this.#host.goawayArrived();
  }

  #windowOpened(streamId: number, bytes: Buffer, from: number): void {
    const increment = readUint31(bytes, from);
    const { windows } = this;
    if (streamId === 0) {
      if (increment === 0) this.framingBroken(Http2Code.PROTOCOL_ERROR, 'WINDOW_UPDATE by 0');
      else if (!windows.openConnection(increment)) this.framingBroken(Http2Code.FLOW_CONTROL_ERROR, 'a window above 2³¹ − 1');
      return;
    }
    if (this.#isIdle(streamId)) return this.framingBroken(Http2Code.PROTOCOL_ERROR, 'WINDOW_UPDATE of no stream');
    const stream = this.streams.get(streamId);
    if (stream === null) return;
    if (increment === 0) this.#refuse(stream, Http2Code.PROTOCOL_ERROR, malformedFailure('WINDOW_UPDATE by 0'));
    else if (windows.openStream(stream, increment)) windows.pump();
    else this.#refuse(stream, Http2Code.FLOW_CONTROL_ERROR, malformedFailure('a window above 2³¹ − 1'));
  }
}
