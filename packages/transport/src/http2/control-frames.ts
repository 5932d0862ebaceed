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
  const settings = [
    [SettingId.ENABLE_PUSH, 0],
    [SettingId.INITIAL_WINDOW_SIZE, own.streamWindow],
    [SettingId.MAX_FRAME_SIZE, own.maxFrame],
    [SettingId.MAX_HEADER_LIST_SIZE, own.maxHeaderListBytes],
  ] as const;
  const at = out.reserve(clientPreface.length + 9 + settings.length * settingBytes);
  const { bytes } = out;
  bytes.set(clientPreface, at);
  let end = putFrameHead(bytes, at + clientPreface.length, settings.length * settingBytes, FrameType.SETTINGS, 0, 0);
  for (const [id, value] of settings) end = putSetting(bytes, end, id, value);
  out.at = end;
  putWindowUpdate(out, 0, own.connectionWindow - defaultWindow);
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

/** A client has processed no streams of its peer, so the last stream id is 0. */
export function putGoaway(out: OutSlab, code: Http2Code): void {
  const at = out.reserve(17);
  const lastAt = putFrameHead(out.bytes, at, 8, FrameType.GOAWAY, 0, 0);
  out.at = putUint32(out.bytes, putUint32(out.bytes, lastAt, 0), code);
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
