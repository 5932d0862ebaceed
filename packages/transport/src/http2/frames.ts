// Every HTTP/2 frame (RFC 9113 §4.1):
//
//   byte  0 1 2   3     4      5 6 7 8        9 …
//         length  type  flags  R|stream id    payload of `length` bytes
//
// Payloads that matter here:
//
//   DATA           [pad length]  bytes  [padding]
//   HEADERS        [pad length]  [priority 5]  block fragment  [padding]
//   CONTINUATION   block fragment
//   RST_STREAM     code u32
//   SETTINGS       (id u16, value u32)*
//   PING           8 opaque bytes
//   GOAWAY         R|last stream id u32, code u32, debug bytes
//   WINDOW_UPDATE  R|increment u32

/** Bytes of a frame head. */
export const frameHeadBytes = 9;

/** Frame types. */
export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const;

/** Frame flags; ACK and END_STREAM share a bit. */
export const FrameFlag = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 32 } as const;

/** Settings of a connection. */
export const SettingId = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const;

/** Error codes of RST_STREAM and GOAWAY. */
export const Http2Code = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  SETTINGS_TIMEOUT: 4,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  CONNECT_ERROR: 10,
  ENHANCE_YOUR_CALM: 11,
  INADEQUATE_SECURITY: 12,
  HTTP_1_1_REQUIRED: 13,
} as const;
export type Http2Code = (typeof Http2Code)[keyof typeof Http2Code];

/** Largest flow-control window, and largest stream id. */
export const largestUint31 = 0x7fff_ffff;
/** Window of a connection, and of a stream, before anything else was agreed. */
export const defaultWindow = 65_535;
/** Largest frame payload before anything else was agreed. */
export const defaultMaxFrame = 16_384;
/** Largest frame payload that can be agreed. */
export const largestMaxFrame = 0xff_ffff;
/** What a client says first. */
export const clientPreface: Uint8Array = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** Reads a big-endian 32-bit number. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

/** Reads a stream id or window increment: 31 bits, the reserved bit is ignored. */
export function readUint31(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! & 0x7f) << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Writes a big-endian 32-bit number; returns where it ends. */
export function putUint32(target: Uint8Array, at: number, value: number): number {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
  return at + 4;
}

/** Writes a frame head; returns where it ends. */
export function putFrameHead(target: Uint8Array, at: number, length: number, type: number, flags: number, streamId: number): number {
  target[at] = length >>> 16;
  target[at + 1] = length >>> 8;
  target[at + 2] = length;
  target[at + 3] = type;
  target[at + 4] = flags;
  return putUint32(target, at + 5, streamId);
}

/** Writes the head of a gRPC message that is not compressed; returns where it ends. */
export function putGrpcHead(target: Uint8Array, at: number, messageBytes: number): number {
  target[at] = 0;
  return putUint32(target, at + 1, messageBytes);
}

/** Writes one setting; returns where it ends. */
export function putSetting(target: Uint8Array, at: number, id: number, value: number): number {
  target[at] = id >>> 8;
  target[at + 1] = id;
  return putUint32(target, at + 2, value);
}
