/** Who serves the request of a {@link ServerStream}. */
export interface StreamRequest {
  /** Bytes of the body, a view of what was read: valid until this returns, or, when they are the last (`isLast`), until `requestEnded` does. */
  dataArrived(bytes: Buffer, isLast: boolean): void;
  /** The whole request is here. */
  requestEnded(): void;
  /** The stream is over: answered, reset or lost. Called once, unless the answer that ended it came from inside the request's own call. */
  streamClosed(): void;
}

/** One request on one stream, and the answer as far as it has not left. */
export class ServerStream {
  readonly id: number;
  request: StreamRequest | null = null;
  /** The caller ended its side. */
  hasEnded: boolean;
  /** The stream has left the table. */
  isClosed = false;
  /** Bytes of the body that were announced, −1 when they were not. */
  readonly announcedBytes: number;
  receivedBytes = 0;
  /** Bytes the caller lets us send. May be negative after it shrank its windows. */
  sendWindow: number;
  /** Bytes we let the caller send. */
  receiveWindow: number;
  /** The body of the answer while a part of it waits for windows, from the pool. */
  body: Buffer | null = null;
  bodyAt = 0;
  bodyEnd = 0;
  /** What follows the body; `null` ends the stream with its last DATA. */
  trailers: Uint8Array | null = null;
  isQueued = false;
  queuePrevious: ServerStream | null = null;
  queueNext: ServerStream | null = null;
  tableNext: ServerStream | null = null;

  constructor(id: number, hasEnded: boolean, announcedBytes: number, sendWindow: number, receiveWindow: number) {
    this.id = id;
    this.hasEnded = hasEnded;
    this.announcedBytes = announcedBytes;
    this.sendWindow = sendWindow;
    this.receiveWindow = receiveWindow;
  }
}
