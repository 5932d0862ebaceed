import { type DeadlineEntry, deadlines } from '../deadline-queue.js';
import { Http2Code } from '../http2/frames.js';
import type { ServerSession } from '../http2/server-session.js';
import type { ServerStream, StreamRequest } from '../http2/server-stream.js';
import type { CallerConnection } from './caller-connection.js';
import type { HotCallHost } from './hot-call.js';

/** Bytes of a request that are waited for and thrown away before it is answered. */
const mostReadBytes = 65_536;

/** A request that is no gRPC call, on a stream of our own HTTP/2: read, thrown away, and answered with words. */
export class OtherRequest implements StreamRequest, DeadlineEntry {
  deadlinePlace = -1;
  readonly #host: HotCallHost;
  readonly #caller: CallerConnection;
  readonly #session: ServerSession;
  readonly #stream: ServerStream;
  readonly #head: Uint8Array;
  readonly #text: Uint8Array;
  #readBytes = 0;
  #unsentBytes = 0;
  #isAnswered = false;

  /** @param head the header block of the answer */
  constructor(host: HotCallHost, caller: CallerConnection, stream: ServerStream, head: Uint8Array, text: Uint8Array, now: number) {
    this.#host = host;
    this.#caller = caller;
    this.#session = caller.session;
    this.#stream = stream;
    this.#head = head;
    this.#text = text;
    stream.request = this;
    host.load.coldInFlight++;
    deadlines.add(this, now + host.options.receiveTimeoutMs);
  }

  dataArrived(bytes: Buffer): void {
    this.#readBytes += bytes.length;
    if (this.#readBytes > mostReadBytes) this.requestEnded();
  }

  requestEnded(): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#unsentBytes = this.#session.answerBytes(this.#stream, this.#head, this.#text);
    this.#host.load.heldBytes += this.#unsentBytes;
    deadlines.add(this, performance.now() + this.#host.options.sendTimeoutMs);
    if (this.#stream.isClosed) this.streamClosed();
    else if (!this.#caller.answerQueued(this.#unsentBytes)) this.#host.options.onRefused?.('slow-reader', 'other');
  }

  streamClosed(): void {
    deadlines.remove(this);
    this.#host.load.coldInFlight--;
    this.#host.load.heldBytes -= this.#unsentBytes;
    this.#caller.answerGone(this.#unsentBytes);
    this.#unsentBytes = 0;
  }

  /** For the queue: the request did not arrive, or the answer was not taken, in time. */
  deadlinePassed(): void {
    this.#host.options.onRefused?.(this.#isAnswered ? 'slow-reader' : 'receive-timeout', 'other');
    this.#session.reset(this.#stream, Http2Code.CANCEL);
  }
}
