import { ConfigError, ConfigErrorCode } from '../errors.js';
import type { ConfigSnapshot, ServiceConfig } from '../snapshot.js';
import type { AcceptModel, ConfigSource } from '../source.js';
import type { ConfigDocument } from './model-document.js';
import { SnapshotBuilder } from './snapshot-builder.js';

/** Model configs by id: objects in either dialect, or JSON text. `undefined` and empty text count as absent. */
export type ModelsById = Readonly<Record<string, unknown>>;

/** A source whose configs are values of this process. */
export interface ObjectSource extends ConfigSource {
  /** Replaces all models, and the service settings if given. Listeners hear of it before it returns. Values are copied. */
  update(models: ModelsById, service?: Partial<ServiceConfig>): void;
}

/** Serves configs that the embedding program holds. */
export function createObjectSource(models: ModelsById, service: Partial<ServiceConfig> = {}): ObjectSource {
  let documents = toDocuments(models);
  let settings = toServiceDocument(service);
  let builder: SnapshotBuilder | null = null;
  let listener: ((snapshot: ConfigSnapshot) => void) | null = null;
  let published: ConfigSnapshot | null = null;
  return {
    description: 'configs given by the program',
    async start(listen: (snapshot: ConfigSnapshot) => void, accept?: AcceptModel): Promise<ConfigSnapshot> {
      if (builder !== null) throw new ConfigError(ConfigErrorCode.sourceState, 'a config source can be started once');
      builder = new SnapshotBuilder({ accept });
      listener = listen;
      published = builder.build(documents, settings);
      return published;
    },
    update(nextModels: ModelsById, nextService?: Partial<ServiceConfig>): void {
      documents = toDocuments(nextModels);
      if (nextService !== undefined) settings = toServiceDocument(nextService);
      if (builder === null || listener === null) return;
      const snapshot = builder.build(documents, settings);
      if (snapshot === published) return;
      published = snapshot;
      listener(snapshot);
    },
    async close(): Promise<void> {
      listener = null;
    },
  };
}

function toDocuments(models: ModelsById): ReadonlyMap<string, ConfigDocument> {
  return new Map(
    Object.entries(models).map(([modelConfigId, value]) => [
      modelConfigId,
      typeof value === 'string' ? { text: value, format: 'json' } : { value },
    ]),
  );
}

function toServiceDocument({ loggingType, compressionEnabled }: Partial<ServiceConfig>): ConfigDocument {
  return { value: { v2_logging_type: loggingType, compression_enabled: compressionEnabled } };
}
