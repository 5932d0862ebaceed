import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import type { ConfigDocument, ConfigSnapshot, Problem, SnapshotBuilder } from '@inferflow/config';
import type { ConfigMirror } from './config-mirror.js';
import type { KeyLayout, LayoutDocuments } from './key-layout.js';
import type { KeyEntry } from './key-places.js';

/** Changes that come within this time are published together. */
const COALESCE_MS = 20;
/** Reading configs stops after this time to let requests be answered. */
const SLICE_MS = 8;
/** How long requests have before reading goes on. */
const PAUSE_MS = 4;
/** A text that takes about a slice to read. */
const LARGE_CHARACTERS = 100_000;
/** What has been read in this time is published; the rest follows. */
const BATCH_MS = 250;

/** A snapshot with the documents it was built from. */
export interface Publication {
  readonly snapshot: ConfigSnapshot;
  readonly documents: ReadonlyMap<string, ConfigDocument>;
  readonly service: ConfigDocument | undefined;
  readonly ignoredKeys: readonly string[];
  /** Why the one key of all models cannot be read; undefined if it can, or there is none. */
  readonly mapProblem: Problem | undefined;
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
 * answered, and published, each model whole. Also remembers the models that a store has lost without anybody deleting them.
 */
export class SnapshotPublisher {
  readonly #options: SnapshotPublisherOptions;
  #documents: ReadonlyMap<string, ConfigDocument> = new Map();
  #service: ConfigDocument | undefined;
  #retained = new Map<string, ConfigDocument>();
  #retainedService: ConfigDocument | undefined;
  /** What has changed and is still to be read, by id, longest waiting first. */
  readonly #pending = new Map<string, Pending>();
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
    await this.#prepare(documents, new Set(), true);
    await this.#options.builder.warmed();
    this.#options.deliver({ snapshot: this.#build(documents, service), documents, service, ignoredKeys: [], mapProblem: undefined });
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
    const pauseMs = this.#isServing ? COALESCE_MS : 0;
    while (this.#publishedChanges < this.#changes) {
      await sleep(pauseMs);
      if (this.#isClosed) break;
      const changes = this.#changes;
      try {
        await this.#publish();
      } catch (error) {
        // A defect of ours; the next change is another chance.
        this.#options.failed(error);
      }
      if (this.#isClosed) break;
      if (this.#pending.size > 0) continue;
      this.#publishedChanges = changes;
      this.#waiting = this.#waiting.filter((waiter) => {
        if (waiter.changes <= changes) waiter.resolve();
        return waiter.changes > changes;
      });
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
    for (const id of [...layout.models.keys(), ...layout.emptied]) this.#retained.delete(id);
    if (layout.service !== undefined) this.#retainedService = undefined;
  }

  #merge({ models, emptied, mapProblem }: LayoutDocuments): ReadonlyMap<string, ConfigDocument> {
    // All models are in one key that cannot be read: each of them keeps its last good version and says why.
    if (mapProblem !== undefined) return new Map([...this.#documents.keys()].map((id) => [id, { problem: mapProblem }]));
    const known = [...emptied].filter((id) => this.#documents.has(id));
    if (this.#retained.size === 0 && known.length === 0) return models;
    return new Map([...models, ...known.map((id) => [id, emptyDocument] as const), ...this.#retained]);
  }

  async #publish(): Promise<void> {
    const { mirror, layout, deliver } = this.#options;
    const entries = [...mirror.entries];
    const forgotten = this.#forget(entries, mirror.takeRevived());
    const now = layout.read(entries);
    this.#retain(now);
    const documents = await this.#prepare(this.#merge(now), forgotten);
    const service = now.service ?? this.#retainedService;
    // With thousands of models either of these takes a while: they get turns of their own.
    await this.#pause();
    if (this.#isClosed) return;
    const snapshot = this.#build(documents, service);
    await this.#pause();
    if (!this.#isClosed) deliver({ snapshot, documents, service, ignoredKeys: now.ignoredKeys, mapProblem: now.mapProblem });
  }

  /**
   * Models whose keys were deleted and written again before anybody looked: their earlier versions must not serve on if the new ones are
   * bad. Nobody sees them gone.
   */
  #forget(entries: readonly KeyEntry[], revived: ReadonlySet<string>): ReadonlySet<string> {
    if (revived.size === 0) return new Set();
    const others = this.#options.layout.read(entries.filter(({ key }) => !revived.has(key)));
    const isThere = (id: string): boolean => others.models.has(id) || others.emptied.has(id) || this.#retained.has(id);
    const forgotten = [...this.#documents.keys()].filter((id) => !isThere(id));
    if (forgotten.length === 0 || others.mapProblem !== undefined) return new Set();
    const kept = new Map(this.#documents);
    for (const id of forgotten) kept.delete(id);
    this.#build(kept, this.#service);
    return new Set(forgotten);
  }

  /**
   * Reads what has changed, a slice at a time, until all is read or a batch is full.
   * @param first ids that have to be among it
   * @param hasServed they served before, in an earlier process
   * @returns the documents, with the ones before where there was no time for the new ones
   */
  async #prepare(
    documents: ReadonlyMap<string, ConfigDocument>,
    first: ReadonlySet<string>,
    hasServed = false,
  ): Promise<ReadonlyMap<string, ConfigDocument>> {
    const isNews = (id: string): boolean => documents.has(id) && documents.get(id) !== this.#documents.get(id);
    for (const id of this.#pending.keys()) if (!isNews(id)) this.#pending.delete(id);
    for (const [id, document] of documents) {
      const before = this.#pending.get(id);
      if (isNews(id) && before?.document !== document) this.#pending.set(id, { document, changes: (before?.changes ?? 0) + 1 });
    }
    const batchEnd = this.#isServing ? performance.now() + BATCH_MS : Number.POSITIVE_INFINITY;
    let sliceEnd = performance.now() + SLICE_MS;
    for (const id of new Set([...first, ...inTurn(this.#pending)])) {
      const document = documents.get(id);
      if (document === undefined) continue;
      if (this.#isClosed || (performance.now() >= batchEnd && !first.has(id))) break;
      // Reading it takes longer than a slice: nothing else comes on top of its first one.
      if (isLarge(document)) await this.#pause();
      await this.#options.builder.prepareInSlices(id, document, () => this.#pause(), hasServed);
      this.#pending.delete(id);
      if (performance.now() < sliceEnd) continue;
      await this.#pause();
      sliceEnd = performance.now() + SLICE_MS;
    }
    if (this.#pending.size === 0) return documents;
    const ready = new Map<string, ConfigDocument>();
    for (const [id, document] of documents) {
      const usable = this.#pending.has(id) ? this.#documents.get(id) : document;
      if (usable !== undefined) ready.set(id, usable);
    }
    return ready;
  }

  async #pause(): Promise<void> {
    await (this.#isServing ? sleep(PAUSE_MS) : nextTurn());
  }

  #build(documents: ReadonlyMap<string, ConfigDocument>, service: ConfigDocument | undefined): ConfigSnapshot {
    this.#documents = documents;
    this.#service = service;
    return this.#options.builder.build(documents, service);
  }
}

/** What is in force while the keys of a model are empty: a bad version, which is no deletion. */
const emptyDocument: ConfigDocument = {
  problem: {
    severity: 'error',
    code: 'INFERFLOW_CONFIG_SYNTAX',
    path: '$',
    message: 'the key of the model is empty; delete it to remove the model',
    expected: 'JSON',
  },
};

/** A document that is to be read, and how often its model has changed since it began to wait. */
interface Pending {
  readonly document: ConfigDocument;
  readonly changes: number;
}

/**
 * Ids in the order in which they are read: in turn one of those that change least and the one that waits longest. So a single push is not
 * held up by models that change all the time, nor are those by single pushes.
 */
function* inTurn(pending: ReadonlyMap<string, Pending>): Iterable<string> {
  const byAge = [...pending.keys()];
  const changesOf = (id: string): number => pending.get(id)?.changes ?? 0;
  const calmFirst = byAge.toSorted((left, right) => changesOf(left) - changesOf(right));
  for (const [at, id] of byAge.entries()) {
    yield calmFirst[at] ?? id;
    yield id;
  }
}

function isLarge(document: ConfigDocument): boolean {
  return 'text' in document && document.text.length > LARGE_CHARACTERS;
}
