// A request on its way out. Whole into the slab where it fits and the windows are open, which is the usual case:
//
//   | 9 HEADERS | [20] block | 9 DATA | flag u8 | length u32 | message |      20: says that our table is empty, where that has to be said
//
// else the headers alone, with CONTINUATION where they are long, and the framed message in a buffer of the pool, which SendWindows sends.
import type { BufferPool } from '../buffer-pool.js';
import type { UnaryCall } from '../client/unary-call.js';
import { defaultMaxFrame, FrameFlag, FrameType, frameHeadBytes, putFrameHead } from './frames.js';
import { frameMessage, grpcHeadBytes, messageRoom, putMessage } from './message-writer.js';
import { mostWholeBytes, type OutSlab } from './out-slab.js';
import { putRequestBlock, type RequestBlock } from './request-block.js';
import { emptyTable } from './static-table.js';
import type { Stream } from './stream.js';

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
  const at = out.reserve(frameHeadBytes + 1 + block.mostBytes + messageRoom(call.byteLength, maxFrame));
  const bytes = out.bytes;
  const blockAt = at + frameHeadBytes;
  if (tellsTable) bytes[blockAt] = emptyTable;
  const blockEnd = putRequestBlock(bytes, tellsTable ? blockAt + 1 : blockAt, block, remainingMs);
  const end = putMessage(bytes, blockEnd, call, stream.id, maxFrame, FrameFlag.END_STREAM);
  putFrameHead(bytes, at, blockEnd - blockAt, FrameType.HEADERS, FrameFlag.END_HEADERS, stream.id);
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
  stream.body = frameMessage(call, pool);
  stream.bodyEnd = call.byteLength + grpcHeadBytes;
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
