/** Kinds of messages. */
export const FrameKind: { readonly load: 1; readonly loaded: 2; readonly infer: 3; readonly result: 4; readonly failed: 5 };

/** Position of each part in a payload, every one aligned so that it can be looked at as an array of its type. */
export function layOut(lengths: readonly number[]): { positions: number[]; total: number };

/** One message as bytes. */
export function encodeFrame(kind: number, id: number, meta: unknown, parts: readonly Uint8Array[]): Uint8Array;

/** Cuts a stream into messages. Every payload is memory of its own, aligned, and belongs to the receiver. */
export class FrameReader {
  // The meta has the shape that the sender of this kind of message gave it.
  // biome-ignore lint/suspicious/noExplicitAny: both ends are in this folder and agree on it
  constructor(receive: (kind: number, id: number, meta: any, payload: Uint8Array) => void);
  push(chunk: Uint8Array): void;
}
