import { type ConfigDocument, LastGoodDocuments, type SnapshotStore } from '@inferflow/config';
import type { ConfigMirror, MirrorPosition } from './config-mirror.js';
import type { Publication } from './snapshot-publisher.js';

/** What an earlier process left. */
export interface Restored {
  readonly models: ReadonlyMap<string, ConfigDocument>;
  readonly service: ConfigDocument | undefined;
}

/** Keeps what serves on disk, with how far etcd had been read, and brings both back at a start. */
export class LastGoodKeeper {
  readonly #store: SnapshotStore | null;
  readonly #origin: string;
  readonly #mirror: ConfigMirror;
  readonly #onNotice: (notice: string) => void;
  readonly #documents = new LastGoodDocuments();
  /** Where the store stood before it lost data, while models are served that it lacks: a restart must find the loss again. */
  #positionBeforeLoss: MirrorPosition | null = null;
  #isDue = false;

  /** @param origin base of the keys: what was kept for another one is not used */
  constructor(store: SnapshotStore | null, origin: string, mirror: ConfigMirror, onNotice: (notice: string) => void) {
    this.#store = store;
    this.#origin = origin;
    this.#mirror = mirror;
    this.#onNotice = onNotice;
  }

  /** What was kept, null if there is nothing to be trusted; the mirror then continues from there. */
  async restore(): Promise<Restored | null> {
    const read = await this.#store?.read(this.#origin);
    if (read?.kind === 'refused') this.#onNotice(`the stored configuration is refused: ${read.reason}`);
    if (read?.kind !== 'loaded') return null;
    const { models, service, position, savedAt } = read.snapshot;
    const mirrored = parsePosition(position);
    if (mirrored !== null) this.#mirror.restore(mirrored);
    this.#onNotice(`found ${models.size} stored models, kept at ${new Date(savedAt).toISOString()}`);
    return { models, service };
  }

  /** Etcd has lost data, or what it lost was let go: the position changes although no document may. */
  lost(before: MirrorPosition | null): void {
    this.#positionBeforeLoss ??= before;
    this.#isDue = true;
  }

  letGo(): void {
    this.#isDue = true;
  }

  /** Takes over a publication. @param hasRetained whether something serves that etcd has lost */
  keep({ snapshot, documents, service }: Publication, hasRetained: boolean): void {
    this.#isDue = this.#documents.update(snapshot, documents, service) || this.#isDue;
    // What was just restored need not be written again.
    if (!this.#isDue || !this.#mirror.hasRead) return;
    this.#isDue = false;
    if (!hasRetained) this.#positionBeforeLoss = null;
    this.#store?.save({
      origin: this.#origin,
      savedAt: Date.now(),
      position: JSON.stringify(this.#positionBeforeLoss ?? this.#mirror.position),
      models: this.#documents.models,
      service: this.#documents.service,
    });
  }

  async close(): Promise<void> {
    await this.#store?.close();
  }
}

function parsePosition(text: string): MirrorPosition | null {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value !== 'object' || value === null) return null;
    const { clusterId, revision, modRevisions } = value as Partial<Record<keyof MirrorPosition, unknown>>;
    if (typeof clusterId !== 'string' || typeof revision !== 'number') return null;
    if (typeof modRevisions !== 'object' || modRevisions === null) return null;
    // Written by this class, under a checksum.
    return { clusterId, revision, modRevisions: modRevisions as Readonly<Record<string, number>> };
  } catch {
    return null;
  }
}
