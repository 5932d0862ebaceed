import type { AnswerHead } from '../client/answer-head.js';
import type { UnaryCall } from '../client/unary-call.js';
import { AnswerMessage } from './answer-message.js';

/** How far the answer has come. */
export const StreamPhase = {
  /** Waiting for the response headers; informational ones may come before. */
  HEAD: 0,
  /** DATA or trailers may come. */
  BODY: 1,
  /** The stream is over for this side: ended, reset or lost. */
  CLOSED: 2,
} as const;
export type StreamPhase = (typeof StreamPhase)[keyof typeof StreamPhase];

/** One call on one stream: what is left to send, and the answer as far as it came. The only object a call costs the connection. */
export class Stream extends AnswerMessage {
  readonly id: number;
  /** `null` once the call ended or was cancelled. */
  call: UnaryCall | null;
  phase: StreamPhase = StreamPhase.HEAD;
  /** What had been heard from the peer when the call was sent. */
  readonly heardAtStart: number;
  /** The block that held the gRPC status. */
  verdict: AnswerHead | null = null;
  isGzip = false;
  /** Bytes the peer lets us send. May be negative after the peer shrank its windows. */
  sendWindow: number;
  /** Bytes we let the peer send. */
  receiveWindow: number;
  /** The framed request while a part of it waits for windows, from the pool; `null` when everything was sent. */
  body: Buffer | null = null;
  bodyAt = 0;
  bodyEnd = 0;
  /** Links of the queue of streams that can send when the connection can. */
  isQueued = false;
  queuePrevious: Stream | null = null;
  queueNext: Stream | null = null;
  /** Link of the table of open streams. */
  tableNext: Stream | null = null;

  constructor(id: number, call: UnaryCall, heardAtStart: number, sendWindow: number, receiveWindow: number) {
    super();
    this.id = id;
    this.call = call;
    this.heardAtStart = heardAtStart;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }
}
