// A request in the slab. The message is written behind room for all frame heads of its DATA, and then cut by moving the pieces to the left:
//
//   written   | HEADERS | 9 9 9 | flag length message ...................................... |
//   cut       | HEADERS | 9 flag length mess | 9 age ............... | 9 .................. |
//
// A message that fits one frame, the usual case, is not moved at all.
import type { BufferPool } from '../buffer-pool.js';
import type { UnaryCall } from '../client/unary-call.js';
import { plainView } from '../plain-view.js';
import { defaultMaxFrame, FrameFlag, FrameType, frameHeadBytes, putFrameHead, putGrpcHead } from './frames.js';
import { type OutSlab, slabBytes } from './out-slab.js';
import { putRequestBlock, type RequestBlock } from './request-block.js';
import type { Stream } from './stream.js';

/** Bytes before a message in a gRPC body. */
export const grpcHeadBytes = 5;
/** Dynamic table size update to 0: the first byte of a block when the peer has to be told that our table is empty for good. */
const emptyTable = 0x20;
const mostWholeBytes = slabBytes / 2;

/** True when a request fits a slab on end, and its headers one frame. */
export function fitsSlab(block: RequestBlock, bodyBytes: number): boolean {
  return bodyBytes <= mostWholeBytes && block.mostBytes < defaultMaxFrame;
}

/**
 * Puts a whole request into the slab; the windows must be open for it. Throws what `call.write` throws, and then nothing was put.
 * @param tellsTable whether the block begins with the update of the table size
 */
export function putWholeRequest(
  out: OutSlab,
  stream: Stream,
  call: UnaryCall,
  block: RequestBlock,
  remainingMs: number,
  maxFrame: number,
  tellsTable: boolean,
): void {
  const length = call.byteLength;
  const bodyBytes = length + grpcHeadBytes;
  const frames = Math.ceil(bodyBytes / maxFrame);
  const at = out.reserve((frames + 1) * frameHeadBytes + 1 + block.mostBytes + bodyBytes);
  const bytes = out.bytes;
  const blockAt = at + frameHeadBytes;
  if (tellsTable) bytes[blockAt] = emptyTable;
  const blockEnd = putRequestBlock(bytes, tellsTable ? blockAt + 1 : blockAt, block, remainingMs);
  const bodyAt = blockEnd + frames * frameHeadBytes;
  call.write(bytes, putGrpcHead(bytes, bodyAt, length));
  putFrameHead(bytes, at, blockEnd - blockAt, FrameType.HEADERS, FrameFlag.END_HEADERS, stream.id);
  let end = blockEnd;
  for (let frame = 0, left = bodyBytes; frame < frames; frame++) {
    const piece = Math.min(left, maxFrame);
    left -= piece;
    const pieceAt = bodyAt + frame * maxFrame;
    end = putFrameHead(bytes, end, piece, FrameType.DATA, left === 0 ? FrameFlag.END_STREAM : 0, stream.id);
    if (pieceAt !== end) bytes.copyWithin(end, pieceAt, pieceAt + piece);
    end += piece;
  }
  out.at = end;
}

/** Puts the headers of a request; the framed message waits in a buffer of the pool as the stream's body. Throws what `call.write` throws, and then nothing was put or taken. */
export function putQueuedRequest(
  out: OutSlab,
  stream: Stream,
  call: UnaryCall,
  block: RequestBlock,
  remainingMs: number,
  pool: BufferPool,
  tellsTable: boolean,
): void {
  const length = call.byteLength;
  const body = pool.take(length + grpcHeadBytes);
  try {
    call.write(plainView(body), putGrpcHead(body, 0, length));
  } catch (error) {
    pool.give(body);
    throw error;
  }
  stream.body = body;
  stream.bodyEnd = length + grpcHeadBytes;
  const whole = new Uint8Array(block.mostBytes + 1);
  whole[0] = emptyTable;
  const to = putRequestBlock(whole, 1, block, remainingMs);
  for (let from = tellsTable ? 0 : 1, type: number = FrameType.HEADERS; from < to; type = FrameType.CONTINUATION) {
    const piece = Math.min(to - from, defaultMaxFrame);
    const at = out.reserve(frameHeadBytes + piece);
    const isLast = from + piece === to;
    const pieceAt = putFrameHead(out.bytes, at, piece, type, isLast ? FrameFlag.END_HEADERS : 0, stream.id);
    out.bytes.set(whole.subarray(from, from + piece), pieceAt);
    out.at = pieceAt + piece;
    from += piece;
  }
}
