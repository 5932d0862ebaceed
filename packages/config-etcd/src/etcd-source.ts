import {
  type AcceptModel,
  ConfigError,
  ConfigErrorCode,
  type ConfigSnapshot,
  type ConfigSource,
  LastGoodDocuments,
  SnapshotBuilder,
} from '@inferflow/config';
import { BackOff } from './back-off.js';
import { ConfigMirror, type MirrorPosition } from './config-mirror.js';
import type { ConnectEtcd } from './etcd-connection.js';
import { EtcdFailure, toEtcdFailure } from './etcd-failure.js';
import { type EtcdSourceOptions, type ResolvedEtcdSourceOptions, resolveEtcdSourceOptions } from './etcd-source-options.js';
import { loadEtcd3 } from './etcd3-connection.js';
import { followChanges } from './follow-changes.js';
import { KeyLayout } from './key-layout.js';
import { openConnection } from './open-connection.js';
import { type Publication, SnapshotPublisher } from './snapshot-publisher.js';
import { type SourceState, type SourceStatus, StatusTracker } from './source-status.js';

/** A source that reads etcd and says how current it is. */
export interface EtcdSource extends ConfigSource {
  readonly state: SourceState;
  readonly status: SourceStatus;
  /** Calls back whenever the state, or the kind of trouble, changes. Returns a function that ends it. */
  onState(listener: (status: SourceStatus) => void): () => void;
  /** Ids of models that serve although etcd lacks them, because it lost data. */
  readonly retained: readonly string[];
  /** After a loss of data: takes what etcd holds now for the truth, so that models it lacks go away. */
  adopt(): void;
}

/** Times that only tests change, milliseconds. @internal */
export interface SourceTiming {
  readonly firstBackOffMs: number;
  readonly longestBackOffMs: number;
  /** A connection that held this long was a good one: the next attempt comes soon. */
  readonly goodConnectionMs: number;
  /** A watch that says nothing this long although the store has moved on is dead. */
  readonly silenceMs: number;
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
  readonly #lastGood = new LastGoodDocuments();
  readonly #stop = new AbortController();
  #publisher: SnapshotPublisher | null = null;
  #builder: SnapshotBuilder | null = null;
  #listener: ((snapshot: ConfigSnapshot) => void) | null = null;
  #published: ConfigSnapshot | null = null;
  #loop: Promise<void> | null = null;
  #loss = '';
  #ignoredKeys = '';
  #endpointAt: number;
  /** Where the store stood before it lost data, while models are served that it lacks: a restart must find the loss again. */
  #positionBeforeLoss: MirrorPosition | null = null;
  #isSaveDue = false;
  #lastFailure: EtcdFailure | null = null;
  /** Settles the wait of `start` for the first read. */
  #settleFirst: (failure: EtcdFailure | null) => void = () => undefined;

  constructor(options: ResolvedEtcdSourceOptions, loadClient: LoadClient, timing: SourceTiming) {
    this.#options = options;
    this.#timing = timing;
    this.#loadClient = loadClient;
    this.#prefix = `${options.base}/`;
    this.description = `etcd ${options.endpoints.join(',')} ${options.base}`;
    // Servers spread over the members.
    this.#endpointAt = Math.floor(Math.random() * options.endpoints.length);
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

  async start(listener: (snapshot: ConfigSnapshot) => void, accept?: AcceptModel): Promise<ConfigSnapshot> {
    if (this.#builder !== null || this.#stop.signal.aborted)
      throw new ConfigError(ConfigErrorCode.sourceState, 'a config source can be started once');
    this.#builder = new SnapshotBuilder({ accept });
    this.#publisher = new SnapshotPublisher({
      builder: this.#builder,
      layout: new KeyLayout(this.#options.base),
      mirror: this.#mirror,
      deliver: (publication) => this.#deliver(publication),
    });
    const connect = await this.#loadClient(this.#options);
    await this.#restore(this.#publisher);
    const first = this.#firstRead();
    this.#loop = this.#keepReading(connect, this.#publisher);
    const failure = await first;
    if (failure !== null) await this.#startWithout(failure, this.#builder);
    this.#publisher.serving();
    this.#listener = listener;
    return this.#published as unknown as ConfigSnapshot;
  }

  adopt(): void {
    if (!this.#mirror.hasRead || this.#publisher?.hasRetained !== true) return;
    this.#isSaveDue = true;
    this.#publisher.dropRetained();
  }

  async close(): Promise<void> {
    this.#listener = null;
    this.#stop.abort();
    this.#settleFirst(null);
    await this.#loop;
    await this.#publisher?.close();
    this.#tracker.close();
    await this.#options.store?.close();
  }

  /** What an earlier process kept becomes the first snapshot; reading etcd then changes what has changed since. */
  async #restore(publisher: SnapshotPublisher): Promise<void> {
    const { store, onNotice } = this.#options;
    const read = await store?.read(this.#options.base);
    if (read?.kind === 'refused') onNotice(`the stored configuration is refused: ${read.reason}`);
    if (read?.kind !== 'loaded') return;
    const { models, service, position, savedAt } = read.snapshot;
    const mirrored = parsePosition(position);
    if (mirrored !== null) this.#mirror.restore(mirrored);
    await publisher.restore(models, service);
    onNotice(`found ${models.size} stored models, kept at ${new Date(savedAt).toISOString()}`);
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

  async #keepReading(connect: ConnectEtcd, publisher: SnapshotPublisher): Promise<void> {
    const { signal } = this.#stop;
    const backOff = new BackOff(this.#timing.firstBackOffMs, this.#timing.longestBackOffMs);
    while (!signal.aborted) {
      const beganAt = performance.now();
      const failure = await this.#useConnection(connect, publisher);
      if (failure === null || signal.aborted) return;
      if (performance.now() - beganAt > this.#timing.goodConnectionMs) backOff.reset();
      this.#lastFailure = failure;
      this.#tracker.lost(failure);
      const isSettledByFailure = this.#published !== null || !this.#options.waitForFirst;
      if (isSettledByFailure) this.#settleFirst(failure);
      await wait(backOff.next(), signal);
    }
  }

  /** Reads everything and follows changes over one connection. Returns why it ended, null if there is nothing more to do. */
  async #useConnection(connect: ConnectEtcd, publisher: SnapshotPublisher): Promise<EtcdFailure | null> {
    const { endpoints, watch, checkIntervalMs } = this.#options;
    const { signal } = this.#stop;
    try {
      const connection = await openConnection(endpoints, this.#endpointAt++, connect, this.#prefix);
      // Stay where it works; a failure moves on.
      this.#endpointAt = endpoints.indexOf(connection.endpoint);
      const closeNow = (): void => connection.close();
      signal.addEventListener('abort', closeNow);
      try {
        const range = await connection.range(this.#prefix);
        const before = this.#mirror.position;
        this.#takeOver(this.#mirror.resync(range), before, publisher);
        if (!watch) {
          await this.#becomeLive(publisher);
          return null;
        }
        const failure = await followChanges({
          connection,
          prefix: this.#prefix,
          mirror: this.#mirror,
          checkIntervalMs,
          silenceMs: this.#timing.silenceMs,
          signal,
          onOpen: () => void this.#becomeLive(publisher),
          onChange: () => publisher.changed(),
        });
        this.#endpointAt++;
        return failure;
      } finally {
        signal.removeEventListener('abort', closeNow);
        connection.close();
      }
    } catch (error) {
      return toEtcdFailure(this.description, error);
    }
  }

  #takeOver(loss: string | null, before: MirrorPosition | null, publisher: SnapshotPublisher): void {
    if (loss === null) {
      publisher.changed();
      return;
    }
    this.#loss = loss;
    this.#positionBeforeLoss ??= before;
    this.#isSaveDue = true;
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

  #deliver({ snapshot, documents, service, ignoredKeys }: Publication): void {
    this.#sayIgnored(ignoredKeys);
    const publisher = this.#publisher as SnapshotPublisher;
    // A lost model is back, or has been let go; perhaps it was the last.
    if (this.#tracker.current.kind === 'data-loss') this.#sayCurrent(publisher);
    this.#isSaveDue = this.#lastGood.update(snapshot, documents, service) || this.#isSaveDue;
    if (this.#isSaveDue && this.#mirror.hasRead) this.#save(publisher);
    if (snapshot === this.#published) return;
    this.#published = snapshot;
    try {
      this.#listener?.(snapshot);
    } catch (error) {
      this.#options.onNotice(`a configuration could not be taken over: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  #save(publisher: SnapshotPublisher): void {
    this.#isSaveDue = false;
    if (!publisher.hasRetained) this.#positionBeforeLoss = null;
    this.#options.store?.save({
      origin: this.#options.base,
      savedAt: Date.now(),
      position: JSON.stringify(this.#positionBeforeLoss ?? this.#mirror.position),
      models: this.#lastGood.models,
      service: this.#lastGood.service,
    });
  }

  #sayIgnored(keys: readonly string[]): void {
    const text =
      keys.slice(0, shownIgnoredKeys).join(', ') + (keys.length > shownIgnoredKeys ? ` and ${keys.length - shownIgnoredKeys} more` : '');
    if (text === this.#ignoredKeys) return;
    this.#ignoredKeys = text;
    if (text !== '') this.#options.onNotice(`keys that mean nothing here are ignored: ${text}`);
  }
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    timer.unref();
    signal.addEventListener('abort', done);
  });
}

function parsePosition(text: string): MirrorPosition | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { clusterId, revision, modRevisions } = value as Partial<Record<keyof MirrorPosition, unknown>>;
    if (typeof clusterId !== 'string' || typeof revision !== 'number' || typeof modRevisions !== 'object' || modRevisions === null)
      return null;
    return { clusterId, revision, modRevisions: modRevisions as Readonly<Record<string, number>> };
  } catch {
    return null;
  }
}
