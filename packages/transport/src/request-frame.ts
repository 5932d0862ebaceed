// The body of a unary request is one message in its frame, and nothing else:
//
//   | flag u8: 0, or 1 for compressed | length u32 | message |
//
// What is wrong with another body is said in the same words on every path.
import { GrpcCode } from './grpc-code.js';
import type { GrpcStatus } from './grpc-status.js';

const headBytes = 5;

/** The texts for a body that is not one message. */
export const RequestProblem = {
  NO_FRAME: 'the request does not start with a gRPC frame',
  NO_MESSAGE: 'the request holds no message',
  SURPLUS: 'the request holds more than one message',
  HEAD_CUT: 'the request ends within the head of its message',
  DAMAGED: 'the body cannot be decompressed: it is damaged, or ends too early',
} as const;

/** A message that is marked as compressed, and nobody knows how: INTERNAL, as gRPC has it. */
export const unnamedCompression: GrpcStatus = {
  code: GrpcCode.INTERNAL,
  message: 'the request message is marked as compressed, but grpc-encoding names no compression',
};

/** For a `grpc-timeout` that cannot be read. */
export const badTimeout: GrpcStatus = {
  code: GrpcCode.INVALID_ARGUMENT,
  message: 'grpc-timeout is not of the form digits and one of H M S m u n',
};

/** What is known of a message that has not arrived whole. */
export interface PartialMessage {
  readonly isEmpty: boolean;
  readonly hasHead: boolean;
  readonly received: number;
  readonly announced: number;
}

/** The text for a body that ends too early. */
export function incompleteRequest({ isEmpty, hasHead, received, announced }: PartialMessage): string {
  if (isEmpty) return RequestProblem.NO_MESSAGE;
  return hasHead ? `the request ends after ${received} of ${announced} message bytes` : RequestProblem.HEAD_CUT;
}

/** The text for a message that is longer than its method takes. */
export function tooLargeRequest(bytes: number | null, path: string, maxBytes: number): string {
  const length = bytes === null ? 'too many bytes when decompressed' : `${bytes} bytes`;
  return `the request message has ${length}, the limit of ${path} is ${maxBytes}`;
}

/** Looks at the frame of a body that passes by and is put together elsewhere. */
export class RequestFrameScan implements PartialMessage {
  announced = 0;
  readonly #maxBytes: number;
  #at = 0;

  /** @param maxBytes of a longer message nothing is said: whoever puts it together refuses it */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get isEmpty(): boolean {
    return this.#at === 0;
  }

  get hasHead(): boolean {
    return this.#at >= headBytes;
  }

  get received(): number {
    return Math.max(this.#at - headBytes, 0);
  }

  /** Takes the next bytes of the body. A text when they make it no request. */
  push(chunk: Uint8Array): string | null {
    let from = 0;
    for (; from < chunk.length && this.#at < headBytes; from++, this.#at++) {
      const byte = chunk[from]!;
      if (this.#at > 0) this.announced = ((this.announced << 8) | byte) >>> 0;
      else if (byte > 1) return RequestProblem.NO_FRAME;
    }
    this.#at += chunk.length - from;
    return this.#isLong || this.received <= this.announced ? null : RequestProblem.SURPLUS;
  }

  /** The body ended. A text when it is not whole. */
  end(): string | null {
    return this.#isLong || (this.hasHead && this.received === this.announced) ? null : incompleteRequest(this);
  }

  get #isLong(): boolean {
    return this.hasHead && this.announced > this.#maxBytes;
  }
}
