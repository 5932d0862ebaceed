import { FrameFlag, FrameType, Http2Code } from './frames.js';

/** Why a frame ends its connection. */
export interface FrameFault {
  readonly code: Http2Code;
  readonly problem: string;
}

const size = (problem: string): FrameFault => ({ code: Http2Code.FRAME_SIZE_ERROR, problem });
const place = (problem: string): FrameFault => ({ code: Http2Code.PROTOCOL_ERROR, problem });

const resetSize = size('a RST_STREAM frame that is not 4 bytes long');
const settingsPlace = place('SETTINGS of a stream');
const ackSize = size('an acknowledgement of SETTINGS with a payload');
const pingPlace = place('PING of a stream');
const pingSize = size('a PING frame that is not 8 bytes long');
const goawayPlace = place('GOAWAY of a stream');
const goawaySize = size('a GOAWAY frame below 8 bytes');
const windowSize = size('a WINDOW_UPDATE frame that is not 4 bytes long');
const priorityPlace = place('PRIORITY of no stream');
const prioritySize = size('a PRIORITY frame that is not 5 bytes long');

/** What is wrong with a frame by itself: its length, and whether it may be of a stream or of the connection. `null` when nothing. */
export function frameFault(type: number, flags: number, streamId: number, length: number): FrameFault | null {
  switch (type) {
    case FrameType.RST_STREAM:
      return length === 4 ? null : resetSize;
    case FrameType.WINDOW_UPDATE:
      return length === 4 ? null : windowSize;
    case FrameType.SETTINGS:
      if (streamId !== 0) return settingsPlace;
      return (flags & FrameFlag.ACK) !== 0 && length > 0 ? ackSize : null;
    case FrameType.PING:
      return streamId !== 0 ? pingPlace : length === 8 ? null : pingSize;
    case FrameType.GOAWAY:
      return streamId !== 0 ? goawayPlace : length >= 8 ? null : goawaySize;
    case FrameType.PRIORITY:
      return streamId === 0 ? priorityPlace : length === 5 ? null : prioritySize;
    default:
      return null;
  }
}
