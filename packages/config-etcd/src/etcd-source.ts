import {
  type AcceptModel,
  ConfigError,
  ConfigErrorCode,
  type ConfigSnapshot,
  type ConfigSource,
  SnapshotBuilder,
  type WarmModel,
} from '@inferflow/config';
import { ConfigMirror, type MirrorPosition } from './config-mirror.js';
import type { ConnectEtcd } from './etcd-connection.js';
import { EtcdFailure } from './etcd-failure.js';
import { type EtcdSourceOptions, type ResolvedEtcdSourceOptions, resolveEtcdSourceOptions } from './etcd-source-options.js';
import { loadEtcd3 } from './etcd3-connection.js';
import { KeyLayout } from './key-layout.js';
import { LastGoodKeeper } from './last-good-keeper.js';
import { readAndFollow, type SourceTiming } from './read-and-follow.js';
import { type Publication, SnapshotPublisher } from './snapshot-publisher.js';
import { type SourceState, type SourceStatus, StatusTracker } from './source-status.js';

/** A source that reads etcd and says how current it is. */
export interface EtcdSource extends ConfigSource {
  readonly state: SourceState;
  readonly status: SourceStatus;
  /** Calls back whenever the state, or the kind of trouble, changes. Returns a function that ends it. */
  onState(listener: (status: SourceStatus) => void): () => void;
  /** Which etcd was read, and up to which of its revisions; null before the first read. */
  readonly position: { readonly clusterId: string; readonly revision: number } | null;
  /** Ids of models that serve although etcd lacks them, because it lost data. */
  readonly retained: readonly string[];
  /** After a loss of data: takes what etcd holds now for the truth, so that models it lacks go away. */
  adopt(): void;
}

const usualTiming: SourceTiming = { firstBackOffMs: 150, longestBackOffMs: 2000, goodConnectionMs: 5000, silenceMs: 2000 };
/** With a stored snapshot at hand a start does not wait longer for etcd. */
const START_WITH_STORED_MS = 2000;
const shownIgnoredKeys = 5;

/**
 * Serves the configs in etcd and follows changes to them: a change is live well within a second, and after any trouble the keys are read
 * anew. Reads only; never writes etcd.
 * @throws EtcdSourceError if the options cannot be understood
 */
export function createEtcdSource(options: EtcdSourceOptions): EtcdSource {
  return new EtcdConfigSource(resolveEtcdSourceOptions(options), loadEtcd3, usualTiming);
}

/** The same over a client of the caller's. @internal */
export function createEtcdSourceOver(connect: ConnectEtcd, options: EtcdSourceOptions, timing = usualTiming): EtcdSource {
  return new EtcdConfigSource(resolveEtcdSourceOptions(options), async () => connect, timing);
}

type LoadClient = (options: ResolvedEtcdSourceOptions) => Promise<ConnectEtcd>;

class EtcdConfigSource implements EtcdSource {
  readonly description: string;
  readonly #options: ResolvedEtcdSourceOptions;
  readonly #loadClient: LoadClient;
  readonly #timing: SourceTiming;
  readonly #prefix: string;
  readonly #mirror = new ConfigMirror();
  readonly #tracker = new StatusTracker();
  readonly #keeper: LastGoodKeeper;
  readonly #stop = new AbortController();
  #publisher: SnapshotPublisher | null = null;
  #builder: SnapshotBuilder | null = null;
  #listener: ((snapshot: ConfigSnapshot) => void) | null = null;
  #published: ConfigSnapshot | null = null;
  #loop: Promise<void> | null = null;
  #loss = '';
  #ignoredKeys = '';
  #mapProblem = '';
  #lastFailure: EtcdFailure | null = null;
  /** Settles the wait of `start` for the first read. */
  #settleFirst: (failure: EtcdFailure | null) => void = () => undefined;

  constructor(options: ResolvedEtcdSourceOptions, loadClient: LoadClient, timing: SourceTiming) {
    this.#options = options;
    this.#timing = timing;
    this.#loadClient = loadClient;
    this.#prefix = `${options.base}/`;
    this.#keeper = new LastGoodKeeper(options.store, options.base, this.#mirror, options.onNotice);
    this.description = `etcd ${options.endpoints.join(',')} ${options.base}`;
  }

  get state(): SourceState {
    return this.#tracker.current.state;
  }

  get status(): SourceStatus {
    return this.#tracker.current;
  }

  get retained(): readonly string[] {
    return this.#publisher?.retained ?? [];
  }

  onState(listener: (status: SourceStatus) => void): () => void {
    return this.#tracker.onChange(listener);
  }

  async start(listener: (snapshot: ConfigSnapshot) => void, accept?: AcceptModel, warm?: WarmModel): Promise<ConfigSnapshot> {
    if (this.#builder !== null || this.#stop.signal.aborted)
      throw new ConfigError(ConfigErrorCode.sourceState, 'a config source can be started once');
    this.#builder = new SnapshotBuilder({ accept, warm, onWarmed: () => this.#warmed() });
    this.#publisher = new SnapshotPublisher({
      builder: this.#builder,
      layout: new KeyLayout(this.#options.base),
      mirror: this.#mirror,
      deliver: (publication) => this.#deliver(publication),
      failed: (error) => this.#options.onNotice(`changes could not be published: ${messageOf(error)}`),
    });
    const connect = await this.#loadClient(this.#options);
    // What an earlier process kept becomes the first snapshot; reading etcd then changes what has changed since.
    const restored = await this.#keeper.restore();
    if (restored !== null) await this.#publisher.restore(restored.models, restored.service);
    this.#requireOpen();
    const first = this.#firstRead();
    this.#loop = this.#readAndFollow(connect, this.#publisher);
    const failure = await first;
    this.#requireOpen();
    if (failure !== null) await this.#startWithout(failure, this.#builder);
    await this.#builder.warmed();
    this.#warmed();
    await this.#publisher.settled();
    this.#requireOpen();
    this.#publisher.serving();
    this.#listener = listener;
    return this.#published as unknown as ConfigSnapshot;
  }

  #requireOpen(): void {
    if (this.#stop.signal.aborted) throw new ConfigError(ConfigErrorCode.sourceState, 'the config source was closed before it had started');
  }

  get position(): { readonly clusterId: string; readonly revision: number } | null {
    return this.#mirror.hasRead ? this.#mirror.header : null;
  }

  adopt(): void {
    if (!this.#mirror.hasRead || this.#publisher?.hasRetained !== true) return;
    this.#keeper.letGo();
    this.#publisher.dropRetained();
  }

  async close(): Promise<void> {
    this.#listener = null;
    this.#stop.abort();
    this.#settleFirst(null);
    this.#builder?.close();
    await this.#loop;
    await this.#publisher?.close();
    this.#tracker.close();
    await this.#keeper.close();
  }

  /** Versions have been prepared. Before the first read there are none: what was stored serves as it is. */
  #warmed(): void {
    if (this.#mirror.hasRead) this.#publisher?.changed();
  }

  /** Null when the keys have been read, else why they have not yet. */
  #firstRead(): Promise<EtcdFailure | null> {
    const limitMs = this.#published === null ? this.#options.callTimeoutMs : START_WITH_STORED_MS;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        resolve(this.#lastFailure ?? new EtcdFailure('timeout', `${this.description}: not read within ${limitMs} ms`));
      }, limitMs);
      this.#settleFirst = (failure) => {
        clearTimeout(timer);
        resolve(failure);
      };
    });
  }

  async #startWithout(failure: EtcdFailure, builder: SnapshotBuilder): Promise<void> {
    if (this.#published !== null) {
      this.#tracker.stale(`${failure.message}; the stored configuration is served`, failure.kind);
      return;
    }
    if (this.#options.waitForFirst) {
      await this.close();
      throw new ConfigError(ConfigErrorCode.sourceUnavailable, failure.message, { cause: failure });
    }
    this.#tracker.lost(failure);
    const problem = { severity: 'error', code: 'INFERFLOW_CONFIG_UNREADABLE', path: '$', message: failure.message } as const;
    this.#published = builder.build(new Map(), { problem });
  }

  #readAndFollow(connect: ConnectEtcd, publisher: SnapshotPublisher): Promise<void> {
    return readAndFollow({
      source: this.#options,
      timing: this.#timing,
      connect,
      description: this.description,
      prefix: this.#prefix,
      mirror: this.#mirror,
      signal: this.#stop.signal,
      onRead: (loss, before) => this.#takeOver(loss, before, publisher),
      onCurrent: () => void this.#becomeLive(publisher),
      onChange: () => publisher.changed(),
      onFailure: (failure) => this.#failed(failure),
    });
  }

  #failed(failure: EtcdFailure): void {
    this.#lastFailure = failure;
    this.#tracker.lost(failure);
    const isSettledByFailure = this.#published !== null || !this.#options.waitForFirst;
    if (isSettledByFailure) this.#settleFirst(failure);
  }

  #takeOver(loss: string | null, before: MirrorPosition | null, publisher: SnapshotPublisher): void {
    if (loss === null) {
      publisher.changed();
      return;
    }
    this.#loss = loss;
    this.#keeper.lost(before);
    publisher.keepWhatServes();
    this.#tracker.stale(`etcd has lost data: ${loss}`, 'data-loss');
  }

  async #becomeLive(publisher: SnapshotPublisher): Promise<void> {
    await publisher.settled();
    this.#settleFirst(null);
    if (this.#stop.signal.aborted) return;
    this.#sayCurrent(publisher);
  }

  #sayCurrent(publisher: SnapshotPublisher): void {
    if (publisher.hasRetained) {
      const { length } = publisher.retained;
      const what =
        length === 1 ? '1 model that it lacks goes' : `${length === 0 ? 'the service settings' : `${length} models`} that it lacks go`;
      this.#tracker.stale(`etcd has lost data: ${this.#loss}; ${what} on serving`, 'data-loss');
    } else {
      this.#tracker.live(this.#options.watch ? '' : 'changes are not followed');
    }
  }

  #deliver(publication: Publication): void {
    const { snapshot } = publication;
    this.#sayIgnored(publication.ignoredKeys);
    this.#sayMapProblem(publication);
    const publisher = this.#publisher as SnapshotPublisher;
    // A lost model is back, or has been let go; perhaps it was the last.
    if (this.#tracker.current.kind === 'data-loss') this.#sayCurrent(publisher);
    this.#keeper.keep(publication, publisher.hasRetained);
    if (snapshot === this.#published) return;
    this.#published = snapshot;
    try {
      this.#listener?.(snapshot);
    } catch (error) {
      this.#options.onNotice(`a configuration could not be taken over: ${messageOf(error)}`);
    }
  }

  #sayIgnored(keys: readonly string[]): void {
    const text =
      keys.slice(0, shownIgnoredKeys).join(', ') + (keys.length > shownIgnoredKeys ? ` and ${keys.length - shownIgnoredKeys} more` : '');
    if (text === this.#ignoredKeys) return;
    this.#ignoredKeys = text;
    if (text !== '') this.#options.onNotice(`keys that mean nothing here are ignored: ${text}`);
  }

  /** Models say it themselves, those that are known: at a first start there are none. */
  #sayMapProblem({ mapProblem, snapshot }: Publication): void {
    const text = mapProblem === undefined || snapshot.models.size > 0 ? '' : mapProblem.message;
    if (text === this.#mapProblem) return;
    this.#mapProblem = text;
    if (text !== '') this.#options.onNotice(`no model can be read: ${text}`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
