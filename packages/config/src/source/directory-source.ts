import { type FSWatcher, watch } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { ConfigError, ConfigErrorCode } from '../errors.js';
import { createProblem } from '../parse/parse-context.js';
import type { ConfigSnapshot } from '../snapshot.js';
import type { AcceptModel, ConfigSource, WarmModel } from '../source.js';
import type { ConfigDocument } from './model-document.js';
import { SettledFiles } from './settled-files.js';
import { SnapshotBuilder } from './snapshot-builder.js';

/** Options of `createDirectorySource`. */
export interface DirectorySourceOptions {
  /** Holds `models/<encodeURIComponent(id)>.json` (or `.yaml`, `.yml`) and, if wanted, `services.json`. */
  readonly directory: string;
  /**
   * How often files are looked at besides the file system's own notice, which network and container file systems may lack. Milliseconds;
   * `Infinity` for never.
   * @default 250
   */
  readonly pollIntervalMs?: number;
  /** Told about trouble while following, such as the directory being removed; the last snapshot stays. @default a process warning */
  readonly onError?: (error: Error) => void;
  /** Told when a directory that could not be followed can be again. @default nothing */
  readonly onRecovered?: () => void;
}

const DEFAULT_POLL_INTERVAL_MS = 250;
/** Time between scans while something has to settle. */
const RESCAN_MS = 25;
/** Longest wait for files that are being written while the service starts. */
const FIRST_SCAN_MS = 2000;
/** Reading configs stops after this time to let requests be answered. */
const SLICE_MS = 8;
/** A timer that should run longer would end at once. */
const LONGEST_TIMER_MS = 2_147_483_647;
/** Files looked at per poll: what a poll costs does not grow with the number of models. */
const FILES_PER_POLL = 256;

/** Serves the configs in a directory and follows changes to it: a change is live within half a second, a half-written file is never read. */
export function createDirectorySource(options: DirectorySourceOptions): ConfigSource {
  return new DirectorySource(options);
}

class DirectorySource implements ConfigSource {
  readonly description: string;
  readonly #directory: string;
  readonly #models: string;
  readonly #pollIntervalMs: number;
  readonly #onError: (error: Error) => void;
  readonly #onRecovered: () => void;
  readonly #files: SettledFiles;
  #builder: SnapshotBuilder | null = null;
  #listener: ((snapshot: ConfigSnapshot) => void) | null = null;
  #published: ConfigSnapshot | null = null;
  #watchers: FSWatcher[] = [];
  #watchedInode = '';
  #timer: NodeJS.Timeout | null = null;
  #poll: NodeJS.Timeout | null = null;
  #pollFrom = 0;
  #scanning: Promise<void> | null = null;
  #isAgainWanted = false;
  #isBroken = false;
  #isClosed = false;

  constructor({ directory, pollIntervalMs = DEFAULT_POLL_INTERVAL_MS, onError, onRecovered }: DirectorySourceOptions) {
    this.description = `directory ${directory}`;
    this.#directory = directory;
    this.#models = join(directory, 'models');
    this.#pollIntervalMs = Math.min(pollIntervalMs, LONGEST_TIMER_MS);
    this.#onError = onError ?? ((error) => process.emitWarning(error));
    this.#onRecovered = onRecovered ?? (() => undefined);
    this.#files = new SettledFiles(directory);
  }

  async start(listener: (snapshot: ConfigSnapshot) => void, accept?: AcceptModel, warm?: WarmModel): Promise<ConfigSnapshot> {
    if (this.#builder !== null || this.#isClosed) throw new ConfigError(ConfigErrorCode.sourceState, 'a config source can be started once');
    this.#builder = new SnapshotBuilder({ accept, warm, onWarmed: () => this.#warmed() });
    await requireDirectory(this.#directory, 'the configuration directory');
    await requireDirectory(this.#models, 'the folder for models in the configuration directory');
    await this.#watch();
    await this.#firstScan();
    await this.#prepare();
    this.#build();
    await this.#builder.warmed();
    this.#published = this.#build();
    this.#listener = listener;
    if (!this.#isClosed) this.#schedulePoll();
    this.#trigger(0);
    return this.#published;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#listener = null;
    this.#builder?.close();
    if (this.#timer !== null) clearTimeout(this.#timer);
    if (this.#poll !== null) clearTimeout(this.#poll);
    this.#timer = null;
    this.#poll = null;
    this.#unwatch();
    await this.#scanning;
  }

  async #firstScan(): Promise<void> {
    try {
      const end = performance.now() + FIRST_SCAN_MS;
      while ((await this.#files.scan()) && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, RESCAN_MS));
    } catch (cause) {
      throw unavailable(`the folder ${this.#models} cannot be listed`, cause);
    }
  }

  /** Reads what has changed while requests are answered in between. */
  async #prepare(): Promise<void> {
    const builder = this.#builder as SnapshotBuilder;
    let end = performance.now() + SLICE_MS;
    for (const [modelConfigId, document] of this.#files.models(twoModelFiles)) {
      if (this.#isClosed) return;
      await builder.prepareInSlices(modelConfigId, document, nextTurn);
      if (performance.now() < end) continue;
      await nextTurn();
      end = performance.now() + SLICE_MS;
    }
  }

  #build(): ConfigSnapshot {
    // `start` made the builder before anything could call this.
    const builder = this.#builder as SnapshotBuilder;
    return builder.build(this.#files.models(twoModelFiles), this.#files.service(twoSettingsFiles));
  }

  #trigger(delayMs: number): void {
    if (this.#isClosed || this.#listener === null) return;
    if (this.#scanning !== null) {
      this.#isAgainWanted = true;
      return;
    }
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#scanning = this.#scan().finally(() => {
        this.#scanning = null;
        if (this.#isAgainWanted) this.#trigger(RESCAN_MS);
        this.#isAgainWanted = false;
      });
    }, delayMs);
    this.#timer.unref();
  }

  async #scan(): Promise<void> {
    try {
      if (await this.#files.scan()) this.#isAgainWanted = true;
      if (this.#isBroken) this.#onRecovered();
      this.#isBroken = false;
    } catch (cause) {
      if (!this.#isBroken) this.#onError(unavailable(`the folder ${this.#models} cannot be followed; the last configuration stays`, cause));
      this.#isBroken = true;
      return;
    }
    await this.#prepare();
    this.#publish();
  }

  /** Versions have been prepared. A scan that is under way publishes them as well. */
  #warmed(): void {
    if (this.#listener !== null && this.#scanning === null) this.#publish();
  }

  #publish(): void {
    const snapshot = this.#build();
    if (snapshot === this.#published || this.#isClosed) return;
    this.#published = snapshot;
    try {
      this.#listener?.(snapshot);
    } catch (error) {
      this.#onError(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #schedulePoll(): void {
    this.#poll = setTimeout(() => {
      void this.#look().finally(() => {
        if (!this.#isClosed) this.#schedulePoll();
      });
    }, this.#pollIntervalMs);
    this.#poll.unref();
  }

  async #look(): Promise<void> {
    if ((await directoryStamp(this.#directory, this.#models)) !== this.#watchedInode) {
      await this.#watch();
      this.#trigger(0);
      return;
    }
    const from = this.#pollFrom;
    this.#pollFrom += FILES_PER_POLL;
    if (await this.#files.hasChanged(from, FILES_PER_POLL)) this.#trigger(0);
  }

  /** Notices are a faster way to learn of a change; without them polling finds it. */
  async #watch(): Promise<void> {
    this.#unwatch();
    this.#watchedInode = await directoryStamp(this.#directory, this.#models);
    if (this.#isClosed) return;
    for (const path of [this.#directory, this.#models]) {
      try {
        const watcher = watch(path, { persistent: false }, () => this.#trigger(0));
        watcher.on('error', () => watcher.close());
        this.#watchers.push(watcher);
      } catch {
        // Polling goes on.
      }
    }
  }

  #unwatch(): void {
    for (const watcher of this.#watchers) watcher.close();
    this.#watchers = [];
  }
}

const twoModelFiles = (names: readonly string[]): ConfigDocument => twoFiles('the model is', names);
const twoSettingsFiles = (names: readonly string[]): ConfigDocument => twoFiles('the settings are', names);

function twoFiles(what: string, names: readonly string[]): ConfigDocument {
  const message = `${what} defined by ${names.map((name) => JSON.stringify(name)).join(' and ')}`;
  return { problem: createProblem('INFERFLOW_CONFIG_TWO_FILES', '$', message, { expected: 'one file' }) };
}

/** Changes when a folder is replaced, or when a file in it is added, replaced or removed. */
async function directoryStamp(...paths: readonly string[]): Promise<string> {
  const stamps = await Promise.all(
    paths.map(async (path) => {
      try {
        const { ino, mtimeNs } = await stat(path, { bigint: true });
        return `${ino}.${mtimeNs}`;
      } catch {
        return 'gone';
      }
    }),
  );
  return stamps.join(' ');
}

async function requireDirectory(path: string, what: string): Promise<void> {
  const found = await stat(path).catch((cause: unknown) => {
    throw unavailable(`${what} ${path} cannot be read; it should hold models/<model config id>.json`, cause);
  });
  if (!found.isDirectory()) throw unavailable(`${what} ${path} is not a directory`, undefined);
}

function unavailable(message: string, cause: unknown): ConfigError {
  return new ConfigError(ConfigErrorCode.sourceUnavailable, message, { cause });
}
