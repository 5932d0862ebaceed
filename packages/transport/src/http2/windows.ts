// Flow control. A message that waits:
//
//   body   | left already | may leave now | waits for WINDOW_UPDATE …  |
//          0              bodyAt          bodyAt + the smaller window  bodyEnd
import type { BufferPool } from '../buffer-pool.js';
import { defaultMaxFrame, defaultWindow, FrameFlag, FrameType, frameHeadBytes, largestUint31, putFrameHead } from './frames.js';
import type { OutSlab } from './out-slab.js';

/** Largest DATA frame that is sent, whatever the peer allows: two must fit a slab. */
export const mostFrameBytes: number = 120 * 1024;
/** While the socket holds more than this, DATA waits where it is: the peer's windows must not become our memory. */
export const dataBacklogBytes: number = 1024 * 1024;

/** What {@link SendWindows} needs of a stream. */
export interface SendingStream<S> {
  readonly id: number;
  /** Bytes the peer lets us send on it. May be negative after the peer shrank its windows. */
  sendWindow: number;
  /** The framed message while a part of it waits for windows, from the pool; `null` when everything was sent. */
  body: Buffer | null;
  bodyAt: number;
  bodyEnd: number;
  /** Links of the queue of streams that can send when the connection can. */
  isQueued: boolean;
  queuePrevious: S | null;
  queueNext: S | null;
}

/** What the peer lets us send, and the messages that wait for it. */
export class SendWindows<S extends SendingStream<S>> {
  /** Bytes that all streams together may send. */
  connection: number = defaultWindow;
  /** Window of a new stream. */
  initial: number = defaultWindow;
  /** Largest DATA frame. */
  maxFrame: number = defaultMaxFrame;
  /** Bytes of DATA that were put, less what whoever reads this has taken into account. */
  sentBytes = 0;
  readonly #out: OutSlab;
  readonly #pool: BufferPool;
  readonly #bodyEnded: ((stream: S) => void) | null;
  #first: S | null = null;
  #last: S | null = null;

  /** @param bodyEnded told when the last DATA of a stream was put, to put what follows; without it the last DATA ends the stream */
  constructor(out: OutSlab, pool: BufferPool, bodyEnded: ((stream: S) => void) | null = null) {
    this.#out = out;
    this.#pool = pool;
    this.#bodyEnded = bodyEnded;
  }

  /** True when so many bytes of a new stream may be sent at once. */
  areOpenFor(byteLength: number): boolean {
    return byteLength <= this.connection && byteLength <= this.initial && this.#first === null && this.#out.backlog < dataBacklogBytes;
  }

  /** Takes a stream with a body in; {@link SendWindows.pump} sends it. */
  add(stream: S): void {
    if (stream.isQueued || stream.body === null) return;
    stream.isQueued = true;
    stream.queuePrevious = this.#last;
    stream.queueNext = null;
    if (this.#last === null) this.#first = stream;
    else this.#last.queueNext = stream;
    this.#last = stream;
  }

  /** Forgets what is left of a stream's body. */
  drop(stream: S): void {
    this.#unqueue(stream);
    if (stream.body !== null) this.#pool.give(stream.body);
    stream.body = null;
  }

  /** The peer opened the connection's window. False on overflow. */
  openConnection(bytes: number): boolean {
    this.connection += bytes;
    if (this.connection > largestUint31) return false;
    this.pump();
    return true;
  }

  /** The peer opened a stream's window, or with a negative number of bytes shrank it. False on overflow. */
  openStream(stream: S, bytes: number): boolean {
    stream.sendWindow += bytes;
    if (stream.sendWindow > largestUint31) return false;
    if (stream.sendWindow > 0) this.add(stream);
    return true;
  }

  /** DATA of a stream was put. */
  sent(stream: S, byteLength: number): void {
    stream.sendWindow -= byteLength;
    this.connection -= byteLength;
    this.sentBytes += byteLength;
  }

  /** Sends what windows and socket allow, in the order the calls came. A stream whose own window is shut leaves the queue until that opens. */
  pump(): void {
    for (let stream = this.#first; stream !== null; stream = this.#first) {
      if (!this.#send(stream)) return;
      this.#unqueue(stream);
    }
  }

  /** False when the connection or the socket stops everything. */
  #send(stream: S): boolean {
    const body = stream.body;
    if (body === null) return true;
    const out = this.#out;
    while (stream.bodyAt < stream.bodyEnd) {
      if (this.connection <= 0 || out.backlog >= dataBacklogBytes) return false;
      if (stream.sendWindow <= 0) return true;
      const length = Math.min(stream.bodyEnd - stream.bodyAt, this.maxFrame, this.connection, stream.sendWindow);
      const isLast = this.#bodyEnded === null && stream.bodyAt + length === stream.bodyEnd;
      const at = out.reserve(frameHeadBytes + length);
      const dataAt = putFrameHead(out.bytes, at, length, FrameType.DATA, isLast ? FrameFlag.END_STREAM : 0, stream.id);
      out.bytes.set(body.subarray(stream.bodyAt, stream.bodyAt + length), dataAt);
      out.at = dataAt + length;
      stream.bodyAt += length;
      this.sent(stream, length);
    }
    this.#pool.give(body);
    stream.body = null;
    this.#bodyEnded?.(stream);
    return true;
  }

  #unqueue(stream: S): void {
    if (!stream.isQueued) return;
    stream.isQueued = false;
    if (stream.queuePrevious === null) this.#first = stream.queueNext;
    else stream.queuePrevious.queueNext = stream.queueNext;
    if (stream.queueNext === null) this.#last = stream.queuePrevious;
    else stream.queueNext.queuePrevious = stream.queuePrevious;
    stream.queuePrevious = null;
    stream.queueNext = null;
  }
}

/** What we let the peer send on the connection as a whole. Bytes are given back in large portions. */
export class ReceiveWindow {
  readonly #size: number;
  #left: number;

  /** @param size the window that was announced */
  constructor(size: number) {
    this.#size = size;
    this.#left = size;
  }

  /**
   * Counts bytes that came; returns how much is to be given back now, most often 0. Half the window is left at that time, far more than a
   * frame may hold, so a peer cannot exceed it.
   */
  take(bytes: number): number {
    this.#left -= bytes;
    if (this.#left > this.#size / 2) return 0;
    const back = this.#size - this.#left;
    this.#left = this.#size;
    return back;
  }
}
