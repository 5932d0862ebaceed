import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { LoggingError } from '../errors.js';
import type { LogMessage } from '../log-message.js';
import { makeDirectory } from '../make-directory.js';
import type { Delivery, LogSink } from '../sink.js';
import { openParquetFiles } from './open-parquet-files.js';
import type { ClosedFile, FileRecord } from './parquet-files.js';
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
  /** Told about rows that are on disk. */
  readonly onWritten?: (modelConfigId: string, rows: number) => void;
  /** Told about rows of a file that could not be written. */
  readonly onLost?: (modelConfigId: string, rows: number, reason: string) => void;
  readonly onError?: (error: Error) => void;
}

/** Something that takes records and says which files were closed since. */
interface FileWriter {
  append(records: readonly FileRecord[]): Promise<readonly ClosedFile[]>;
  close(): Promise<readonly ClosedFile[]>;
}

/**
 * Parquet files with one typed column per feature, for people and query engines. "Delivered" means on disk, in a file under its final
 * name: it is closed by size or time or `close`, and then told to `onWritten`, or to `onLost` when it could not be written.
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
    makeDirectory(settings.directory);
    accessSync(settings.directory, constants.W_OK);
  } catch (error) {
    throw new LoggingError(
      'INFERFLOW_LOGGING_OPTIONS_INVALID',
      `log files cannot be written to ${settings.directory}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  // Rows that the writer holds, by model.
  const held = new Map<string, number>();
  const report = (closed: readonly ClosedFile[]): void => {
    for (const { modelConfigId, rows, reason, detail } of closed) {
      held.set(modelConfigId, (held.get(modelConfigId) ?? 0) - rows);
      if (reason === null) options.onWritten?.(modelConfigId, rows);
      else {
        options.onLost?.(modelConfigId, rows, reason);
        options.onError?.(new Error(detail));
      }
    }
  };
  const forget = (error: Error): void => {
    options.onError?.(error);
    for (const [modelConfigId, rows] of held) if (rows > 0) options.onLost?.(modelConfigId, rows, 'file_failed');
    held.clear();
  };
  // Fails early and clearly when a library is missing.
  const local = await openParquetFiles(settings);
  const writer: FileWriter =
    options.useThread === false ? inlineWriter(local, settings.intervalMs, report) : threadWriter(settings, report, forget);
  return {
    name: 'file',
    maxBatchBytes: 4 << 20,
    saysWhatIsWritten: true,
    async deliver(_, batch): Promise<Delivery> {
      const records = batch.map(fileRecord).filter((record) => record !== null);
      for (const { modelConfigId, rowCount } of records) held.set(modelConfigId, (held.get(modelConfigId) ?? 0) + rowCount);
      try {
        report(await writer.append(records));
        return { isDelivered: true };
      } catch {
        // Counted with all that the writer held.
        return { isDelivered: true };
      }
    },
    async close(graceMs) {
      const closed = writer.close().then(report, forget);
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
  report: (closed: readonly ClosedFile[]) => void,
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

const pauseMs = 2000;

/** Writes on a thread. One that dies takes the rows it holds with it; the next batch starts another, not more often than every 2 s. */
function threadWriter(settings: object, report: (closed: readonly ClosedFile[]) => void, forget: (error: Error) => void): FileWriter {
  const waiting = new Map<number, { resolve(closed: readonly ClosedFile[]): void; reject(error: Error): void }>();
  let worker: Worker | null = null;
  let startedAt = Number.NEGATIVE_INFINITY;
  let nextId = 1;
  const fail = (dead: Worker, error: Error): void => {
    if (worker !== dead) return;
    worker = null;
    forget(error);
    for (const { reject } of waiting.values()) reject(error);
    waiting.clear();
  };
  const start = (): Worker => {
    const started = new Worker(new URL('./parquet-worker.js', import.meta.url), { workerData: settings });
    startedAt = performance.now();
    started.unref();
    started.on('message', ({ id, closed }: WorkerOutput) => {
      if (id === 0) return report(closed);
      waiting.get(id)?.resolve(closed);
      waiting.delete(id);
    });
    started.on('error', (error) => fail(started, error));
    started.on('exit', () => fail(started, new Error('the thread that writes log files ended')));
    return started;
  };
  const ask = (input: WorkerInput, transfer: ArrayBuffer[]): Promise<readonly ClosedFile[]> =>
    new Promise((resolve, reject) => {
      if (worker === null && performance.now() - startedAt < pauseMs) {
        const error = new Error('the thread that writes log files has just ended');
        forget(error);
        return reject(error);
      }
      worker ??= start();
      waiting.set(input.id, { resolve, reject });
      worker.postMessage(input, transfer);
    });
  return {
    append: (records) =>
      ask(
        { kind: 'append', id: nextId++, records },
        records.map(({ message }) => message.buffer as ArrayBuffer),
      ),
    async close() {
      if (worker === null) return [];
      const ending = worker;
      const closed = await ask({ kind: 'close', id: nextId++ }, []);
      // Its end is no failure.
      if (worker === ending) worker = null;
      return closed;
    },
  };
}
