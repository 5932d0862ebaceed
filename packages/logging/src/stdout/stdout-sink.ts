import type { LogMessage } from '../log-message.js';
import type { Delivery, LogSink } from '../sink.js';

/** Where lines go; a stream is one. */
export interface LineStream {
  /** @param done told once they were taken, or that they were not */
  write(lines: string, done: (error?: Error | null) => void): unknown;
}

/** Options of {@link createStdoutSink}. */
export interface StdoutSinkOptions {
  /** Whatever else writes to the same place should do so through this, too: lines cut each other up otherwise. @default process.stdout */
  readonly stream?: LineStream;
}

/** One JSON line a record, the message in base64: `inferflow decode` reads it. "Delivered" means that the stream has taken the line. */
export function createStdoutSink(options: StdoutSinkOptions = {}): LogSink {
  const stream = options.stream ?? process.stdout;
  return {
    name: 'stdout',
    maxBatchBytes: 1 << 20,
    deliver(topic, batch): Promise<Delivery> {
      return new Promise((resolve) => {
        stream.write(batch.map((message) => lineOf(topic, message)).join(''), (error) =>
          resolve(error ? { isDelivered: false, reason: 'stream_closed', isRetriable: false } : { isDelivered: true }),
        );
      });
    },
    close: async () => {},
  };
}

function lineOf(topic: string, message: LogMessage): string {
  const { value, messageStart, messageLength, modelConfigId, trackingId, rowCount, format, createdAtMs } = message;
  return `${JSON.stringify({
    topic,
    model_config_id: modelConfigId,
    tracking_id: trackingId,
    created_at: new Date(createdAtMs).toISOString(),
    format,
    rows: rowCount,
    message: Buffer.from(value.buffer, value.byteOffset + messageStart, messageLength).toString('base64'),
  })}\n`;
}
