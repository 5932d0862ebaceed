import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ConfigDocument, ConfigSnapshot, SnapshotBuilder } from '@inferflow/config';
import type { ConfigMirror } from './config-mirror.js';
import type { KeyLayout, LayoutDocuments } from './key-layout.js';

/** Changes that come within this time are published together. */
const COALESCE_MS = 20;
/** The longest such time, in a storm of changes that takes long to read. */
const LONGEST_COALESCE_MS = 100;
/** Reading configs stops after this time to let requests be answered. */
const SLICE_MS = 8;
/** How long requests have before reading goes on. */
const PAUSE_MS = 4;

/** A snapshot with the documents it was built from. */
export interface Publication {
  readonly snapshot: ConfigSnapshot;
  readonly documents: ReadonlyMap<string, ConfigDocument>;
  readonly service: ConfigDocument | undefined;
  readonly ignoredKeys: readonly string[];
}

/** What a publisher needs from its surroundings. */
export interface SnapshotPublisherOptions {
  readonly builder: SnapshotBuilder;
  readonly layout: KeyLayout;
  /** The keys as they are now. */
  readonly mirror: ConfigMirror;
  /** Called with every publication, also if nothing that serves has changed. */
  readonly deliver: (publication: Publication) => void;
  /** Called when changes could not be published. */
  readonly failed: (error: unknown) => void;
}

/**
 * Makes snapshots of keys that may change thousands of times a second: changes are gathered, read in slices between which requests are
 * answered, and published whole. Also remembers the models that a store has lost without anybody deleting them.
 */
export class SnapshotPublisher {
  readonly #options: SnapshotPublisherOptions;
  #documents: ReadonlyMap<string, ConfigDocument> = new Map();
  #service: ConfigDocument | undefined;
  #retained = new Map<string, ConfigDocument>();
  #retainedService: ConfigDocument | undefined;
  #isLossPending = false;
  #isServing = false;
  #isClosed = false;
  /** Counts changes, and the changes that are published. */
  #changes = 0;
  #publishedChanges = 0;
  #waiting: { readonly changes: number; readonly resolve: () => void }[] = [];
  #running: Promise<void> | null = null;

  constructor(options: SnapshotPublisherOptions) {
    this.#options = options;
  }

  /** Ids of models that serve although the store lacks them since it lost data. */
  get retained(): readonly string[] {
    return [...this.#retained.keys()];
  }

  /** True while anything serves, settings included, that the store has lost. */
  get hasRetained(): boolean {
    return this.#isLossPending || this.#retained.size > 0 || this.#retainedService !== undefined;
  }

  /** Publishes documents from elsewhere, before the first read. */
  async restore(documents: ReadonlyMap<string, ConfigDocument>, service: ConfigDocument | undefined): Promise<void> {
    this.#options.deliver({ snapshot: await this.#build(documents, service), documents, service, ignoredKeys: [] });
  }

  /** The keys have changed: publishes soon. */
  changed(): void {
    this.#changes++;
    if (this.#isClosed) return;
    this.#running ??= this.#run();
  }

  /** The next read of the keys is of a store that lost data: what serves now and is not among them goes on serving. */
  keepWhatServes(): void {
    this.#isLossPending = true;
    this.changed();
  }

  /** Lets go of what the store has lost. */
  dropRetained(): void {
    this.#isLossPending = false;
    this.#retained.clear();
    this.#retainedService = undefined;
    this.changed();
  }

  /** From now on slices are kept apart, since requests are served. */
  serving(): void {
    this.#isServing = true;
  }

  /** Resolves when every change so far is published, or the publisher is closed. */
  settled(): Promise<void> {
    return new Promise((resolve) => {
      if (this.#isClosed || this.#publishedChanges >= this.#changes) resolve();
      else this.#waiting.push({ changes: this.#changes, resolve });
    });
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#running;
    for (const { resolve } of this.#waiting.splice(0)) resolve();
  }

  async #run(): Promise<void> {
    let pauseMs = this.#isServing ? COALESCE_MS : 0;
    while (this.#publishedChanges < this.#changes) {
      await sleep(pauseMs);
      if (this.#isClosed) break;
      const changes = this.#changes;
      const beganAt = performance.now();
      try {
        await this.#publish();
      } catch (error) {
        // A defect of ours; the next change is another chance.
        this.#options.failed(error);
      }
      if (this.#isClosed) break;
      this.#publishedChanges = changes;
      this.#waiting = this.#waiting.filter((waiter) => {
        if (waiter.changes <= changes) waiter.resolve();
        return waiter.changes > changes;
      });
      // In a storm of changes publishing takes no more than its share.
      pauseMs = Math.min(Math.max(COALESCE_MS, performance.now() - beganAt), LONGEST_COALESCE_MS);
    }
    // In the same turn as the look at the loop's condition: a change never falls in between.
    this.#running = null;
  }

  #retain(layout: LayoutDocuments): void {
    if (this.#isLossPending) {
      this.#isLossPending = false;
      this.#retained = new Map(this.#documents);
      this.#retainedService = this.#service;
    }
    for (const id of layout.models.keys()) this.#retained.delete(id);
    if (layout.service !== undefined) this.#retainedService = undefined;
  }

  #merge({ models, mapProblem }: LayoutDocuments): ReadonlyMap<string, ConfigDocument> {
    // All models are in one key that cannot be read: each of them keeps its last good version and says why.
    if (mapProblem !== undefined) return new Map([...this.#documents.keys()].map((id) => [id, { problem: mapProblem }]));
    return this.#retained.size === 0 ? models : new Map([...models, ...this.#retained]);
  }

  async #publish(): Promise<void> {
    const { mirror, layout, deliver } = this.#options;
    const entries = [...mirror.entries];
    const revived = mirror.takeRevived();
    if (revived.size > 0) {
      // Deleted and written again before anybody looked: the earlier version must not serve on if the new one is bad.
      const gone = layout.read(entries.filter(({ key }) => !revived.has(key)));
      this.#retain(gone);
      await this.#build(this.#merge(gone), gone.service ?? this.#retainedService);
    }
    const now = layout.read(entries);
    this.#retain(now);
    const documents = this.#merge(now);
    const service = now.service ?? this.#retainedService;
    const snapshot = await this.#build(documents, service);
    if (!this.#isClosed) deliver({ snapshot, documents, service, ignoredKeys: now.ignoredKeys });
  }

  /** Reads what has changed, a slice at a time. */
  async #build(documents: ReadonlyMap<string, ConfigDocument>, service: ConfigDocument | undefined): Promise<ConfigSnapshot> {
    const { builder } = this.#options;
    let sliceEnd = performance.now() + SLICE_MS;
    for (const [id, document] of documents) {
      if (document === this.#documents.get(id) || this.#isClosed) continue;
      builder.prepare(id, document);
      if (performance.now() < sliceEnd) continue;
      await (this.#isServing ? sleep(PAUSE_MS) : nextTurn());
      sliceEnd = performance.now() + SLICE_MS;
    }
    this.#documents = documents;
    this.#service = service;
    return builder.build(documents, service);
  }
}
