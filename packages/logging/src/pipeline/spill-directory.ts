import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { LoggingError } from '../errors.js';
import { makeDirectory } from '../make-directory.js';
import { type SpillBudget, SpillStore } from './spill-store.js';

/** Options of {@link SpillDirectory}. */
export interface SpillDirectoryOptions {
  /** Made when it does not exist; one process at a time. */
  readonly directory: string;
  /** Most bytes on disk, all topics together. @default 1 GiB */
  readonly maxBytes?: number;
  /** Longest time until written records survive the end of the machine, in ms. The end of the process they survive at once. @default 200 */
  readonly syncIntervalMs?: number;
  /** Told when bytes of a file could not be read back. */
  readonly onDamaged?: (bytes: number) => void;
}

/** A spill store per topic, sharing one limit. */
export class SpillDirectory {
  readonly #options: SpillDirectoryOptions;
  readonly #budget: SpillBudget;

  /** @throws LoggingError INFERFLOW_LOGGING_SPILL_FAILED when the directory cannot be made or read. */
  constructor(options: SpillDirectoryOptions) {
    this.#options = options;
    this.#budget = { maxBytes: options.maxBytes ?? 1 << 30, usedBytes: 0 };
    try {
      makeDirectory(options.directory);
    } catch (error) {
      throw new LoggingError(
        'INFERFLOW_LOGGING_SPILL_FAILED',
        `the spill directory ${options.directory} cannot be used: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }

  /** Bytes on disk. */
  get usedBytes(): number {
    return this.#budget.usedBytes;
  }

  /** Topics that an earlier process left records of. Directories that have another origin are left alone. */
  topics(): readonly string[] {
    return readdirSync(this.#options.directory, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => topicOf(name))
      .filter((topic) => topic !== null);
  }

  /** The store of a topic. */
  open(topic: string): SpillStore {
    const { directory, syncIntervalMs, onDamaged } = this.#options;
    return new SpillStore(
      {
        directory: join(directory, folderOf(topic)),
        budget: this.#budget,
        ...(syncIntervalMs !== undefined && { syncIntervalMs }),
      },
      onDamaged ?? (() => {}),
    );
  }
}

function folderOf(topic: string): string {
  return `topic-${encodeURIComponent(topic)}`;
}

function topicOf(folder: string): string | null {
  try {
    const topic = decodeURIComponent(folder.slice('topic-'.length));
    return folderOf(topic) === folder ? topic : null;
  } catch {
    return null;
  }
}
