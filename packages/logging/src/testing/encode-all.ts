import type { LogFormatName } from '../encode/envelope.js';
import { type EncodeTask, RecordEncoder } from '../encode/record-encoder.js';
import type { LogMessage } from '../log-message.js';
import { parentEntityOf } from '../logged-record.js';
import type { recordOf } from './log-vectors.js';

/** Encodes a request at once. */
export function encodeAll(
  made: Pick<ReturnType<typeof recordOf>, 'record' | 'schema'>,
  format: LogFormatName,
  changes: Partial<EncodeTask> = {},
): { messages: LogMessage[]; lost: string[]; unfit: number } {
  const messages: LogMessage[] = [];
  const lost: string[] = [];
  let unfit = 0;
  const encoder = new RecordEncoder({
    encoded: (message) => messages.push(message),
    lost: (_, rows, reason) => lost.push(`${rows} ${reason}`),
    unfit: (_, cells) => {
      unfit += cells;
    },
  });
  const steps = encoder.encode({
    record: made.record,
    parentEntity: parentEntityOf(made.record),
    schema: made.schema,
    format,
    zstd: null,
    topic: 't',
    maxRecordBytes: 1_000_000,
    createdAtMs: 1_700_000_000_000,
    ...changes,
  });
  while (steps.next().done !== true);
  return { messages, lost, unfit };
}

/** The InferflowLog in a record value. */
export function messageOf({ value, messageStart, messageLength }: LogMessage): Uint8Array {
  return value.subarray(messageStart, messageStart + messageLength);
}
