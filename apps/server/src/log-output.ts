import { write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

/** Lines that wait for a slow reader, in characters; beyond it lines are dropped rather than memory taken. */
const mostPending = 16 * 1024 * 1024;
const patienceMs = 1000;
/** How long nothing is written after that failed: a disk that is full has no room again at once. */
const failedPauseMs = 5000;
/** The reader has gone for good; everything else may pass. */
const gone: ReadonlySet<unknown> = new Set(['EPIPE', 'EBADF', 'ECONNRESET', 'ENOTCONN']);
const nothing = Buffer.alloc(0);
const newline = 10;

type Done = (error: Error | null) => void;

/**
 * Standard output as log lines need it: written off the event loop, one write at a time, and what waits is written when the process exits.
 * A reader that is gone (`… | head`) loses its lines and holds up nothing; one that does not read gets a second at the exit. Lines that could
 * not be written (a full disk) are lost, and once others can be, one says how many.
 */
export class LogOutput implements DestinationStream {
  readonly #fd: number;
  readonly #service: string;
  readonly #pauseMs: number;
  #pending = '';
  /** Told when what is pending, or being written, has been written or is lost. */
  #waiting: Done[] = [];
  #underWay: Done[] = [];
  /** What a reader that is behind has not taken of the last write, until it is tried again. Older than what is pending. */
  #rest: Buffer = nothing;
  #isWriting = false;
  #isGone = false;
  /** What was written last is half a line. */
  #isInLine = false;
  #lost = 0;
  /** As many of the lost does the line tell that is being written. */
  #told = 0;

  constructor(fd: number, service: string, pauseMs = failedPauseMs) {
    this.#fd = fd;
    this.#service = service;
    this.#pauseMs = pauseMs;
    process.on('exit', () => this.flushSync());
  }

  /** @param done told, perhaps inside, whether the line was written */
  write(line: string, done?: Done): void {
    const isTooMuch = this.#pending.length + line.length > mostPending;
    if (this.#isGone || isTooMuch) {
      if (!this.#isGone) this.#lost += line.split('\n').length - 1;
      done?.(new Error(this.#isGone ? 'the reader of standard output has gone' : 'too much waits for the reader of standard output'));
      return;
    }
    this.#pending += line;
    if (done !== undefined) this.#waiting.push(done);
    if (this.#isWriting) return;
    this.#isWriting = true;
    // Not at once: lines right before an exit then go out together, by `flushSync`.
    setImmediate(() => this.#writeNext());
  }

  /** Writes what waits before it returns. */
  flushSync(): void {
    const until = performance.now() + patienceMs;
    for (let chunk = this.#next(); chunk.length > 0 && !this.#isGone; chunk = this.#next()) {
      try {
        this.#written(chunk, writeSync(this.#fd, chunk));
      } catch (error) {
        if (!isBusy(error)) return this.#failed(chunk, error as NodeJS.ErrnoException);
        this.#rest = chunk;
        if (performance.now() > until) return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
  }

  #writeNext(): void {
    const chunk = this.#next();
    this.#isWriting = chunk.length > 0;
    if (this.#isWriting) this.#writeChunk(chunk);
  }

  #writeChunk(chunk: Buffer): void {
    write(this.#fd, chunk, (error, count) => {
      if (error === null) {
        this.#written(chunk, count);
        this.#writeNext();
      } else if (isBusy(error)) {
        this.#rest = chunk;
        setTimeout(() => this.#writeNext(), 50).unref();
      } else {
        this.#failed(chunk, error);
        if (!this.#isGone) setTimeout(() => this.#writeNext(), this.#pauseMs).unref();
      }
    });
  }

  /** What is to be written next, empty when all is. */
  #next(): Buffer {
    let chunk = this.#rest;
    this.#rest = nothing;
    if (chunk.length > 0) return chunk;
    if (this.#lost > 0) {
      this.#told = this.#lost;
      const time = new Date().toISOString();
      const told = {
        level: 'error',
        time,
        service: this.#service,
        lostLines: this.#told,
        msg: 'log lines could not be written and are lost',
      };
      return Buffer.from(`${this.#isInLine ? '\n' : ''}${JSON.stringify(told)}\n`);
    }
    chunk = Buffer.from(this.#pending);
    this.#pending = '';
    this.#underWay.push(...this.#waiting);
    this.#waiting = [];
    return chunk;
  }

  #written(chunk: Buffer, count: number): void {
    if (count > 0) this.#isInLine = chunk[count - 1] !== newline;
    this.#rest = chunk.subarray(count);
    if (this.#rest.length > 0) return;
    this.#lost -= this.#told;
    this.#told = 0;
    this.#tell(null);
  }

  #tell(error: Error | null): void {
    const told = this.#underWay;
    this.#underWay = [];
    for (const done of told) done(error);
  }

  #failed(chunk: Buffer, error: NodeJS.ErrnoException): void {
    this.#tell(error);
    // Lines that could not be told of are lost as they were.
    if (this.#told > 0) this.#told = 0;
    else for (const byte of chunk) if (byte === newline) this.#lost++;
    if (!gone.has(error.code)) return;
    this.#isGone = true;
    this.#pending = '';
    this.#underWay = this.#waiting;
    this.#waiting = [];
    this.#tell(error);
  }
}

/** The reader is behind, not gone. */
function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EBUSY';
}
