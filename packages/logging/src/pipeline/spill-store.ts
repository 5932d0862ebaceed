import { closeSync, fdatasync, fstatSync, openSync, readSync, statSync, unlinkSync, writeFileSync, writeSync } from 'node:fs';
import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { LoggingError } from '../errors.js';
import type { LogMessage } from '../log-message.js';
import { makeDirectory } from '../make-directory.js';
import { cursorPath, readCursor, segmentNumbers, segmentPath } from './spill-files.js';

/** Options of {@link SpillStore}. */
export interface SpillOptions {
  /** Directory of its own; made when the first record comes. What it holds from an earlier process is delivered first. */
  readonly directory: string;
  /** Bytes that may be on disk, shared by the stores of a directory. Beyond them records are dropped with reason `spill_full`. */
  readonly budget: SpillBudget;
  /** A new file is begun after this many bytes. @default 16 MiB */
  readonly segmentBytes?: number;
  /** Longest time until written records survive the end of the machine, in ms; the end of the process they survive at once. @default 200 */
  readonly syncIntervalMs?: number;
}

/** Room on disk that several stores share. */
export interface SpillBudget {
  readonly maxBytes: number;
  usedBytes: number;
}

const headBytes = 8;
const syncData = promisify(fdatasync);
// What waiting does not put right: a file that somebody removed, or a disk that lost it.
const lasting = new Set(['ENOENT', 'ENOTDIR', 'EISDIR', 'EIO']);

interface Segment {
  readonly number: number;
  bytes: number;
}

/** A frame that was read and not yet given up. */
export interface SpilledBatch {
  readonly messages: readonly LogMessage[];
  readonly segment: number;
  /** Where reading goes on once a message, and those in front of it, are delivered. */
  readonly ends: readonly number[];
}

/**
 * Records on local disk in order of arrival: append-only files, each frame with its length and checksum. A torn or damaged frame ends
 * its file: what follows in it is counted as lost. A file goes when all of it has been delivered.
 */
export class SpillStore {
  readonly #directory: string;
  readonly #budget: SpillBudget;
  readonly #segmentBytes: number;
  readonly #syncIntervalMs: number;
  readonly #segments: Segment[] = [];
  readonly #onDamaged: (bytes: number) => void;
  #writeFd = -1;
  #readOffset = 0;
  #syncTimer: NodeJS.Timeout | null = null;
  #bytes = 0;

  /** @throws LoggingError INFERFLOW_LOGGING_SPILL_FAILED when what the directory holds cannot be listed. */
  constructor(options: SpillOptions, onDamaged: (bytes: number) => void) {
    this.#directory = options.directory;
    this.#budget = options.budget;
    this.#segmentBytes = options.segmentBytes ?? 16 << 20;
    this.#syncIntervalMs = options.syncIntervalMs ?? 200;
    this.#onDamaged = onDamaged;
    try {
      this.#recover();
    } catch (error) {
      throw new LoggingError(
        'INFERFLOW_LOGGING_SPILL_FAILED',
        `the spill directory ${this.#directory} cannot be used: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }

  /** Bytes on disk that are not delivered. */
  get bytes(): number {
    return this.#bytes - this.#readOffset;
  }

  get isEmpty(): boolean {
    return this.#segments.length === 0 || (this.#segments.length === 1 && this.#readOffset >= (this.#segments[0] as Segment).bytes);
  }

  /** Writes a message behind the others. Returns null, or why it was not written. */
  append(message: LogMessage): 'spill_full' | 'spill_failed' | null {
    const frame = encodeFrame(message);
    if (this.#budget.usedBytes + frame.length > this.#budget.maxBytes) return 'spill_full';
    try {
      let segment = this.#segments.at(-1);
      if (segment === undefined || this.#writeFd < 0 || segment.bytes >= this.#segmentBytes) segment = this.#begin();
      let written = 0;
      while (written < frame.length) written += writeSync(this.#writeFd, frame, written, frame.length - written, segment.bytes + written);
      segment.bytes += frame.length;
      this.#bytes += frame.length;
      this.#budget.usedBytes += frame.length;
    } catch {
      return 'spill_failed';
    }
    this.#syncTimer ??= setTimeout(() => this.#sync(), this.#syncIntervalMs).unref();
    return null;
  }

  /**
   * The oldest messages, up to `maxBytes` of values, of one topic in a row; null = nothing is left. They stay until `delivered`. Throws what
   * the file system throws for what may pass, such as too many open files.
   */
  read(maxBytes: number): SpilledBatch | null {
    for (;;) {
      const segment = this.#segments[0];
      if (segment === undefined) return null;
      if (this.#readOffset >= segment.bytes) {
        if (this.#segments.length === 1) {
          this.#forget(segment);
          return null;
        }
        this.#forget(segment);
        continue;
      }
      const batch = this.#readSegment(segment, maxBytes);
      if (batch.messages.length > 0) return batch;
      // Damaged: nothing behind this point can be trusted.
      this.#onDamaged(segment.bytes - this.#readOffset);
      this.#forget(segment);
    }
  }

  /** Gives up what a batch holds, or the first messages of it. */
  delivered(batch: SpilledBatch, count = batch.messages.length): void {
    const segment = this.#segments[0];
    const end = batch.ends[count - 1];
    if (segment?.number !== batch.segment || end === undefined) return;
    this.#readOffset = end;
    if (this.#readOffset >= segment.bytes) this.#forget(segment);
    else this.#noteCursor();
  }

  /** Makes what was written survive, and closes the files. They stay for the next process. */
  close(): void {
    if (this.#syncTimer !== null) clearTimeout(this.#syncTimer);
    this.#syncTimer = null;
    if (this.#writeFd >= 0) closeSync(this.#writeFd);
    this.#writeFd = -1;
  }

  #recover(): void {
    for (const number of segmentNumbers(this.#directory)) {
      const { size } = statSync(this.#path(number));
      this.#segments.push({ number, bytes: size });
      this.#bytes += size;
      this.#budget.usedBytes += size;
    }
    // Without a cursor from the start: some records may then be delivered twice.
    const cursor = readCursor(this.#directory);
    const first = this.#segments[0];
    if (first !== undefined && first.number === cursor?.number && cursor.offset <= first.bytes) this.#readOffset = cursor.offset;
  }

  #begin(): Segment {
    if (this.#writeFd >= 0) closeSync(this.#writeFd);
    this.#writeFd = -1;
    makeDirectory(this.#directory);
    const segment: Segment = { number: (this.#segments.at(-1)?.number ?? this.#lastNumber) + 1, bytes: 0 };
    this.#writeFd = openSync(this.#path(segment.number), 'wx+');
    this.#segments.push(segment);
    return segment;
  }

  #lastNumber = 0;

  #forget(segment: Segment): void {
    this.#segments.shift();
    this.#lastNumber = Math.max(this.#lastNumber, segment.number);
    this.#bytes -= segment.bytes;
    this.#budget.usedBytes -= segment.bytes;
    this.#readOffset = 0;
    if (this.#segments.length === 0 && this.#writeFd >= 0) {
      closeSync(this.#writeFd);
      this.#writeFd = -1;
    }
    try {
      unlinkSync(this.#path(segment.number));
    } catch {
      // Gone already, or read-only: it will be delivered again by the next process.
    }
    if (this.#segments.length > 0) this.#noteCursor();
  }

  #noteCursor(): void {
    try {
      writeFileSync(cursorPath(this.#directory), `${this.#segments[0]?.number ?? 0} ${this.#readOffset}\n`);
    } catch {
      // Only costs repeated records after a crash.
    }
  }

  #readSegment(segment: Segment, maxBytes: number): SpilledBatch {
    const messages: LogMessage[] = [];
    const ends: number[] = [];
    let fd = -1;
    let offset = this.#readOffset;
    let total = 0;
    try {
      fd = openSync(this.#path(segment.number), 'r');
      const size = Math.min(segment.bytes, fstatSync(fd).size);
      const head = Buffer.alloc(headBytes);
      while (offset + headBytes <= size) {
        if (readSync(fd, head, 0, headBytes, offset) < headBytes) break;
        const length = head.readUInt32LE(0);
        if (length > size - offset - headBytes) break;
        if (messages.length > 0 && total + length > maxBytes) break;
        const body = Buffer.alloc(length);
        if (readSync(fd, body, 0, length, offset + headBytes) < length || zlib.crc32(body) !== head.readUInt32LE(4)) break;
        const message = decodeFrame(body);
        if (message === null) break;
        if (messages.length > 0 && message.topic !== (messages[0] as LogMessage).topic) break;
        messages.push(message);
        total += length;
        offset += headBytes + length;
        ends.push(offset);
      }
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      // None has what is no error of the file system: the head of a frame is no JSON.
      if (code !== undefined && !lasting.has(code)) throw error;
    } finally {
      if (fd >= 0) closeSync(fd);
    }
    return { messages, segment: segment.number, ends };
  }

  #sync(): void {
    this.#syncTimer = null;
    if (this.#writeFd < 0) return;
    syncData(this.#writeFd).catch(() => {
      // The file was closed meanwhile, or the disk fails: the next append says so.
    });
  }

  #path(number: number): string {
    return segmentPath(this.#directory, number);
  }
}

function encodeFrame(message: LogMessage): Buffer {
  const { value, schema: _, ...facts } = message;
  const head = Buffer.from(JSON.stringify(facts));
  const frame = Buffer.allocUnsafe(headBytes + 4 + head.length + value.length);
  frame.writeUInt32LE(4 + head.length + value.length, 0);
  frame.writeUInt32LE(head.length, headBytes);
  head.copy(frame, headBytes + 4);
  frame.set(value, headBytes + 4 + head.length);
  frame.writeUInt32LE(zlib.crc32(frame.subarray(headBytes)), 4);
  return frame;
}

/** null: no frame of ours, though its checksum is right, as that of the zeros is which a machine leaves that ended while it wrote. */
function decodeFrame(body: Buffer): LogMessage | null {
  if (body.length < 4) return null;
  const headLength = body.readUInt32LE(0);
  if (headLength === 0 || headLength > body.length - 4) return null;
  const facts = JSON.parse(body.toString('utf8', 4, 4 + headLength)) as Omit<LogMessage, 'value' | 'schema'>;
  return { ...facts, value: new Uint8Array(body.buffer, body.byteOffset + 4 + headLength, body.length - 4 - headLength), schema: null };
}
