// A message in the slab. It is written behind room for all frame heads of its DATA, and then cut by moving the pieces to the left:
//
//   written   | 9 9 9 | flag length message ...................................... |
//   cut       | 9 flag length mess | 9 age ............... | 9 .................. |
//
// A message that fits one frame, the usual case, is not moved at all.
import type { BufferPool } from '../buffer-pool.js';
import type { BodyWriter } from '../client/unary-call.js';
import { plainView } from '../plain-view.js';
import { FrameType, frameHeadBytes, putFrameHead, putGrpcHead } from './frames.js';

/** Bytes before a message in a gRPC body. */
export const grpcHeadBytes = 5;

/** Bytes that {@link putMessage} needs on end. */
export function messageRoom(messageBytes: number, maxFrame: number): number {
  const bodyBytes = messageBytes + grpcHeadBytes;
  return Math.ceil(bodyBytes / maxFrame) * frameHeadBytes + bodyBytes;
}

/**
 * Puts a gRPC message in DATA frames; returns where they end. Throws what `message.write` throws.
 * @param lastFlags flags of the last frame
 */
export function putMessage(
  bytes: Uint8Array,
  at: number,
  message: BodyWriter,
  streamId: number,
  maxFrame: number,
  lastFlags: number,
): number {
  const length = message.byteLength;
  const bodyBytes = length + grpcHeadBytes;
  const frames = Math.ceil(bodyBytes / maxFrame);
  const bodyAt = at + frames * frameHeadBytes;
  message.write(bytes, putGrpcHead(bytes, bodyAt, length));
  let end = at;
  for (let frame = 0, left = bodyBytes; frame < frames; frame++) {
    const piece = Math.min(left, maxFrame);
    left -= piece;
    const pieceAt = bodyAt + frame * maxFrame;
    end = putFrameHead(bytes, end, piece, FrameType.DATA, left === 0 ? lastFlags : 0, streamId);
    if (pieceAt !== end) bytes.copyWithin(end, pieceAt, pieceAt + piece);
    end += piece;
  }
  return end;
}

/** A gRPC message in its frame, in a buffer of the pool. Throws what `message.write` throws, and then nothing was taken. */
export function frameMessage(message: BodyWriter, pool: BufferPool): Buffer {
  const length = message.byteLength;
  const body = pool.take(length + grpcHeadBytes);
  try {
    message.write(plainView(body), putGrpcHead(body, 0, length));
  } catch (error) {
    pool.give(body);
    throw error;
  }
  return body;
}
