// The payload of a SETTINGS frame: | id u16 | value u32 |, as often as it has room; the last one of an id counts.
import { defaultMaxFrame, Http2Code, largestMaxFrame, largestUint31, readUint32, SettingId } from './frames.js';

const settingBytes = 6;

/** What the peer asks for in SETTINGS, as far as somebody who sends no pushes cares. */
export class PeerSettings {
  maxStreams: number = largestUint31;
  initialWindow = 65_535;
  maxFrame: number = defaultMaxFrame;
  /** Names, values and 32 bytes a field; a peer need not say. */
  maxHeaderListBytes: number = Number.POSITIVE_INFINITY;
  /**
   * The smallest it ever allowed. Even one that it took back at once, in the same frame, has to be answered with a table size update
   * (RFC 7541 §4.2); larger ones are of no interest, because nothing here adds to its table.
   */
  headerTableBytes = 4096;
  /** What was wrong with the frame for which {@link PeerSettings.apply} returned a code other than NO_ERROR. */
  problem = '';
  readonly #mostPush: number;

  /** @param isClient whether the peer is a client: a server must not switch push on */
  constructor(isClient = false) {
    this.#mostPush = isClient ? 1 : 0;
  }

  /** Takes the payload of a SETTINGS frame. */
  apply(bytes: Uint8Array, from: number, to: number): Http2Code {
    if ((to - from) % settingBytes !== 0) return this.#refuse(Http2Code.FRAME_SIZE_ERROR, `a SETTINGS frame of ${to - from} bytes`);
    for (let at = from; at < to; at += settingBytes) {
      const id = (bytes[at]! << 8) | bytes[at + 1]!;
      const value = readUint32(bytes, at + 2);
      switch (id) {
        case SettingId.HEADER_TABLE_SIZE:
          this.headerTableBytes = Math.min(this.headerTableBytes, value);
          break;
        case SettingId.ENABLE_PUSH:
          if (value > this.#mostPush) return this.#refuse(Http2Code.PROTOCOL_ERROR, `SETTINGS with push set to ${value}`);
          break;
        case SettingId.MAX_CONCURRENT_STREAMS:
          this.maxStreams = Math.min(value, largestUint31);
          break;
        case SettingId.INITIAL_WINDOW_SIZE:
          if (value > largestUint31) return this.#refuse(Http2Code.FLOW_CONTROL_ERROR, `SETTINGS with an initial window of ${value}`);
          this.initialWindow = value;
          break;
        case SettingId.MAX_FRAME_SIZE:
          if (value < defaultMaxFrame || value > largestMaxFrame)
            return this.#refuse(Http2Code.PROTOCOL_ERROR, `SETTINGS with a frame size of ${value}`);
          this.maxFrame = value;
          break;
        case SettingId.MAX_HEADER_LIST_SIZE:
          this.maxHeaderListBytes = value;
          break;
      }
    }
    return Http2Code.NO_ERROR;
  }

  #refuse(code: Http2Code, problem: string): Http2Code {
    this.problem = problem;
    return code;
  }
}
