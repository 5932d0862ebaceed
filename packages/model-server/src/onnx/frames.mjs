// Messages between this process and one that runs models, over a stream: a header of four u32 (kind, call id, bytes of meta,
// bytes of payload), the meta as JSON, the payload. Plain JavaScript because the other side is started from this file's folder
// as it stands, in a source tree as in a published package.

/** Kinds of messages. */
export const FrameKind = Object.freeze({ load: 1, loaded: 2, infer: 3, result: 4, failed: 5 });

const HEADER_BYTES = 16;
const MAX_META_BYTES = 16 * 1024 * 1024;
const ALIGNMENT = 8;

/**
 * Position of each part in a payload, every one aligned so that it can be looked at as an array of its type.
 *
 * @param {readonly number[]} lengths
 * @returns {{ positions: number[], total: number }}
 */
export function layOut(lengths) {
  const positions = [];
  let at = 0;
  for (const length of lengths) {
    positions.push(at);
    at += Math.ceil(length / ALIGNMENT) * ALIGNMENT;
  }
  return { positions, total: at };
}

/**
 * One message as bytes.
 *
 * @param {number} kind
 * @param {number} id
 * @param {unknown} meta
 * @param {readonly Uint8Array[]} parts
 * @returns {Uint8Array}
 */
export function encodeFrame(kind, id, meta, parts) {
  const text = Buffer.from(JSON.stringify(meta));
  const { positions, total } = layOut(parts.map((part) => part.length));
  const frame = Buffer.allocUnsafe(HEADER_BYTES + text.length + total);
  frame.writeUInt32LE(kind, 0);
  frame.writeUInt32LE(id, 4);
  frame.writeUInt32LE(text.length, 8);
  frame.writeUInt32LE(total, 12);
  frame.set(text, HEADER_BYTES);
  const start = HEADER_BYTES + text.length;
  for (let index = 0; index < parts.length; index++)
    frame.set(/** @type {Uint8Array} */ (parts[index]), start + /** @type {number} */ (positions[index]));
  return frame;
}

/**
 * Cuts a stream into messages. Every payload is memory of its own, aligned, and belongs to the receiver.
 */
export class FrameReader {
  /** @param {(kind: number, id: number, meta: any, payload: Uint8Array) => void} receive */
  constructor(receive) {
    this.receive = receive;
    this.head = Buffer.alloc(HEADER_BYTES);
    this.headEnd = 0;
    /** @type {Uint8Array | null} */
    this.meta = null;
    this.metaEnd = 0;
    this.payload = new Uint8Array(0);
    this.payloadEnd = 0;
  }

  /** @param {Uint8Array} chunk */
  push(chunk) {
    let at = 0;
    for (;;) {
      if (this.meta === null) {
        const taken = Math.min(HEADER_BYTES - this.headEnd, chunk.length - at);
        this.head.set(chunk.subarray(at, at + taken), this.headEnd);
        this.headEnd += taken;
        at += taken;
        if (this.headEnd < HEADER_BYTES) return;
        const metaBytes = this.head.readUInt32LE(8);
        if (metaBytes > MAX_META_BYTES) throw new RangeError('a message is out of step');
        this.meta = new Uint8Array(metaBytes);
        this.metaEnd = 0;
        this.payload = new Uint8Array(this.head.readUInt32LE(12));
        this.payloadEnd = 0;
      }
      const metaTaken = Math.min(this.meta.length - this.metaEnd, chunk.length - at);
      this.meta.set(chunk.subarray(at, at + metaTaken), this.metaEnd);
      this.metaEnd += metaTaken;
      at += metaTaken;
      const payloadTaken = Math.min(this.payload.length - this.payloadEnd, chunk.length - at);
      this.payload.set(chunk.subarray(at, at + payloadTaken), this.payloadEnd);
      this.payloadEnd += payloadTaken;
      at += payloadTaken;
      if (this.metaEnd < this.meta.length || this.payloadEnd < this.payload.length) return;
      const meta = JSON.parse(Buffer.from(this.meta.buffer, 0, this.meta.length).toString());
      this.meta = null;
      this.headEnd = 0;
      this.receive(this.head.readUInt32LE(0), this.head.readUInt32LE(4), meta, this.payload);
    }
  }
}
