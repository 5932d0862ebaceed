import type { LogFormatName } from './encode/envelope.js';
import type { LogSchema } from './schema/log-schema.js';

/** One encoded record on its way to a sink. */
export interface LogMessage {
  /** Topic of a broker, or what else tells lanes of a sink apart. */
  readonly topic: string;
  readonly modelConfigId: string;
  readonly trackingId: string;
  readonly rowCount: number;
  /** The whole record value: the envelope and in it the message. Never changed once made. */
  readonly value: Uint8Array;
  /** Where the InferflowLog (or its zstd frame) lies in `value`. */
  readonly messageStart: number;
  readonly messageLength: number;
  readonly format: LogFormatName | 'scoring';
  /** Milliseconds since 1970. */
  readonly createdAtMs: number;
  /** Columns of the message; null after a spill, when only the bytes are left. */
  readonly schema: LogSchema | null;
}

/** What a message costs in a queue: its bytes and a little for the object. */
export function messageBytes(message: LogMessage): number {
  return message.value.byteLength + 256;
}
