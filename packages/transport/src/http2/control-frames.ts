// Frames that are neither headers nor data; their bytes are drawn in frames.ts.
import {
  clientPreface,
  defaultWindow,
  FrameFlag,
  FrameType,
  type Http2Code,
  putFrameHead,
  putSetting,
  putUint32,
  SettingId,
} from './frames.js';
import type { OutSlab } from './out-slab.js';

const settingBytes = 6;

/** What a client announces in its first SETTINGS. */
export interface OwnSettings {
  readonly streamWindow: number;
  readonly connectionWindow: number;
  readonly maxFrame: number;
  readonly maxHeaderListBytes: number;
}

/** Preface, SETTINGS and the window of the connection: what a client says first. */
export function putGreeting(out: OutSlab, own: OwnSettings): void {
  const at = out.reserve(clientPreface.length);
  out.bytes.set(clientPreface, at);
  out.at = at + clientPreface.length;
  putSettings(out, [
    [SettingId.ENABLE_PUSH, 0],
    [SettingId.INITIAL_WINDOW_SIZE, own.streamWindow],
    [SettingId.MAX_FRAME_SIZE, own.maxFrame],
    [SettingId.MAX_HEADER_LIST_SIZE, own.maxHeaderListBytes],
  ]);
  putWindowUpdate(out, 0, own.connectionWindow - defaultWindow);
}

/** Puts a SETTINGS frame. */
export function putSettings(out: OutSlab, settings: readonly (readonly [id: number, value: number])[]): void {
  const at = out.reserve(9 + settings.length * settingBytes);
  let end = putFrameHead(out.bytes, at, settings.length * settingBytes, FrameType.SETTINGS, 0, 0);
  for (const [id, value] of settings) end = putSetting(out.bytes, end, id, value);
  out.at = end;
}

/** Puts the acknowledgement of the peer’s SETTINGS. */
export function putSettingsAck(out: OutSlab): void {
  const at = out.reserve(9);
  out.at = putFrameHead(out.bytes, at, 0, FrameType.SETTINGS, FrameFlag.ACK, 0);
}

/** Stream 0 is the connection. */
export function putWindowUpdate(out: OutSlab, streamId: number, increment: number): void {
  const at = out.reserve(13);
  out.at = putUint32(out.bytes, putFrameHead(out.bytes, at, 4, FrameType.WINDOW_UPDATE, 0, streamId), increment);
}

/** Puts a RST_STREAM. */
export function putReset(out: OutSlab, streamId: number, code: Http2Code): void {
  const at = out.reserve(13);
  out.at = putUint32(out.bytes, putFrameHead(out.bytes, at, 4, FrameType.RST_STREAM, 0, streamId), code);
}

/**
 * Puts a GOAWAY. A client has processed no streams of its peer, so its last stream id is 0.
 * @param reason printable ASCII for the people at the other end, who get to see it in what their client reports
 */
export function putGoaway(out: OutSlab, code: Http2Code, lastStream = 0, reason = ''): void {
  const at = out.reserve(17 + reason.length);
  const lastAt = putFrameHead(out.bytes, at, 8 + reason.length, FrameType.GOAWAY, 0, 0);
  const end = putUint32(out.bytes, putUint32(out.bytes, lastAt, lastStream), code);
  for (let i = 0; i < reason.length; i++) out.bytes[end + i] = reason.charCodeAt(i);
  out.at = end + reason.length;
}

/** A ping of our own; its payload is a number. */
export function putPing(out: OutSlab, payload: number): void {
  const at = out.reserve(17);
  const payloadAt = putFrameHead(out.bytes, at, 8, FrameType.PING, 0, 0);
  out.at = putUint32(out.bytes, putUint32(out.bytes, payloadAt, 0), payload);
}

/** The answer to a ping of the peer, whose eight bytes begin at `from`. */
export function putPingAck(out: OutSlab, ping: Uint8Array, from: number): void {
  const at = out.reserve(17);
  const payloadAt = putFrameHead(out.bytes, at, 8, FrameType.PING, FrameFlag.ACK, 0);
  for (let i = 0; i < 8; i++) out.bytes[payloadAt + i] = ping[from + i]!;
  out.at = payloadAt + 8;
}
