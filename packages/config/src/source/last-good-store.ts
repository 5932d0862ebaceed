import { randomBytes } from 'node:crypto';
import { access, mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { contentHash } from '../hash.js';
import { decodeSnapshot, encodeSnapshot, type StoredSnapshot } from './last-good-format.js';

/** Options of `createSnapshotStore`. */
export interface SnapshotStoreOptions {
  /** Made when it is not there. Several sources may share it. */
  readonly directory: string;
  /** Told when snapshots cannot be kept (a full or read-only disk), and with null once they can be again. @default nobody is told */
  readonly onProblem?: (problem: string | null) => void;
  /** Nothing is written: another process keeps the same. @default false */
  readonly isReadOnly?: boolean;
  /** Least time between two writes, milliseconds; of the snapshots in between the newest counts. @default 1000 */
  readonly minIntervalMs?: number;
}

/** What a store has for a source. */
export type StoredRead =
  | { readonly kind: 'loaded'; readonly snapshot: StoredSnapshot }
  | { readonly kind: 'absent' }
  /** There is a file, and it is not to be trusted. */
  | { readonly kind: 'refused'; readonly reason: string };

/** Keeps the last good snapshot of a source on disk, so that a start without the source can serve it. */
export interface SnapshotStore {
  readonly directory: string;
  /** Why the newest snapshot is not on disk; empty if it is, or will be in a moment. */
  readonly problem: string;
  /** Never rejects. */
  read(origin: string): Promise<StoredRead>;
  /** Takes a snapshot to be written soon; never throws. Its maps must not be changed afterwards. */
  save(snapshot: StoredSnapshot): void;
  /** Writes what is waiting. */
  close(): Promise<void>;
}

const DEFAULT_MIN_INTERVAL_MS = 1000;
/** A failed write is tried again after this time. */
const RETRY_MS = 10_000;
/** Temporary files that are older were left by a process that died. */
const LEFT_OVER_MS = 60_000;

/** A store in a directory: one file per source, replaced atomically, with a checksum. */
export function createSnapshotStore(options: SnapshotStoreOptions): SnapshotStore {
  return new DirectoryStore(options);
}

class DirectoryStore implements SnapshotStore {
  readonly directory: string;
  problem = '';
  readonly #isReadOnly: boolean;
  readonly #minIntervalMs: number;
  readonly #onProblem: (problem: string | null) => void;
  #waiting: StoredSnapshot | null = null;
  #writing: Promise<void> | null = null;
  #timer: NodeJS.Timeout | null = null;
  #isClosed = false;

  constructor({ directory, isReadOnly = false, onProblem, minIntervalMs = DEFAULT_MIN_INTERVAL_MS }: SnapshotStoreOptions) {
    this.directory = directory;
    this.#isReadOnly = isReadOnly;
    this.#minIntervalMs = minIntervalMs;
    this.#onProblem = onProblem ?? (() => undefined);
  }

  async read(origin: string): Promise<StoredRead> {
    const path = this.#path(origin);
    if (!this.#isReadOnly) await removeLeftOvers(this.directory);
    let bytes: Buffer;
    try {
      bytes = await readFile(path);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return { kind: 'absent' };
      return { kind: 'refused', reason: `${path} cannot be read (${codeOf(error)})` };
    }
    try {
      return { kind: 'loaded', snapshot: decodeSnapshot(bytes, origin) };
    } catch (error) {
      return { kind: 'refused', reason: `${path} is not used: ${(error as Error).message}` };
    }
  }

  save(snapshot: StoredSnapshot): void {
    if (this.#isClosed || this.#isReadOnly) return;
    this.#waiting = snapshot;
    // Somebody waits for a retry: a new snapshot is a good moment.
    if (this.#writing === null && (this.#timer === null || this.problem !== '')) this.#schedule(0);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    await this.#writing;
    await this.#write();
  }

  #schedule(delayMs: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      this.#timer = null;
      if (this.#waiting === null) return;
      this.#writing = this.#write().finally(() => {
        this.#writing = null;
        if (!this.#isClosed) this.#schedule(this.problem === '' ? this.#minIntervalMs : RETRY_MS);
      });
    }, delayMs);
    this.#timer.unref();
  }

  async #write(): Promise<void> {
    const snapshot = this.#waiting;
    if (snapshot === null) return;
    try {
      await replaceFile(this.directory, this.#path(snapshot.origin), encodeSnapshot(snapshot));
      if (this.#waiting === snapshot) this.#waiting = null;
      this.#report('');
    } catch (error) {
      this.#report(`the last good configuration cannot be kept in ${this.directory} (${codeOf(error)}); serving goes on without`);
    }
  }

  #report(problem: string): void {
    const before = this.problem;
    this.problem = problem;
    if (problem === before) return;
    this.#onProblem(problem === '' ? null : problem);
  }

  #path(origin: string): string {
    return join(this.directory, `last-good-${contentHash(origin)}.jsonl`);
  }
}

/** Afterwards the file holds all of the content, or what it held before. */
async function replaceFile(directory: string, path: string, portions: Iterable<Buffer>): Promise<void> {
  await makeDirectory(directory);
  const temporary = `${path}.${process.pid}.${randomBytes(4).toString('hex')}.tmp`;
  try {
    const file = await open(temporary, 'wx', 0o600);
    try {
      for (const portion of portions) await file.appendFile(portion);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  // Without this the rename itself may not survive a power cut.
  const folder = await open(directory, 'r');
  await folder.sync().finally(() => folder.close());
}

/** With those above it. Node's own way never returns where a directory that exists, such as `/proc`, answers ENOENT. */
async function makeDirectory(path: string): Promise<void> {
  const parent = dirname(path);
  await access(parent).catch(() => makeDirectory(parent));
  await mkdir(path).catch((error: unknown) => {
    if (codeOf(error) !== 'EEXIST') throw error;
  });
}

async function removeLeftOvers(directory: string): Promise<void> {
  try {
    for (const name of await readdir(directory)) {
      if (!name.startsWith('last-good-') || !name.endsWith('.tmp')) continue;
      const path = join(directory, name);
      if (Date.now() - (await stat(path)).mtimeMs > LEFT_OVER_MS) await rm(path, { force: true });
    }
  } catch {
    // They only take up space.
  }
}

function codeOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'code' in error ? String(error.code) : String(error);
}
