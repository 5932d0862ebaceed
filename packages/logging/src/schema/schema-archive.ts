import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LoggingError } from '../errors.js';
import { makeDirectory } from '../make-directory.js';
import { type LogSchema, logFeature } from './log-schema.js';
import type { SchemaBook } from './schema-book.js';

/** Options of {@link SchemaArchive}. */
export interface SchemaArchiveOptions {
  /** Made when it does not exist; one process at a time. */
  readonly directory: string;
  /** Schemas kept per model; the oldest goes first. @default 64 */
  readonly schemasPerModel?: number;
  /** Told about a file that could not be read or written; the others are used. */
  readonly onError?: (error: Error) => void;
  /** @default Date.now */
  readonly now?: () => number;
}

interface ArchivedSchema {
  readonly model_config_id: string;
  readonly config_hash: string;
  readonly version: number;
  /** When its configuration became the newest, ms since 1970. */
  readonly newest_at: number;
  readonly data: readonly { readonly feature_name: string; readonly feature_type: string; readonly feature_size: number }[];
}

/** Log schemas on disk, so that records of configurations that are gone stay readable after a restart. */
export class SchemaArchive {
  readonly #directory: string;
  readonly #limit: number;
  readonly #onError: (error: Error) => void;
  readonly #now: () => number;
  /** Per model: the configuration that was written last. */
  readonly #newest = new Map<string, string>();
  #last: Promise<void> = Promise.resolve();

  /** @throws LoggingError INFERFLOW_LOGGING_OPTIONS_INVALID when the directory cannot be made */
  constructor(options: SchemaArchiveOptions) {
    this.#directory = options.directory;
    this.#limit = options.schemasPerModel ?? 64;
    this.#onError = options.onError ?? (() => {});
    this.#now = options.now ?? Date.now;
    try {
      makeDirectory(this.#directory);
    } catch (error) {
      throw new LoggingError(
        'INFERFLOW_LOGGING_OPTIONS_INVALID',
        `log schemas cannot be kept in ${this.#directory}: ${(error as Error).message}`,
        { cause: error },
      );
    }
  }

  /** Adds everything that is kept to a book, the oldest first. */
  restore(book: SchemaBook): void {
    const found: ArchivedSchema[] = [];
    for (const entry of readdirSync(this.#directory, { withFileTypes: true, recursive: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.json')) continue;
      try {
        found.push(readArchived(join(entry.parentPath, entry.name)));
      } catch (error) {
        this.#onError(error as Error);
      }
    }
    found.sort((left, right) => left.newest_at - right.newest_at);
    for (const { model_config_id: modelConfigId, config_hash: configHash, version, data } of found) {
      const features = data.map((feature) => logFeature(feature.feature_name, feature.feature_type, feature.feature_size));
      book.restore({ modelConfigId, configHash, version, features });
      this.#newest.set(modelConfigId, configHash);
    }
  }

  /** Keeps the schema of a configuration that has become the newest of its model. Returns at once. */
  save(schema: LogSchema): void {
    if (this.#newest.get(schema.modelConfigId) === schema.configHash) return;
    this.#newest.set(schema.modelConfigId, schema.configHash);
    const newestAt = this.#now();
    this.#last = this.#last.then(() => this.#write(schema, newestAt)).catch((error: unknown) => this.#onError(error as Error));
  }

  /** Resolves when everything is written. */
  close(): Promise<void> {
    return this.#last;
  }

  async #write({ modelConfigId, configHash, version, features }: LogSchema, newestAt: number): Promise<void> {
    const folder = join(this.#directory, encodeURIComponent(modelConfigId));
    const archived: ArchivedSchema = {
      model_config_id: modelConfigId,
      config_hash: configHash,
      version,
      newest_at: newestAt,
      data: features.map(({ name, typeText, size }) => ({ feature_name: name, feature_type: typeText, feature_size: size })),
    };
    await mkdir(folder, { recursive: true });
    const path = join(folder, `${configHash}.json`);
    await writeFile(`${path}.new`, JSON.stringify(archived));
    await rename(`${path}.new`, path);
    await this.#prune(folder);
  }

  async #prune(folder: string): Promise<void> {
    const names = (await readdir(folder)).filter((name) => name.endsWith('.json'));
    if (names.length <= this.#limit) return;
    const ages = names.map((name) => ({ name, newestAt: ageOf(join(folder, name)) }));
    ages.sort((left, right) => left.newestAt - right.newestAt);
    for (const { name } of ages.slice(0, ages.length - this.#limit)) await rm(join(folder, name));
  }
}

/** @throws Error for what is no schema of an archive */
function readArchived(path: string): ArchivedSchema {
  const read = JSON.parse(readFileSync(path, 'utf8')) as Partial<ArchivedSchema> | null;
  const isArchived =
    typeof read?.model_config_id === 'string' &&
    typeof read.config_hash === 'string' &&
    typeof read.version === 'number' &&
    typeof read.newest_at === 'number' &&
    Array.isArray(read.data) &&
    read.data.every((feature) => typeof feature?.feature_name === 'string' && typeof feature.feature_type === 'string');
  if (!isArchived) throw new Error(`${path} is no log schema`);
  return read as ArchivedSchema;
}

/** When a schema became the newest; one that cannot be read goes first. */
function ageOf(path: string): number {
  try {
    return readArchived(path).newest_at;
  } catch {
    return Number.NEGATIVE_INFINITY;
  }
}
