import { randomBytes } from 'node:crypto';
import { accessSync, constants, mkdirSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { LoggingError } from '../errors.js';
import type { LogMessage } from '../log-message.js';
import type { Delivery, LogSink } from '../sink.js';
import { openParquetFiles } from './open-parquet-files.js';
import type { FileRecord, LostFile } from './parquet-files.js';
import type { WorkerInput, WorkerOutput } from './parquet-worker.js';

/** Options of {@link createParquetSink}. */
export interface ParquetSinkOptions {
  /** Made when it does not exist. */
  readonly directory: string;
  /** Logged bytes after which a file is closed. @default 64 MiB */
  readonly fileBytes?: number;
  /** Longest time a file collects rows, in ms. @default 60 000 */
  readonly intervalMs?: number;
  /** Whether a thread of its own writes the files; without one, writing holds the event loop. @default true */
  readonly useThread?: boolean;
  /** Told about rows of a file that could not be written. */
  readonly onLost?: (modelConfigId: string, rows: number, reason: string) => void;
  readonly onError?: (error: Error) => void;
}

/** Something that takes records and says what was lost since. */
interface FileWriter {
  append(records: readonly FileRecord[]): Promise<readonly LostFile[]>;
  close(): Promise<readonly LostFile[]>;
}

/**
 * Parquet files with one typed column per feature, for people and query engines. "Delivered" means that the writer holds the rows;
 * they are on disk when their file is closed, by size or time or `close`. What a file loses is told to `onLost`.
 * @throws LoggingError INFERFLOW_LOGGING_DEPENDENCY_MISSING, INFERFLOW_LOGGING_OPTIONS_INVALID
 */
export async function createParquetSink(options: ParquetSinkOptions): Promise<LogSink> {
  const settings = {
    directory: options.directory,
    fileBytes: options.fileBytes ?? 64 << 20,
    intervalMs: options.intervalMs ?? 60_000,
    writerId: randomBytes(4).toString('hex'),
  };
  try {
    mkdirSync(settings.directory, { recursive: true });
    accessSync(settings.directory, constants.W_OK);
  } catch (error) {
    throw new LoggingError(
      'INFERFLOW_LOGGING_OPTIONS_INVALID',
      `log files cannot be written to ${settings.directory}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  const report = (lost: readonly LostFile[]): void => {
    for (const { modelConfigId, rows, reason, detail } of lost) {
      options.onLost?.(modelConfigId, rows, reason);
      options.onError?.(new Error(detail));
    }
  };
  // Fails early and clearly when a library is missing.
  const local = await openParquetFiles(settings);
  const writer: FileWriter =
    options.useThread === false ? inlineWriter(local, settings.intervalMs, report) : threadWriter(settings, report, options.onError);
  return {
    name: 'file',
    maxBatchBytes: 4 << 20,
    async deliver(_, batch): Promise<Delivery> {
      try {
        report(await writer.append(batch.map(fileRecord).filter((record) => record !== null)));
        return { isDelivered: true };
      } catch (error) {
        options.onError?.(error as Error);
        return { isDelivered: false, reason: 'file_failed', isRetriable: false };
      }
    },
    async close(graceMs) {
      const closed = writer.close().then(report, (error: unknown) => options.onError?.(error as Error));
      await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, Math.max(graceMs, 5000)).unref())]);
    },
  };
}

function fileRecord({ modelConfigId, rowCount, value, messageStart, messageLength, createdAtMs, schema }: LogMessage): FileRecord | null {
  if (schema === null) return null;
  return { modelConfigId, rowCount, message: value.slice(messageStart, messageStart + messageLength), createdAtMs, schema };
}

function inlineWriter(
  files: Awaited<ReturnType<typeof openParquetFiles>>,
  intervalMs: number,
  report: (lost: readonly LostFile[]) => void,
): FileWriter {
  const timer = setInterval(() => report(files.flush(false)), Math.max(50, Math.min(1000, intervalMs / 4))).unref();
  return {
    append: async (records) => records.flatMap((record) => [...files.append(record)]),
    close: async () => {
      clearInterval(timer);
      return files.flush(true);
    },
  };
}

function threadWriter(settings: object, report: (lost: readonly LostFile[]) => void, onError: ParquetSinkOptions['onError']): FileWriter {
  const worker = new Worker(new URL('./parquet-worker.js', import.meta.url), { workerData: settings });
  worker.unref();
  const waiting = new Map<number, { resolve(lost: readonly LostFile[]): void; reject(error: Error): void }>();
  let nextId = 1;
  let failure: Error | null = null;
  const fail = (error: Error): void => {
    failure ??= error;
    onError?.(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  worker.on('message', ({ id, lost }: WorkerOutput) => {
    if (id === 0) return report(lost);
    waiting.get(id)?.resolve(lost);
    waiting.delete(id);
  });
  worker.on('error', fail);
  worker.on('exit', () => {
    if (waiting.size > 0) fail(new Error('the thread that writes log files ended'));
  });
  const ask = (input: WorkerInput, transfer: ArrayBuffer[]): Promise<readonly LostFile[]> =>
    new Promise((resolve, reject) => {
      if (failure !== null) return reject(failure);
      waiting.set(input.id, { resolve, reject });
      worker.postMessage(input, transfer);
    });
  return {
    append: (records) =>
      ask(
        { kind: 'append', id: nextId++, records },
        records.map(({ message }) => message.buffer as ArrayBuffer),
      ),
    close: () => ask({ kind: 'close', id: nextId++ }, []),
  };
}
