import { Http2Code } from '../http2/frames.js';
import { HpackEncoder } from './hpack-encoder.js';

/** One frame, as bytes. */
export function h2Frame(type: number, flags: number, streamId: number, payload: Uint8Array = Buffer.alloc(0)): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

export function uint32(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  values.forEach((value, i) => bytes.writeUInt32BE(value >>> 0, 4 * i));
  return bytes;
}

/** A SETTINGS frame. */
export function settingsFrame(...settings: (readonly [id: number, value: number])[]): Buffer {
  return h2Frame(
    4,
    0,
    0,
    Buffer.concat(
      settings.map(([id, value]) => {
        const bytes = Buffer.alloc(6);
        bytes.writeUInt16BE(id, 0);
        bytes.writeUInt32BE(value, 2);
        return bytes;
      }),
    ),
  );
}

export const settingsAck: Buffer = h2Frame(4, 1, 0);
export const goawayFrame = (lastStream: number, code: number = Http2Code.NO_ERROR): Buffer => h2Frame(7, 0, 0, uint32(lastStream, code));
export const resetFrame = (streamId: number, code: number): Buffer => h2Frame(3, 0, streamId, uint32(code));
export const windowFrame = (streamId: number, increment: number): Buffer => h2Frame(8, 0, streamId, uint32(increment));

/** A header block without dynamic table or Huffman. */
export function block(...fields: (readonly [string, string])[]): Buffer {
  let turn = 0;
  // Dice that choose: no size update, no indexing, a literal that is not added, plain strings.
  return new HpackEncoder(0, () => [1, 4, 4, 1, 1, 1][turn++ % 6]!).encode(fields);
}

/** How the frames of an answer are cut and dressed. */
export interface Dress {
  /** Bytes of one DATA frame, asked for each. */
  dataSize(): number;
  /** Padding of a frame; −1 for none at all. */
  padding(): number;
  /** Bytes of a fragment of a header block. */
  fragmentSize(): number;
  /** Frames to put between others, where that is allowed. */
  between(): Buffer;
}

export const plainDress: Dress = { dataSize: () => 16_384, padding: () => -1, fragmentSize: () => 16_384, between: () => Buffer.alloc(0) };

/** A header block in HEADERS and CONTINUATION frames. */
export function headerFrames(streamId: number, bytes: Buffer, isLast: boolean, dress: Dress = plainDress): Buffer {
  const frames: Buffer[] = [];
  let at = 0;
  let isFirst = true;
  do {
    const piece = bytes.subarray(at, at + dress.fragmentSize());
    at += piece.length;
    const isEnd = at >= bytes.length;
    const padding = isFirst ? dress.padding() : -1;
    const payload = padding < 0 ? piece : Buffer.concat([Buffer.of(padding), piece, Buffer.alloc(padding)]);
    const flags = (isFirst && isLast ? 1 : 0) | (isEnd ? 4 : 0) | (padding < 0 ? 0 : 8);
    frames.push(h2Frame(isFirst ? 1 : 9, flags, streamId, payload));
    isFirst = false;
  } while (at < bytes.length);
  return Buffer.concat(frames);
}

/** Bytes in DATA frames. */
export function dataFrames(streamId: number, bytes: Buffer, isLast: boolean, dress: Dress = plainDress): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < bytes.length || (isLast && frames.length === 0); ) {
    const piece = bytes.subarray(at, at + dress.dataSize());
    at += piece.length;
    const padding = dress.padding();
    const payload = padding < 0 ? piece : Buffer.concat([Buffer.of(padding), piece, Buffer.alloc(padding)]);
    frames.push(h2Frame(0, (isLast && at >= bytes.length ? 1 : 0) | (padding < 0 ? 0 : 8), streamId, payload), dress.between());
  }
  return Buffer.concat(frames);
}

/** A frame that was read by {@link cutFrames}. */
export interface CutFrame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

/** Whole frames at the beginning of the bytes, and the rest. */
export function cutFrames(bytes: Buffer): { frames: CutFrame[]; rest: Buffer } {
  const frames: CutFrame[] = [];
  let at = 0;
  while (bytes.length - at >= 9) {
    const length = bytes.readUIntBE(at, 3);
    if (bytes.length - at - 9 < length) break;
    frames.push({
      type: bytes[at + 3]!,
      flags: bytes[at + 4]!,
      streamId: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, at + 9 + length),
    });
    at += 9 + length;
  }
  return { frames, rest: bytes.subarray(at) };
}
