import { randomBytes } from 'node:crypto';
import { rename, rm, writeFile } from 'node:fs/promises';

/** Changes within this time are written together, milliseconds. */
const COALESCE_MS = 100;
/** A write that failed is tried again after this time, milliseconds. */
const RETRY_MS = 10_000;

/** Keeps a file up to date: written beside and renamed, so that a reader never sees half of one. */
export class StatusFile {
  readonly #path: string;
  readonly #content: () => string;
  readonly #onProblem: (problem: string | null) => void;
  #timer: NodeJS.Timeout | null = null;
  #writing: Promise<void> | null = null;
  #isDue = false;
  #hasFailed = false;
  #isClosed = false;

  /**
   * @param content what the file is to hold now
   * @param onProblem told when it cannot be written, and with null once it can be again
   */
  constructor(path: string, content: () => string, onProblem: (problem: string | null) => void) {
    this.#path = path;
    this.#content = content;
    this.#onProblem = onProblem;
  }

  /** Something has changed: the file is written soon. */
  changed(): void {
    this.#isDue = true;
    this.#schedule(COALESCE_MS);
  }

  /** Writes what is due, then nothing more. */
  async close(): Promise<void> {
    // First: a write that is under way plans the next one when it ends.
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
    if (this.#isDue) await this.#write();
  }

  #schedule(delayMs: number): void {
    if (this.#isClosed || this.#writing !== null) return;
    if (this.#timer !== null) {
      if (delayMs === RETRY_MS) return;
      clearTimeout(this.#timer);
    }
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        if (this.#isDue) this.#schedule(this.#hasFailed ? RETRY_MS : COALESCE_MS);
      });
    }, delayMs);
    this.#timer.unref();
  }

  async #write(): Promise<void> {
    const beside = `${this.#path}.${randomBytes(6).toString('hex')}.tmp`;
    this.#isDue = false;
    try {
      await writeFile(beside, this.#content());
      await rename(beside, this.#path);
      if (this.#hasFailed) this.#onProblem(null);
      this.#hasFailed = false;
    } catch (error) {
      await rm(beside, { force: true }).catch(() => {});
      this.#isDue = true;
      const reason = (error as NodeJS.ErrnoException).code ?? String(error);
      if (!this.#hasFailed) this.#onProblem(`the status file ${this.#path} cannot be written (${reason})`);
      this.#hasFailed = true;
    }
  }
}
