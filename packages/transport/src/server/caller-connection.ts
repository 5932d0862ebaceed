// One connection of a caller on HTTP/2 of our own. A call and its answer as they lie on the wire (frame heads: http2/frames.ts):
//
//   ←  HEADERS  :method :path … grpc-timeout content-type …                             http2/hpack-decoder.ts, request-head.ts
//   ←  DATA     flag 0 | length u32 | message              END_STREAM                    message-reader.ts: a view of what was read, which the
//                                                                                        next read overwrites (read-in-place.ts)
//   →  HEADERS  88 content-type                                                          http2/answer-block.ts
//   →  DATA     flag 0 | length u32 | message                                            BodyWriter.write puts the message right here
//   →  HEADERS  grpc-status 0                              END_STREAM
//
// All three frames of an answer go into a slab, which leaves in one write when the turn ends (http2/out-slab.ts).
import type net from 'node:net';
import { messageBuffers } from '../buffer-pool.js';
import { type DeadlineEntry, deadlines } from '../deadline-queue.js';
import { GrpcCode } from '../grpc-code.js';
import type { GrpcStatus } from '../grpc-status.js';
import { answerBlock, statusBlock } from '../http2/answer-block.js';
import { Http2Code } from '../http2/frames.js';
import { type OutOwner, OutSlab } from '../http2/out-slab.js';
import { headersOf, type RequestHead } from '../http2/request-head.js';
import { ServerSession, type ServerSessionHost, type SessionRefusal } from '../http2/server-session.js';
import type { ServerStream } from '../http2/server-stream.js';
import { grpcType, isGrpcContentType, protoType } from '../is-grpc-content-type.js';
import { refusalOf } from './admission.js';
import type { HotCallHost } from './hot-call.js';
import { IdleWatch } from './idle-watch.js';
import { LeanCall } from './lean-call.js';
import { OtherRequest } from './other-request.js';
import { readInPlace } from './read-in-place.js';
import { RecentRefusal } from './recent-refusal.js';

const lingerMs = 1000;
const agedGraceMs = 60_000;

/** What a lean listener says to requests that it does not serve; made once. */
export interface Elsewhere {
  readonly unimplemented: Uint8Array;
  readonly head: Uint8Array;
  readonly text: Uint8Array;
}

/** Puts the answers to requests that are no hot calls into bytes. */
export function createElsewhere(text: string): Elsewhere {
  const bytes = new Uint8Array(Buffer.from(`${text}\n`));
  return {
    unimplemented: statusBlock(grpcType, { code: GrpcCode.UNIMPLEMENTED, message: text }),
    head: answerBlock(415, { 'content-type': 'text/plain; charset=utf-8', 'content-length': String(bytes.length) }),
    text: bytes,
  };
}

const unknownEncoding: GrpcStatus = {
  code: GrpcCode.UNIMPLEMENTED,
  message: 'the request is compressed in a way that is not known here; gzip and identity are',
};
const unknownEncodingBlock = statusBlock(grpcType, unknownEncoding, { 'grpc-accept-encoding': 'identity,gzip' });

/** See the top of the file. */
export class CallerConnection implements ServerSessionHost, OutOwner, DeadlineEntry {
  deadlinePlace = -1;
  readonly session: ServerSession;
  readonly recent: RecentRefusal = new RecentRefusal();
  readonly #host: HotCallHost;
  readonly #elsewhere: Elsewhere;
  readonly #socket: net.Socket;
  readonly #out: OutSlab;
  /** Bytes of answers that wait for the caller's windows. */
  #unsentBytes = 0;
  /** Bytes counted as held that wait in the socket. */
  #stuckBytes = 0;
  /** What had left the socket when the watch over it began. */
  #takenBytes = 0;
  #ageTimer: NodeJS.Timeout | null = null;
  #leaveTimer: NodeJS.Timeout | null = null;
  /** Bounds the wait for the caller's greeting, later for the rest of a header block. */
  #waitTimer: NodeJS.Timeout | null = null;
  #idleWatch: IdleWatch | null = null;
  #isLeaving = false;
  #hasLastWord = false;
  #isBroken = false;

  /** @param socket speaks HTTP/2 from its next byte on, preface included */
  constructor(socket: net.Socket, host: HotCallHost, elsewhere: Elsewhere) {
    const { options } = host;
    this.#socket = socket;
    this.#host = host;
    this.#elsewhere = elsewhere;
    this.#out = new OutSlab(socket, this);
    this.session = new ServerSession(this, this.#out, messageBuffers, options.maxConcurrentStreams);
    socket.on('data', (bytes: Buffer) => this.#read(bytes, bytes.length));
    readInPlace(socket, (bytes, length) => this.#read(bytes, length));
    socket.once('end', () => socket.destroy());
    socket.once('close', () => this.#closed());
    if (options.idleTimeoutMs > 0)
      this.#idleWatch = new IdleWatch(
        () => socket.bytesRead + socket.bytesWritten,
        options.idleTimeoutMs,
        () => {
          if (this.session.streams.size === 0) this.leave();
        },
      );
    if (options.maxConnectionAgeMs > 0) {
      this.#ageTimer = setTimeout(() => this.#aged(), options.maxConnectionAgeMs * (0.9 + Math.random() * 0.2));
      this.#ageTimer.unref();
    }
    this.#wait('handshake-timeout', 'no greeting came');
    options.onSession?.({ kind: 'opened', protocol: 'h2' });
    this.session.greet();
    socket.resume();
  }

  /** Says goodbye: no new streams, open ones end, then the connection closes. */
  leave(): void {
    if (this.#isLeaving || this.#isBroken || this.#socket.destroyed) return;
    this.#isLeaving = true;
    if (!this.session.isGreeted) {
      this.#socket.destroy();
      return;
    }
    this.session.announceLeave();
    this.#leaveIn(lingerMs, () => this.#sayLastWord());
  }

  /** An answer waits for the caller's windows. False when too many do: the connection is closed. */
  answerQueued(byteLength: number): boolean {
    this.#unsentBytes += byteLength;
    if (this.#unsentBytes <= this.#host.options.maxUnsentBytesPerConnection) return true;
    // Not from inside a call: its end has to be reported in order.
    setImmediate(() => this.#socket.destroy());
    return false;
  }

  answerGone(byteLength: number): void {
    this.#unsentBytes -= byteLength;
  }

  greeted(): void {
    this.#stopWaiting();
  }

  requestArrived(stream: ServerStream, head: RequestHead): void {
    const host = this.#host;
    const { options, load } = host;
    const now = performance.now();
    load.arrived(now);
    const { contentType } = head;
    const method = head.method === 'POST' && isHotType(contentType) ? options.hot.get(head.path) : undefined;
    if (method === undefined) {
      if (isGrpcContentType(contentType)) this.session.answerHead(stream, this.#elsewhere.unimplemented);
      // An answer to HEAD has no body, whatever its head says.
      else if (head.method === 'HEAD') this.session.answerHead(stream, this.#elsewhere.head);
      else new OtherRequest(host, this, stream, this.#elsewhere.head, this.#elsewhere.text, now);
      return;
    }
    if (head.encoding !== '' && head.encoding !== 'gzip') {
      this.session.answerHead(stream, unknownEncodingBlock);
      return;
    }
    const { timeoutMs, contentLength } = head;
    const refusal = refusalOf(host, method, { timeoutMs, contentLength, headers: () => headersOf(head.fields), recent: this.recent }, now);
    if (refusal === null) {
      new LeanCall(host, method, this, stream, head, now);
      return;
    }
    options.onRefused?.(refusal.reason, method.path);
    this.session.answerHead(stream, statusBlock(grpcType, refusal.status));
  }

  refused(reason: SessionRefusal): void {
    this.#host.options.onRefused?.(reason, 'other');
  }

  blockOpened(isOpen: boolean): void {
    if (!isOpen) this.#stopWaiting();
    else if (this.#waitTimer === null) this.#wait('receive-timeout', 'a header block was not complete in time');
  }

  leaveAnswered(): void {
    if (this.#isLeaving) this.#sayLastWord();
  }

  streamsEnded(): void {
    if (this.#hasLastWord) this.#linger();
  }

  sessionBroken(problem: string): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    this.#host.options.onSession?.({ kind: 'error', message: `a caller broke HTTP/2: ${problem}` });
    this.#stopWaiting();
    this.session.abandon();
    this.#out.send();
    // Closing at once, with bytes unread, could cost the caller the GOAWAY that tells it why.
    this.#socket.end();
    this.#leaveIn(lingerMs, () => this.#socket.destroy());
  }

  beforeWrite(): void {}

  /** Counts what the socket could not take, and watches that it moves. */
  stuck(): void {
    this.#hold(this.#out.backlog);
    if (this.deadlinePlace >= 0) return;
    this.#takenBytes = this.#taken();
    deadlines.add(this, performance.now() + this.#host.options.sendTimeoutMs);
  }

  drained(): void {
    if (this.#stuckBytes > 0) {
      this.#hold(0);
      deadlines.remove(this);
    }
    this.session.windows.pump();
  }

  /** For the queue: the socket has been full for a while. */
  deadlinePassed(): void {
    const taken = this.#taken();
    if (taken > this.#takenBytes) {
      this.#takenBytes = taken;
      deadlines.add(this, performance.now() + this.#host.options.sendTimeoutMs);
      return;
    }
    this.refused('slow-reader');
    this.#socket.destroy();
  }

  #read(bytes: Buffer, length: number): void {
    if (this.#isBroken) return;
    try {
      this.session.feed(bytes, 0, length);
    } catch (error) {
      // Nothing in there throws, short of a lack of memory: then this connection ends, and not the process.
      const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
      process.emitWarning(detail, { code: 'INFERFLOW_TRANSPORT_READ' });
      this.#socket.destroy();
    }
  }

  #taken(): number {
    return this.#socket.bytesWritten - this.#socket.writableLength;
  }

  #hold(byteLength: number): void {
    this.#host.load.heldBytes += byteLength - this.#stuckBytes;
    this.#stuckBytes = byteLength;
  }

  #aged(): void {
    this.#host.options.onSession?.({ kind: 'aged' });
    this.leave();
    this.#ageTimer = setTimeout(() => this.#socket.destroy(), agedGraceMs);
    this.#ageTimer.unref();
  }

  #sayLastWord(): void {
    if (this.#hasLastWord) return;
    this.#hasLastWord = true;
    this.session.leave();
    if (this.session.streams.size === 0) this.#linger();
    else if (this.#leaveTimer !== null) clearTimeout(this.#leaveTimer);
  }

  /**
   * Leaves it to the caller to close. Closing at once could reset the connection while requests of the caller are on their way, and
   * then it may never read the goodbye that tells it to repeat them elsewhere.
   */
  #linger(): void {
    this.#leaveIn(lingerMs, () => {
      this.#out.send();
      this.#socket.destroySoon();
    });
  }

  #leaveIn(ms: number, action: () => void): void {
    if (this.#leaveTimer !== null) clearTimeout(this.#leaveTimer);
    this.#leaveTimer = setTimeout(action, ms);
    this.#leaveTimer.unref();
  }

  #wait(reason: 'handshake-timeout' | 'receive-timeout', problem: string): void {
    this.#waitTimer = setTimeout(() => {
      this.#waitTimer = null;
      this.#host.options.onRefused?.(reason, '');
      this.session.framingBroken(Http2Code.ENHANCE_YOUR_CALM, problem);
    }, this.#host.options.handshakeTimeoutMs);
    this.#waitTimer.unref();
  }

  #stopWaiting(): void {
    if (this.#waitTimer === null) return;
    clearTimeout(this.#waitTimer);
    this.#waitTimer = null;
  }

  #closed(): void {
    this.#idleWatch?.close();
    this.#isBroken = true;
    for (const timer of [this.#ageTimer, this.#leaveTimer]) if (timer !== null) clearTimeout(timer);
    this.#stopWaiting();
    this.session.abandon();
    deadlines.remove(this);
    this.#hold(0);
    this.#out.close();
    this.#host.options.onSession?.({ kind: 'closed', protocol: 'h2' });
  }
}

/** Media types may be written with capitals; hardly anybody does. */
function isHotType(contentType: string): boolean {
  if (contentType === grpcType || contentType === protoType) return true;
  const type = contentType.toLowerCase();
  return type === grpcType || type === protoType;
}
