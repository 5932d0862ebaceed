// What a caller says about the connection rather than in a request:
//
//   SETTINGS       ( id u16 | value u32 )*      our windows, frame size and header table towards it; answered with an empty SETTINGS
//   PING           8 bytes                      answered with the same, unless it is the answer to ours
//   WINDOW_UPDATE  increment u31                more of an answer may leave
//   PRIORITY       depends on u31 | weight u8   has no meaning any more, but rules
//
// Each is paid for from CallerLimits before it is looked at.
import type { AnswerWriter } from './answer-writer.js';
import type { CallerLimits } from './caller-limits.js';
import { putPingAck, putSettingsAck } from './control-frames.js';
import { FrameFlag, Http2Code, readUint31 } from './frames.js';
import type { OutSlab } from './out-slab.js';
import { PeerSettings } from './peer-settings.js';
import type { ServerStream } from './server-stream.js';
import type { StreamTable } from './stream-table.js';
import { mostFrameBytes } from './windows.js';

/** Callers with the smallest windows open them, and that of the connection, twice for every frame that they were sent. */
const bytesPerUpdate = 4 * 1024;
/** A caller with large windows must not put aside what it does not need. */
const mostUpdatesPaid = 16 * 1024;

const overflow = 'a window above 2^31 - 1';

/** The session that {@link CallerControls} work for. */
export interface ControlledSession {
  readonly streams: StreamTable<ServerStream>;
  /** The first SETTINGS of the caller came. */
  readonly isGreeted: boolean;
  /** They came just now. */
  greetingArrived(): void;
  /** The answer to a ping of ours. */
  pingAnswered(): void;
  /** True of streams that were never opened. */
  isIdle(streamId: number): boolean;
  /** The caller broke the rules of one stream. */
  refuse(stream: ServerStream, code: Http2Code): void;
  /** The caller broke the rules of the connection. */
  framingBroken(code: Http2Code, problem: string): void;
}

/** See the top of the file. The frames are known to be well-formed. */
export class CallerControls {
  readonly #session: ControlledSession;
  readonly #limits: CallerLimits;
  readonly #out: OutSlab;
  readonly #answers: AnswerWriter;
  readonly #settings: PeerSettings = new PeerSettings(true);
  /** Table size the caller believes that we use at most. */
  #toldTableBytes = 4096;

  constructor(session: ControlledSession, limits: CallerLimits, out: OutSlab, answers: AnswerWriter) {
    this.#session = session;
    this.#limits = limits;
    this.#out = out;
    this.#answers = answers;
  }

  settingsArrived(flags: number, bytes: Buffer, from: number, to: number): void {
    const session = this.#session;
    const isAck = (flags & FrameFlag.ACK) !== 0;
    if (isAck && !session.isGreeted) return session.framingBroken(Http2Code.PROTOCOL_ERROR, 'the first frame is not SETTINGS');
    // Every open stream is looked at when windows change.
    if (!this.#limits.spend(isAck ? 1 : 1 + (session.streams.size >>> 3)) || isAck) return;
    const settings = this.#settings;
    const before = settings.initialWindow;
    const code = settings.apply(bytes, from, to);
    if (code !== Http2Code.NO_ERROR) return session.framingBroken(code, settings.problem);
    if (!this.#limits.mayAnswer()) return;
    putSettingsAck(this.#out);
    if (settings.headerTableBytes < this.#toldTableBytes) {
      this.#toldTableBytes = 0;
      this.#answers.tellTable();
    }
    const { windows } = this.#answers;
    windows.maxFrame = Math.min(settings.maxFrame, mostFrameBytes);
    windows.initial = settings.initialWindow;
    const change = settings.initialWindow - before;
    if (change !== 0)
      for (const stream of session.streams.list())
        if (!windows.openStream(stream, change)) return session.framingBroken(Http2Code.FLOW_CONTROL_ERROR, overflow);
    windows.pump();
    if (!session.isGreeted) session.greetingArrived();
  }

  pingArrived(flags: number, bytes: Buffer, from: number): void {
    if (!this.#limits.spend(1)) return;
    if ((flags & FrameFlag.ACK) !== 0) this.#session.pingAnswered();
    else if (this.#limits.mayAnswer()) putPingAck(this.#out, bytes, from);
  }

  priorityArrived(streamId: number, bytes: Buffer, from: number): void {
    if (!this.#limits.spend(1) || readUint31(bytes, from) !== streamId) return;
    const session = this.#session;
    const stream = session.streams.get(streamId);
    if (stream !== null) session.refuse(stream, Http2Code.PROTOCOL_ERROR);
    else session.framingBroken(Http2Code.PROTOCOL_ERROR, 'a stream that depends on itself');
  }

  windowOpened(streamId: number, bytes: Buffer, from: number): void {
    if (!this.#wasPaid() && !this.#limits.spend(1)) return;
    const session = this.#session;
    const { windows } = this.#answers;
    const increment = readUint31(bytes, from);
    if (streamId === 0) {
      if (increment === 0) session.framingBroken(Http2Code.PROTOCOL_ERROR, 'WINDOW_UPDATE by 0');
      else if (!windows.openConnection(increment)) session.framingBroken(Http2Code.FLOW_CONTROL_ERROR, overflow);
      return;
    }
    if (session.isIdle(streamId)) return session.framingBroken(Http2Code.PROTOCOL_ERROR, 'WINDOW_UPDATE of no stream');
    const stream = session.streams.get(streamId);
    if (stream === null) return;
    if (increment === 0) session.refuse(stream, Http2Code.PROTOCOL_ERROR);
    else if (windows.openStream(stream, increment)) windows.pump();
    else session.refuse(stream, Http2Code.FLOW_CONTROL_ERROR);
  }

  /** What was sent pays for the windows that are opened for it. */
  #wasPaid(): boolean {
    const { windows } = this.#answers;
    if (windows.sentBytes < bytesPerUpdate) return false;
    windows.sentBytes = Math.min(windows.sentBytes, bytesPerUpdate * mostUpdatesPaid) - bytesPerUpdate;
    return true;
  }
}
