// An answer on its way out: HEADERS, DATA, HEADERS with the status. Whole into the slab where the windows are open, which is the usual case:
//
//   | 9 head | 9 flag length message | 9 trailers |                   all in one go, nothing is kept
//
// else the framed message goes into a buffer of the pool, and SendWindows sends it as windows open; the trailers follow its last DATA.
import type { BufferPool } from '../buffer-pool.js';
import type { BodyWriter } from '../client/unary-call.js';
import { defaultMaxFrame, FrameFlag, FrameType, frameHeadBytes, putFrameHead } from './frames.js';
import { frameMessage, grpcHeadBytes, messageRoom, putMessage } from './message-writer.js';
import { mostWholeBytes, type OutSlab } from './out-slab.js';
import type { ServerStream } from './server-stream.js';
import { emptyTable } from './static-table.js';
import { SendWindows } from './windows.js';

const endOfHead = FrameFlag.END_HEADERS;
const endOfStream = FrameFlag.END_HEADERS | FrameFlag.END_STREAM;

/** Whom an {@link AnswerWriter} tells. */
export interface AnswerSink {
  /**
   * The last frame of an answer was put.
   * @param isLater whether it had to wait: whoever put it knows nothing of its end yet
   */
  answerEnded(stream: ServerStream, isLater: boolean): void;
}

/** Puts the answers of a connection; see the top of the file. */
export class AnswerWriter {
  readonly windows: SendWindows<ServerStream>;
  readonly #sink: AnswerSink;
  readonly #out: OutSlab;
  readonly #pool: BufferPool;
  #tellsTable = false;
  /** The stream whose answer is being put right now. */
  #putting: ServerStream | null = null;

  constructor(sink: AnswerSink, out: OutSlab, pool: BufferPool) {
    this.#sink = sink;
    this.#out = out;
    this.#pool = pool;
    this.windows = new SendWindows(out, pool, (stream) => this.#bodyEnded(stream));
  }

  /** Begins the next block with the size of our table, which is 0. */
  tellTable(): void {
    this.#tellsTable = true;
  }

  /**
   * Puts a message between two blocks. Returns how many bytes of memory wait for windows, 0 when the answer was put whole. Throws what
   * `message.write` throws, and then nothing was put.
   */
  putMessage(stream: ServerStream, head: Uint8Array, message: BodyWriter, trailers: Uint8Array): number {
    const bodyBytes = message.byteLength + grpcHeadBytes;
    const { windows } = this;
    if (bodyBytes > stream.sendWindow || bodyBytes > mostWholeBytes || !windows.areOpenFor(bodyBytes)) {
      const body = frameMessage(message, this.#pool);
      this.#putBlock(stream.id, head, 0);
      return this.#queue(stream, body, bodyBytes, trailers);
    }
    const out = this.#out;
    const headBytes = head.length + (this.#tellsTable ? 1 : 0);
    const room = 2 * frameHeadBytes + headBytes + messageRoom(message.byteLength, windows.maxFrame) + trailers.length;
    const at = out.reserve(room);
    const bytes = out.bytes;
    const headAt = at + frameHeadBytes;
    const end = putMessage(bytes, headAt + headBytes, message, stream.id, windows.maxFrame, 0);
    if (this.#tellsTable) bytes[headAt] = emptyTable;
    this.#tellsTable = false;
    bytes.set(head, headAt + headBytes - head.length);
    putFrameHead(bytes, at, headBytes, FrameType.HEADERS, endOfHead, stream.id);
    const trailersAt = putFrameHead(bytes, end, trailers.length, FrameType.HEADERS, endOfStream, stream.id);
    bytes.set(trailers, trailersAt);
    out.at = trailersAt + trailers.length;
    windows.sent(stream, bodyBytes);
    this.#sink.answerEnded(stream, false);
    return 0;
  }

  /** Puts a block that is the whole answer. */
  putHead(stream: ServerStream, head: Uint8Array): void {
    this.#putBlock(stream.id, head, FrameFlag.END_STREAM);
    this.#sink.answerEnded(stream, false);
  }

  /** Puts a block and plain bytes. Returns how many bytes of memory wait for windows, 0 when the answer was put whole. */
  putBytes(stream: ServerStream, head: Uint8Array, bytes: Uint8Array): number {
    this.#putBlock(stream.id, head, 0);
    const body = this.#pool.take(bytes.length);
    body.set(bytes);
    return this.#queue(stream, body, bytes.length, null);
  }

  #queue(stream: ServerStream, body: Buffer, length: number, trailers: Uint8Array | null): number {
    stream.body = body;
    stream.bodyAt = 0;
    stream.bodyEnd = length;
    stream.trailers = trailers;
    this.#putting = stream;
    this.windows.add(stream);
    this.windows.pump();
    this.#putting = null;
    return stream.isClosed ? 0 : body.length;
  }

  /** For {@link SendWindows}: what follows the DATA. */
  #bodyEnded(stream: ServerStream): void {
    if (stream.trailers === null) {
      const at = this.#out.reserve(frameHeadBytes);
      this.#out.at = putFrameHead(this.#out.bytes, at, 0, FrameType.DATA, FrameFlag.END_STREAM, stream.id);
    } else this.#putBlock(stream.id, stream.trailers, FrameFlag.END_STREAM);
    this.#sink.answerEnded(stream, stream !== this.#putting);
  }

  /** A block in HEADERS and, where it is long (a status with many details), CONTINUATION. */
  #putBlock(streamId: number, block: Uint8Array, flags: number): void {
    let isFirst = true;
    let from = 0;
    do {
      const extra = isFirst && this.#tellsTable ? 1 : 0;
      const piece = Math.min(block.length - from, defaultMaxFrame - extra);
      const at = this.#out.reserve(frameHeadBytes + extra + piece);
      const { bytes } = this.#out;
      const type = isFirst ? FrameType.HEADERS : FrameType.CONTINUATION;
      const isLast = from + piece === block.length;
      const pieceAt = putFrameHead(bytes, at, extra + piece, type, (isFirst ? flags : 0) | (isLast ? endOfHead : 0), streamId);
      if (extra === 1) bytes[pieceAt] = emptyTable;
      bytes.set(block.subarray(from, from + piece), pieceAt + extra);
      this.#out.at = pieceAt + extra + piece;
      from += piece;
      isFirst = false;
      this.#tellsTable = false;
    } while (from < block.length);
  }
}
