// How reads become frames:
//
//   read 1  | head DATA ------------- payload ---------------|     handed on part by part, straight from the read buffer
//   read 2  | rest of payload | head HEADERS payload | head W|     frames that are not DATA are handed on whole
//   read 3  |INDOW_UPDATE payload | …                        |     what a read cuts in two waits in the carry: 9 bytes of a head, or a
//                                                                  whole frame that is not DATA
//
// Bytes of DATA are never joined here: whoever puts a message together copies them once, to where they belong.
import { FrameFlag, FrameType, frameHeadBytes, Http2Code, readUint31 } from './frames.js';

/** Frames other than DATA above this size end the connection: they are read whole. */
export const largestControlFrame = 65_536;

/** Whom a {@link FrameReader} tells. Any method may stop the reader. */
export interface FrameSink {
  /** A DATA frame begins. `length` is what flow control counts, with padding. */
  dataBegan(streamId: number, length: number): void;
  /**
   * Bytes of the DATA frame that began last, without padding. Valid until this returns, or, when they are the last of the stream (`isLast`),
   * until `dataEnded` does, which follows at once.
   */
  dataArrived(bytes: Buffer, from: number, to: number, isLast: boolean): void;
  /** The DATA frame that began last is complete. */
  dataEnded(isLast: boolean): void;
  /** A whole frame of another known type. The payload is valid until this returns. */
  frameArrived(type: number, flags: number, streamId: number, bytes: Buffer, from: number, to: number): void;
  /** The bytes are not HTTP/2 as agreed: the connection must be closed with this code. The reader has stopped. */
  framingBroken(code: Http2Code, problem: string): void;
}

const headOnly = 0;
const inData = 1;
const inPadLength = 2;
const inFrame = 3;
const inSkipped = 4;

/** Cuts the bytes of one direction of a connection into frames, however reads have cut them. */
export class FrameReader {
  /** True once the reader was stopped: what follows is ignored. */
  isStopped = false;
  readonly #sink: FrameSink;
  readonly #maxFrame: number;
  /** What goes on when the next read comes. */
  #state = headOnly;
  /** Payload bytes of the frame that are still to come, without padding. */
  #left = 0;
  #padding = 0;
  #flags = 0;
  #type = 0;
  #streamId = 0;
  /** The beginning of a frame that a read cut off, from its head on. */
  #carry: Buffer = Buffer.allocUnsafeSlow(64);
  #carried = 0;

  /** @param maxFrame the announced SETTINGS_MAX_FRAME_SIZE */
  constructor(sink: FrameSink, maxFrame: number) {
    this.#sink = sink;
    this.#maxFrame = maxFrame;
  }

  /** Ignores everything from now on. */
  stop(): void {
    this.isStopped = true;
  }

  /** Takes what a read brought. The bytes may be overwritten when this has returned. */
  feed(bytes: Buffer, from: number, to: number): void {
    let at = from;
    while (at < to && !this.isStopped) {
      if (this.#state === headOnly)
        at = this.#carried === 0 && to - at >= frameHeadBytes ? this.#takeFrames(bytes, at, to) : this.#carryHead(bytes, at, to);
      else if (this.#state === inData) at = this.#takeData(bytes, at, to);
      else if (this.#state === inPadLength) at = this.#takePadLength(bytes, at);
      else if (this.#state === inFrame) at = this.#carryFrame(bytes, at, to);
      else at = this.#skip(at, to);
    }
  }

  /** Whole frames that lie in the read, one after the other. */
  #takeFrames(bytes: Buffer, start: number, to: number): number {
    let at = start;
    while (to - at >= frameHeadBytes) {
      const length = (bytes[at]! << 16) | (bytes[at + 1]! << 8) | bytes[at + 2]!;
      this.#type = bytes[at + 3]!;
      this.#flags = bytes[at + 4]!;
      this.#streamId = readUint31(bytes, at + 5);
      const payload = at + frameHeadBytes;
      const isWhole = this.#type !== FrameType.DATA && this.#type <= FrameType.CONTINUATION && length <= to - payload;
      if (!isWhole) {
        this.#begin(length, bytes, at);
        // A DATA frame may be empty: then there is nothing to wait for.
        if (this.#state === inData && this.#left === 0 && this.#padding === 0) this.#endData();
        return payload;
      }
      if (!this.#isWelcome(length)) return to;
      this.#sink.frameArrived(this.#type, this.#flags, this.#streamId, bytes, payload, payload + length);
      at = payload + length;
      if (this.isStopped) return to;
    }
    return at;
  }

  #isWelcome(length: number): boolean {
    if (length > this.#maxFrame)
      return this.#break(Http2Code.FRAME_SIZE_ERROR, `a frame of ${length} bytes, ${this.#maxFrame} are allowed`);
    if (this.#type !== FrameType.DATA && this.#type <= FrameType.CONTINUATION && length > largestControlFrame)
      return this.#break(Http2Code.ENHANCE_YOUR_CALM, `a frame of type ${this.#type} and ${length} bytes`);
    return true;
  }

  /** Sets the state for a frame whose payload is not here as a whole. */
  #begin(length: number, head: Buffer, headAt: number): void {
    if (!this.#isWelcome(length)) return;
    this.#left = length;
    this.#padding = 0;
    if (this.#type === FrameType.DATA) {
      const isPadded = (this.#flags & FrameFlag.PADDED) !== 0;
      if (isPadded && length === 0) {
        this.#break(Http2Code.FRAME_SIZE_ERROR, 'a padded DATA frame without a pad length');
        return;
      }
      this.#state = isPadded ? inPadLength : inData;
      this.#sink.dataBegan(this.#streamId, length);
    } else if (this.#type > FrameType.CONTINUATION) {
      // Extensions are ignored, but the sink has to know: within a header block there must be none.
      this.#state = length === 0 ? headOnly : inSkipped;
      this.#sink.frameArrived(this.#type, this.#flags, this.#streamId, head, headAt, headAt);
    } else {
      this.#state = inFrame;
      this.#carried = 0;
      if (this.#carry.length < length) this.#carry = Buffer.allocUnsafeSlow(Math.max(length, 1024));
    }
  }

  #takeData(bytes: Buffer, at: number, to: number): number {
    const here = Math.min(this.#left, to - at);
    if (here > 0) {
      this.#left -= here;
      const isLast = this.#left === 0 && this.#padding === 0 && (this.#flags & FrameFlag.END_STREAM) !== 0;
      this.#sink.dataArrived(bytes, at, at + here, isLast);
      if (this.isStopped) return to;
    }
    let end = at + here;
    if (this.#left === 0 && this.#padding > 0) {
      const padding = Math.min(this.#padding, to - end);
      this.#padding -= padding;
      end += padding;
    }
    if (this.#left === 0 && this.#padding === 0) this.#endData();
    return end;
  }

  #endData(): void {
    this.#state = headOnly;
    if (!this.isStopped) this.#sink.dataEnded((this.#flags & FrameFlag.END_STREAM) !== 0);
  }

  #takePadLength(bytes: Buffer, at: number): number {
    const padding = bytes[at]!;
    if (padding >= this.#left) {
      this.#break(Http2Code.PROTOCOL_ERROR, 'a DATA frame with more padding than payload');
      return at;
    }
    this.#left -= 1 + padding;
    this.#padding = padding;
    this.#state = inData;
    if (this.#left === 0 && padding === 0) this.#endData();
    return at + 1;
  }

  /** Collects a head that reads have cut. */
  #carryHead(bytes: Buffer, from: number, to: number): number {
    let at = from;
    while (at < to && this.#carried < frameHeadBytes) this.#carry[this.#carried++] = bytes[at++]!;
    if (this.#carried < frameHeadBytes) return at;
    const head = this.#carry;
    this.#carried = 0;
    const length = (head[0]! << 16) | (head[1]! << 8) | head[2]!;
    this.#type = head[3]!;
    this.#flags = head[4]!;
    this.#streamId = readUint31(head, 5);
    this.#begin(length, head, 0);
    if (this.#state === inData && this.#left === 0) this.#endData();
    else if (this.#state === inFrame && length === 0) this.#endFrame();
    return at;
  }

  /** Collects a frame that reads have cut. */
  #carryFrame(bytes: Buffer, at: number, to: number): number {
    const here = Math.min(this.#left, to - at);
    bytes.copy(this.#carry, this.#carried, at, at + here);
    this.#carried += here;
    this.#left -= here;
    if (this.#left === 0) this.#endFrame();
    return at + here;
  }

  #endFrame(): void {
    const length = this.#carried;
    this.#carried = 0;
    this.#state = headOnly;
    if (!this.isStopped) this.#sink.frameArrived(this.#type, this.#flags, this.#streamId, this.#carry, 0, length);
  }

  #skip(at: number, to: number): number {
    const here = Math.min(this.#left, to - at);
    this.#left -= here;
    if (this.#left === 0) this.#state = headOnly;
    return at + here;
  }

  #break(code: Http2Code, problem: string): false {
    this.isStopped = true;
    this.#sink.framingBroken(code, problem);
    return false;
  }
}
