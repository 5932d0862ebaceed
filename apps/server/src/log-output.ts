import { write, writeSync } from 'node:fs';
import type { DestinationStream } from 'pino';

/** Lines that wait for a slow reader, in characters; beyond it lines are dropped rather than memory taken. */
const mostPending = 16 * 1024 * 1024;
const patienceMs = 1000;
const nothing = Buffer.alloc(0);

/**
 * Standard output as log lines need it: written off the event loop, one write at a time, and what waits is written when the process exits.
 * A reader that is gone (`… | head`) loses its lines and holds up nothing; one that does not read gets a second at the exit.
 */
export class LogOutput implements DestinationStream {
  readonly #fd: number;
  #pending = '';
  /** What a reader that is behind has not taken of the last write, until it is tried again. Older than what is pending. */
  #rest: Buffer = nothing;
  #isWriting = false;
  #isGone = false;

  constructor(fd: number) {
    this.#fd = fd;
    process.on('exit', () => this.flushSync());
  }

  write(line: string): void {
    if (this.#isGone || this.#pending.length + line.length > mostPending) return;
    this.#pending += line;
    if (this.#isWriting) return;
    this.#isWriting = true;
    // Not at once: lines right before an exit then go out together, by `flushSync`.
    setImmediate(() => this.#writeNext());
  }

  /** Writes what waits before it returns. */
  flushSync(): void {
    const until = performance.now() + patienceMs;
    let rest = Buffer.concat([this.#rest, Buffer.from(this.#pending)]);
    this.#rest = nothing;
    this.#pending = '';
    while (rest.length > 0 && !this.#isGone) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        if (!isBusy(error) || performance.now() > until) this.#isGone = true;
        else Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
  }

  #writeNext(): void {
    let chunk = this.#rest;
    this.#rest = nothing;
    if (chunk.length === 0) {
      chunk = Buffer.from(this.#pending);
      this.#pending = '';
    }
    this.#isWriting = chunk.length > 0;
    if (this.#isWriting) this.#writeChunk(chunk);
  }

  #writeChunk(chunk: Buffer): void {
    write(this.#fd, chunk, (error, count) => {
      if (error !== null && !isBusy(error)) {
        this.#isGone = true;
        this.#pending = '';
        return;
      }
      this.#rest = error === null ? chunk.subarray(count) : chunk;
      if (error === null) this.#writeNext();
      else setTimeout(() => this.#writeNext(), 50).unref();
    });
  }
}

/** The reader is behind, not gone. */
function isBusy(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'EAGAIN' || code === 'EBUSY';
}
