// A hot call on a stream of our own HTTP/2. How its bytes lie on the wire: caller-connection.ts.
import type { BodyWriter } from '../client/unary-call.js';
import type { CallFailure } from '../failure.js';
import { GrpcCode } from '../grpc-code.js';
import type { GrpcStatus } from '../grpc-status.js';
import { answerBlock, okTrailers, statusBlock } from '../http2/answer-block.js';
import { Http2Code } from '../http2/frames.js';
import type { RequestHead } from '../http2/request-head.js';
import type { ServerSession } from '../http2/server-session.js';
import type { ServerStream, StreamRequest } from '../http2/server-stream.js';
import { Inflation, type InflationHost } from '../inflate-message.js';
import { grpcType, protoType } from '../is-grpc-content-type.js';
import { RequestProblem } from '../request-frame.js';
import type { CallerConnection } from './caller-connection.js';
import { HotCall, type HotCallHost } from './hot-call.js';
import type { RecentRefusal } from './recent-refusal.js';
import type { HotMethod } from './server-call.js';

const okHead = answerBlock(200, { 'content-type': grpcType });
const okProtoHead = answerBlock(200, { 'content-type': protoType });

/** A hot call on a stream of our own HTTP/2. */
export class LeanCall extends HotCall implements StreamRequest, InflationHost {
  readonly #caller: CallerConnection;
  readonly #session: ServerSession;
  readonly #stream: ServerStream;
  readonly #head: RequestHead;

  constructor(host: HotCallHost, method: HotMethod, caller: CallerConnection, stream: ServerStream, head: RequestHead, now: number) {
    super(host, method, now + head.timeoutMs, now);
    this.#caller = caller;
    this.#session = caller.session;
    this.#stream = stream;
    this.#head = head;
    stream.request = this;
  }

  header(name: string): string | undefined {
    const { fields } = this.#head;
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) return fields[i + 1];
    return undefined;
  }

  headerValues(name: string): readonly string[] {
    const { fields } = this.#head;
    const values: string[] = [];
    for (let i = 0; i < fields.length; i += 2) if (fields[i] === name) values.push(fields[i + 1] ?? '');
    return values;
  }

  protected get recent(): RecentRefusal {
    return this.#caller.recent;
  }

  protected get isGone(): boolean {
    return this.#stream.isClosed;
  }

  protected putAnswer(body: BodyWriter): number {
    const head = this.#head.contentType === protoType ? okProtoHead : okHead;
    return this.#session.answer(this.#stream, head, body, okTrailers);
  }

  protected putStatus(status: GrpcStatus): void {
    if (!this.#stream.isClosed) this.#session.answerHead(this.#stream, statusBlock(grpcType, status));
  }

  protected resetStream(): void {
    this.#session.reset(this.#stream, Http2Code.CANCEL);
  }

  protected answerPut(unsentBytes: number): boolean {
    if (!this.#stream.isClosed) return this.#caller.answerQueued(unsentBytes);
    // It left whole: nobody will tell.
    this.streamClosed();
    return true;
  }

  protected answerGone(unsentBytes: number): void {
    this.#caller.answerGone(unsentBytes);
  }

  protected override inflate(message: Uint8Array): void {
    if (this.#head.encoding === '') {
      super.inflate(message);
      return;
    }
    // As the other listener takes it: nothing is nothing, however it is compressed.
    if (message.length === 0) {
      this.handle(message);
      return;
    }
    const inflation = new Inflation('request', message.slice(), this.maxMessageBytes, this);
    this.scope.attach(inflation);
    inflation.start();
  }

  /** For the inflation: what comes of a message is held from the first byte on. */
  grown(byteLength: number): boolean {
    return this.hold(byteLength);
  }

  /** For the inflation. */
  inflated(result: Uint8Array | CallFailure): void {
    if (result instanceof Uint8Array) this.handle(result);
    else if (result.code === GrpcCode.RESOURCE_EXHAUSTED) this.tooLarge(null);
    else this.malformed(RequestProblem.DAMAGED);
  }
}
