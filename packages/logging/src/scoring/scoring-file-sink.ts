import { randomBytes } from 'node:crypto';
import { accessSync, constants } from 'node:fs';
import { type FileHandle, mkdir, open, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { putVarint, varintSize } from '@inferflow/proto/hot';
import { LoggingError } from '../errors.js';
import type { LogMessage } from '../log-message.js';
import { makeDirectory } from '../make-directory.js';
import type { Delivery, LogSink } from '../sink.js';

/** Options of {@link createScoringFileSink}. */
export interface ScoringFileSinkOptions {
  /** Made when it does not exist. */
  readonly directory: string;
  /** Bytes after which a file is closed. @default 64 MiB */
  readonly fileBytes?: number;
  /** Longest time a file stays open, in ms. @default 60 000 */
  readonly intervalMs?: number;
  readonly onError?: (error: Error) => void;
}

interface OpenFile {
  readonly path: string;
  readonly handle: FileHandle;
  /** On the clock that is never set. */
  readonly closeAtMs: number;
  bytes: number;
}

/** End of the name of a file that is being written; without it the file is complete. */
const openSuffix = '.open';

/**
 * ScoringLog messages in files `model=…/date=…/hour=…/*.scoring`, each with its length in front (a varint, as protobuf libraries read
 * delimited messages). "Delivered" means written: the records survive the end of the process, and the end of the machine once the file
 * was closed.
 * @throws LoggingError INFERFLOW_LOGGING_OPTIONS_INVALID
 */
export function createScoringFileSink(options: ScoringFileSinkOptions): LogSink {
  try {
    makeDirectory(options.directory);
    accessSync(options.directory, constants.W_OK);
  } catch (error) {
    throw new LoggingError(
      'INFERFLOW_LOGGING_OPTIONS_INVALID',
      `scoring logs cannot be written to ${options.directory}: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return new ScoringFileSink(options);
}

class ScoringFileSink implements LogSink {
  readonly name = 'file';
  readonly maxBatchBytes = 4 << 20;
  readonly #directory: string;
  readonly #fileBytes: number;
  readonly #intervalMs: number;
  readonly #onError: (error: Error) => void;
  readonly #files = new Map<string, OpenFile>();
  readonly #writerId = randomBytes(4).toString('hex');
  readonly #timer: NodeJS.Timeout;
  #opened = 0;
  /** Work on files goes one by one. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(options: ScoringFileSinkOptions) {
    this.#directory = options.directory;
    this.#fileBytes = options.fileBytes ?? 64 << 20;
    this.#intervalMs = options.intervalMs ?? 60_000;
    this.#onError = options.onError ?? (() => {});
    this.#timer = setInterval(() => void this.#inTurn(() => this.#closeDue(false)), Math.max(50, Math.min(1000, this.#intervalMs / 4)));
    this.#timer.unref();
  }

  deliver(topic: string, batch: readonly LogMessage[]): Promise<Delivery> {
    return this.#inTurn(() => this.#write(topic, batch));
  }

  async close(graceMs: number): Promise<void> {
    clearInterval(this.#timer);
    const closed = this.#inTurn(() => this.#closeDue(true));
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, Math.max(graceMs, 1000)).unref())]);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work);
    this.#last = turn.catch(() => {});
    return turn;
  }

  async #write(topic: string, batch: readonly LogMessage[]): Promise<Delivery> {
    let file: OpenFile | null = null;
    try {
      file = await this.#fileOf(topic, batch[0] as LogMessage);
      const frames = delimited(batch);
      // A disk that gets full takes a part, without a word; the next write says why.
      for (let at = 0; at < frames.length; ) at += (await file.handle.write(frames, at, frames.length - at, file.bytes + at)).bytesWritten;
      file.bytes += frames.length;
      if (file.bytes >= this.#fileBytes) await this.#close(topic, file);
      return { isDelivered: true };
    } catch (error) {
      // What was written of the batch is cut off again: the next attempt writes it whole.
      await file?.handle.truncate(file.bytes).catch(() => {});
      this.#onError(error as Error);
      return {
        isDelivered: false,
        reason: (error as NodeJS.ErrnoException).code === 'ENOSPC' ? 'disk_full' : 'file_failed',
        isRetriable: true,
      };
    }
  }

  async #fileOf(topic: string, { modelConfigId, createdAtMs }: LogMessage): Promise<OpenFile> {
    const known = this.#files.get(topic);
    if (known !== undefined) return known;
    const time = new Date(createdAtMs).toISOString();
    const folder = join(
      this.#directory,
      `model=${encodeURIComponent(modelConfigId)}`,
      `date=${time.slice(0, 10)}`,
      `hour=${time.slice(11, 13)}`,
    );
    const name = `${time.slice(0, 19).replaceAll(/[-:]/g, '')}-${this.#writerId}-${this.#opened++}.scoring${openSuffix}`;
    const path = join(folder, name);
    await mkdir(dirname(path), { recursive: true });
    const file = { path, handle: await open(path, 'wx'), closeAtMs: performance.now() + this.#intervalMs, bytes: 0 };
    this.#files.set(topic, file);
    return file;
  }

  async #closeDue(all: boolean): Promise<void> {
    for (const [topic, file] of this.#files) {
      if (!all && performance.now() < file.closeAtMs) continue;
      try {
        await this.#close(topic, file);
      } catch (error) {
        this.#onError(error as Error);
      }
    }
  }

  async #close(topic: string, file: OpenFile): Promise<void> {
    this.#files.delete(topic);
    await file.handle.sync();
    await file.handle.close();
    await rename(file.path, file.path.slice(0, -openSuffix.length));
  }
}

function delimited(batch: readonly LogMessage[]): Buffer {
  let size = 0;
  for (const { messageLength } of batch) size += varintSize(messageLength) + messageLength;
  const frames = Buffer.allocUnsafe(size);
  let at = 0;
  for (const { value, messageStart, messageLength } of batch) {
    at = putVarint(frames, at, messageLength);
    frames.set(value.subarray(messageStart, messageStart + messageLength), at);
    at += messageLength;
  }
  return frames;
}
